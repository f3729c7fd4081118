"""Which split a piece of content belongs to, and which samples of real data are drawn: decided by hashes alone."""

import heapq
from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import sha256

from lode.engine.errors import UserError

#: Where one unit of the hash interval goes: 70 % train, 10 % mine, 20 % test.
_BOUNDS = (("train", 0.7), ("mine", 0.8), ("test", 1.0))
#: The same of items that we wrote, which are few: 20 % train, 40 % mine, 40 % test.
_BOUNDS_OF_FEW = (("train", 0.2), ("mine", 0.6), ("test", 1.0))
#: The word of each split in the seeds of generators. `test` keeps that of its first name, and so its samples.
_WORDS = {"train": "train", "mine": "mine", "test": "report"}


def word_of(split: str) -> str:
    """What stands for a split in the seed of a generator's random numbers."""
    return _WORDS[split]


def _point(text: str) -> float:
    """A number in [0, 1] from the hash of a text: equal for equal texts, else as good as random."""
    return int.from_bytes(sha256(text.encode()).digest()[:8], "big") / 2**64


def split_of(content: str, seed: int) -> str:
    """The split that a piece of content belongs to, from its hash: no piece is ever in two splits."""
    point = _point(f"{seed}|{content}")
    return next(name for name, bound in _BOUNDS if point < bound)


def split_of_few(content: str, seed: int) -> str:
    """The split of one of few items, of which most are for `mine` and `test`: from its hash, as by `split_of`."""
    point = _point(f"{seed}|{content}")
    return next(name for name, bound in _BOUNDS_OF_FEW if point < bound)


def with_cluster(content: str, cluster: str, seed: int) -> str:
    """The split of a piece of generated content of which `mine` and `test` may share no cluster: a speaker, a fact.

    `train` takes what `split_of` gives it, of every cluster. All the rest goes with its cluster: a third of the
    clusters to `mine`, two thirds to `test`, as `split_of` shares content out.

    Args:
        content: what must not be in two splits.
        cluster: what must not be in both `mine` and `test`.
        seed: of the split.
    """
    return "train" if split_of(content, seed) == "train" else half_of(f"cluster|{cluster}", seed, mine_frac=1 / 3)


def half_of(content: str, seed: int, mine_frac: float = 0.5) -> str:
    """The split of a piece of real data, of which nothing is kept for training.

    Args:
        content: what must not be in both splits: an image, a speaker.
        seed: of the split.
        mine_frac: share of the contents that go to `mine`.
    """
    return "mine" if _point(f"{seed}|{content}") < mine_frac else "test"


@dataclass(frozen=True)
class Draw:
    """Which samples of real data to take.

    Attributes:
        split: `mine` or `test`.
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
