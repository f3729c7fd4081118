"""Stage 1b: turn a dataset plug-in into one table, every record checked before any model is loaded."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from importlib import import_module
from itertools import chain
from typing import Any

from lode.artifacts import write_table
from lode.dataset import Sample
from lode.errors import UserError
from lode.media import DECODERS, DECODING_ERRORS, Medium, Sampling


def row(sample: Sample) -> dict[str, Any]:
    """A sample as a row of the dataset table."""
    return {**asdict(sample), "meta": json.dumps(sample.meta, sort_keys=True)}


def check_medium(sample_id: str, medium: Medium) -> None:
    """Raise `UserError` naming the sample when a medium is of no known kind or does not decode."""
    if medium.kind not in DECODERS:
        raise UserError(f"sample {sample_id}: medium {medium.kind!r}; expected one of {', '.join(DECODERS)}")
    try:
        DECODERS[medium.kind](medium.bytes, Sampling())
    except DECODING_ERRORS as error:
        raise UserError(
            f"sample {sample_id}: its {medium.kind} ({len(medium.bytes)} bytes, {medium.mime}) does not decode: "
            f"{error}. Remove the sample or replace the file"
        ) from error


def check_sample(sample: Sample, promised: set[str]) -> None:
    """Refuse a record that a later stage could not use; `promised` are the media of the dataset's `modalities`."""
    name = f"sample {sample.sample_id}"
    if not sample.prompt.strip() or not sample.answers:
        raise UserError(
            f"{name}: prompt {sample.prompt!r}, answers {list(sample.answers)}; expected a prompt and an answer or more"
        )
    if not -1 <= sample.answer_index < len(sample.choices):
        raise UserError(
            f"{name}: answer_index {sample.answer_index} of {len(sample.choices)} choices; expected the index of a "
            "choice, or -1 where there are none"
        )
    kinds = {medium.kind for medium in sample.media}
    if kinds != promised:
        raise UserError(
            f"{name}: holds {', '.join(sorted(kinds)) or 'no medium'}, but the dataset's `modalities` say "
            f"{', '.join(sorted(promised)) or 'none'}; mend the YAML or the data"
        )
    for medium in sample.media:
        check_medium(sample.sample_id, medium)


def check_samples(samples: Sequence[Sample], modalities: Sequence[str]) -> None:
    """Refuse a dataset that a later stage could not use.

    Raises:
        UserError: repeated ids, an empty prompt, no answer, no such choice, a medium that does not decode, or one that
            the dataset's `modalities` promise and the sample lacks (or the reverse).
    """
    seen: set[str] = set()
    for sample in samples:
        if sample.sample_id in seen:
            raise UserError(f"sample {sample.sample_id}: the id occurs twice; ids must be unique in a dataset")
        seen.add(sample.sample_id)
        check_sample(sample, set(modalities) - {"text", "special"})


def run(cfg: Any, made_by: dict[str, Any]) -> None:
    """Draw both splits, check them, and write the dataset table."""
    dataset = cfg.dataset
    plugin = import_module(f"lode.dataset.{dataset.plugin}")
    samples = list(
        chain.from_iterable(
            plugin.samples(split, count, cfg.seed, **dataset.options) for split, count in dataset.num_samples.items()
        )
    )
    for split in dataset.num_samples:
        if not any(sample.split == split for sample in samples):
            raise UserError(
                f"dataset {dataset.name}: no sample in split {split!r}; both `mine` and `report` are needed"
            )
    check_samples(samples, dataset.modalities)
    write_table(cfg.io.output, "dataset", [row(sample) for sample in samples], made_by)
