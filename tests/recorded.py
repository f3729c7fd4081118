"""What is recorded of samples by one recording alone, as the stages do it, with the modalities."""

from collections.abc import Sequence
from typing import Any

from lode.grouping.modality import grouping
from lode.model.adapter import Adapter
from lode.model.switching import Switch, untouched
from lode.recording import activations, gradients, record

MODALITY = grouping()


def capture(
    adapter: Adapter,
    samples: Sequence[dict[str, Any]],
    batch_size: int,
    attention: str = "reference",
    switch: Switch = untouched,
    **options: Any,
) -> activations.Activations:
    """Statistics of all samples; options as in the `capture` section."""
    kept = activations.recording(adapter, MODALITY, attention, **options)
    record(adapter, samples, batch_size, [kept], MODALITY, switch)
    return kept


def attribute(
    adapter: Adapter,
    samples: Sequence[dict[str, Any]],
    batch_size: int,
    alpha: float,
    num_steps: int,
    switch: Switch = untouched,
) -> gradients.Gradients:
    """Attributions of all samples."""
    kept = gradients.recording(adapter, MODALITY, alpha, num_steps)
    record(adapter, samples, batch_size, [kept], MODALITY, switch)
    return kept
