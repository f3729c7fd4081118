"""Stage 1b: turn a dataset plug-in into one table, every record checked before any model is loaded."""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict
from importlib import import_module
from itertools import chain
from typing import Any

from lode.artifacts import write_rows
from lode.dataset import Sample
from lode.errors import UserError
from lode.media import DECODERS, Medium, Sampling, decode


def row(sample: Sample) -> dict[str, Any]:
    """A sample as a row of the dataset table."""
    return {**asdict(sample), "meta": json.dumps(sample.meta, sort_keys=True)}


def check_medium(sample_id: str, medium: Medium) -> None:
    """Raise `UserError` naming the sample when a medium is of no known kind or does not decode."""
    if medium.kind not in DECODERS:
        raise UserError(f"sample {sample_id}: medium {medium.kind!r}; expected one of {', '.join(DECODERS)}")
    decode(sample_id, medium, Sampling())


def check_sample(sample: Sample, promised: set[str]) -> None:
    """Refuse a record that a later stage could not use; `promised` are the media of the dataset's `modalities`."""
    name = f"sample {sample.sample_id}"
    if not sample.prompt.strip() or not sample.answers or not sample.answers[0].strip():
        raise UserError(
            f"{name}: prompt {sample.prompt!r}, answers {list(sample.answers)}; expected a prompt and an answer or "
            "more, the first with a text"
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


def checked(samples: Iterable[Sample], modalities: Sequence[str]) -> Iterator[Sample]:
    """Pass samples on, each one checked first.

    Raises:
        UserError: repeated ids, an empty prompt, no answer, no such choice, a medium that does not decode, or one that
            the dataset's `modalities` promise and the sample lacks (or the reverse).
    """
    promised, seen = set(modalities) - {"text", "special"}, set[str]()
    for sample in samples:
        if sample.sample_id in seen:
            raise UserError(f"sample {sample.sample_id}: the id occurs twice; ids must be unique in a dataset")
        seen.add(sample.sample_id)
        check_sample(sample, promised)
        yield sample


def check_samples(samples: Iterable[Sample], modalities: Sequence[str]) -> None:
    """Refuse samples that a later stage could not use; raises as `checked` does."""
    for _ in checked(samples, modalities):
        pass


def rows(dataset: Any, seed: int) -> Iterator[dict[str, Any]]:
    """The rows of the dataset table, one at a time: each split drawn, each sample checked.

    Raises:
        UserError: as `checked`, or a split has no sample.
    """
    plugin = import_module(f"lode.dataset.{dataset.plugin}")
    drawn = chain.from_iterable(
        plugin.samples(split, count, seed, **dataset.options) for split, count in dataset.num_samples.items()
    )
    absent = set(dataset.num_samples)
    for sample in checked(drawn, dataset.modalities):
        absent.discard(sample.split)
        yield row(sample)
    if absent:
        raise UserError(
            f"dataset {dataset.name}: no sample in split {min(absent)!r}; both `mine` and `report` are needed"
        )


def run(cfg: Any, made_by: dict[str, Any]) -> None:
    """Draw both splits, check them, and write the dataset table, with a few samples in memory at a time."""
    write_rows(cfg.io.output, "dataset", rows(cfg.dataset, cfg.seed), made_by)
