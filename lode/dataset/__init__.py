"""Datasets: one file each. A plug-in turns a source into samples with the record schema of every other dataset.

A plug-in `lode/dataset/<name>.py` has one public function::

    def samples(split: str, num_samples: int, seed: int, **options) -> Iterator[Sample]

`split` is `mine`, `report`, or (generators only) `train`. Samples of different splits never share
content: `split_of` (generators) or `half_of` (real data) decides from the content alone. Data of the hub come through
`lode/hub.py`, drawn by `drawn_ids`. Only light imports: plug-ins are imported while the job graph is built, to check
their options.
"""

import heapq
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from hashlib import sha256

from lode.errors import UserError
from lode.media import Medium

#: Where one unit of the hash interval goes: 70 % train, 10 % mine, 20 % report.
_BOUNDS = (("train", 0.7), ("mine", 0.8), ("report", 1.0))


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


def _point(text: str) -> float:
    """A number in [0, 1] from the hash of a text: equal for equal texts, else as good as random."""
    return int.from_bytes(sha256(text.encode()).digest()[:8], "big") / 2**64


def split_of(content: str, seed: int) -> str:
    """The split that a piece of content belongs to, from its hash: no piece is ever in two splits."""
    point = _point(f"{seed}|{content}")
    return next(name for name, bound in _BOUNDS if point < bound)


def half_of(content: str, seed: int, mine_frac: float = 0.5) -> str:
    """The split of a piece of real data, of which nothing is kept for training.

    Args:
        content: what must not be in both splits: an image, a speaker.
        seed: of the split.
        mine_frac: share of the contents that go to `mine`.
    """
    return "mine" if _point(f"{seed}|{content}") < mine_frac else "report"


@dataclass(frozen=True)
class Draw:
    """Which samples of real data to take.

    Attributes:
        split: `mine` or `report`.
        num_samples: at most this many.
        seed: of the split and of the draw.
        mine_frac: share of the contents that go to `mine`, in (0, 1).
    """

    split: str
    num_samples: int
    seed: int
    mine_frac: float = 0.5

    def __post_init__(self) -> None:
        if not 0 < self.mine_frac < 1:
            raise UserError(f"dataset.options.mine_frac = {self.mine_frac}: expected a share in (0, 1), such as 0.5")


def drawn_ids(identities: Iterable[tuple[str, str]], draw: Draw) -> set[str]:
    """The sample ids of a uniform draw: those of the split with the smallest hashes.

    Published files are sorted (by subject, by speaker), so the first samples, and a shuffle buffer too, would hold
    few clusters. Hashes do not depend on the order, a larger draw holds the smaller one, and memory grows with
    `num_samples` alone.

    Args:
        identities: (sample id, content) of every sample; `half_of` splits by content.
        draw: which to take.
    """
    points = (
        (_point(f"{draw.seed}|draw|{sample_id}"), sample_id)
        for sample_id, content in identities
        if half_of(content, draw.seed, draw.mine_frac) == draw.split
    )
    return {sample_id for _, sample_id in heapq.nsmallest(draw.num_samples, points)}


def only_split(candidates: Iterator[tuple[str, Sample]], split: str, num_samples: int, seed: int) -> Iterator[Sample]:
    """The first `num_samples` candidates (content, sample) that fall in the split, without repeats."""
    seen: set[str] = set()
    for content, sample in candidates:
        if len(seen) == num_samples:
            return
        if content not in seen and split_of(content, seed) == split:
            seen.add(content)
            yield sample
