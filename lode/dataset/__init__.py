"""Datasets: one file each. A plug-in turns a source into samples with the record schema of every other dataset.

A plug-in `lode/dataset/<name>.py` has one public function::

    def samples(split: str, num_samples: int, seed: int, **options) -> Iterator[Sample]

`split` is `mine`, `report`, or (generators only) `train`. Samples of different splits never share content:
`lode/splits.py` decides from the content alone. Data of the hub come through `lode/hub.py`. Only light imports:
plug-ins are imported while the job graph is built, to check their options.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

from lode.media import Medium
from lode.splits import split_of


@dataclass(frozen=True)
class Sample:
    """One record; the fields are those of the dataset table (`lode/schemas.py`)."""

    sample_id: str
    cluster_id: str
    split: str
    prompt: str
    answers: tuple[str, ...]
    media: tuple[Medium, ...] = ()
    choices: tuple[str, ...] = ()
    answer_index: int = -1
    meta: dict[str, object] = field(default_factory=dict)


def only_split(candidates: Iterator[tuple[str, Sample]], split: str, num_samples: int, seed: int) -> Iterator[Sample]:
    """The first `num_samples` candidates (content, sample) that fall in the split, without repeats."""
    seen: set[str] = set()
    for content, sample in candidates:
        if len(seen) == num_samples:
            return
        if content not in seen and split_of(content, seed) == split:
            seen.add(content)
            yield sample
