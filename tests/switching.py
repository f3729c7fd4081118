"""Interventions as a stage makes them from their YAML, with reference values for the tiny model."""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import torch

from lode.grouping.modality import GROUPS, grouping
from lode.intervention import Intervention, from_config
from lode.intervention._acting import switched
from lode.intervention._reference import token_means
from lode.model.adapter import Adapter
from lode.model.encoding import Batch
from lode.neurons import at_gate
from lode.study import STUDY, compose

MODALITIES = tuple(GROUPS)

INTERVENTIONS = sorted(path.stem for path in (STUDY.config_dir / "intervention").glob("*.yaml"))


@cache
def section(name: str, *overrides: str) -> Any:
    """The `intervention` section of a YAML."""
    return compose([f"intervention={name}", *overrides]).intervention


def intervention(adapter: Adapter, name: str, *overrides: str) -> Intervention:
    """The intervention of a YAML; class means are random numbers of the size of activations."""
    made = from_config(section(name, *overrides), grouping())
    rng, shape = np.random.default_rng(0), (2, adapter.num_layers, adapter.num_neurons)
    return replace(made, class_means={modality: rng.normal(size=shape) for modality in MODALITIES})


def donors(adapter: Adapter, made: Intervention, samples: Sequence[Any]) -> list[torch.Tensor] | None:
    """Means of another sample for each: the one at the other end of the list."""
    return token_means(adapter, samples[::-1], grouping())[0] if "donors" in made.needs else None


def on(
    adapter: Adapter,
    made: Intervention,
    neurons: Sequence[tuple[int, int]],
    samples: Sequence[Any],
    batch: Batch,
    modality: str = "text",
) -> AbstractContextManager[None]:
    """The context of an intervention for the prompts of a batch."""
    return switched(adapter, made, at_gate(neurons), modality, batch.token_kind, donors(adapter, made, samples))
