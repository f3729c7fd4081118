"""Datasets: one file each. A plug-in turns a source into samples with the record schema of every other dataset.

A plug-in `lode/dataset/<name>.py` has one public function::

    def samples(split: str, num_samples: int, seed: int, **options) -> Iterator[Sample]

`split` is `mine`, `report`, or (generators only) `train`. Samples of different splits never share
content: `split_of` decides from the content alone. Only light imports: plug-ins are imported while the
job graph is built, to check their options.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from hashlib import sha256

from lode.media import Medium

#: Where one unit of the hash interval goes: 70 % train, 10 % mine, 20 % report.
_BOUNDS = (("train", 0.7), ("mine", 0.8), ("report", 1.0))


@dataclass(frozen=True)
class Sample:
    """One record; the fields are those of the dataset table (`lode/artifacts.py`)."""

    sample_id: str
    cluster_id: str
    split: str
    prompt: str
    answers: tuple[str, ...]
    media: tuple[Medium, ...] = ()
    choices: tuple[str, ...] = ()
    answer_index: int = -1
    meta: dict[str, object] = field(default_factory=dict)


def split_of(content: str, seed: int) -> str:
    """The split that a piece of content belongs to, from its hash: no piece is ever in two splits."""
    point = int.from_bytes(sha256(f"{seed}|{content}".encode()).digest()[:8], "big") / 2**64
    return next(name for name, bound in _BOUNDS if point < bound)


def only_split(candidates: Iterator[tuple[str, Sample]], split: str, num_samples: int, seed: int) -> Iterator[Sample]:
    """The first `num_samples` candidates (content, sample) that fall in the split, without repeats."""
    seen: set[str] = set()
    for content, sample in candidates:
        if len(seen) == num_samples:
            return
        if content not in seen and split_of(content, seed) == split:
            seen.add(content)
            yield sample
