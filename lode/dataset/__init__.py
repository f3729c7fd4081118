"""Datasets: one file each. A plug-in turns a source into samples with the record schema of every other dataset.

A plug-in `lode/dataset/<name>.py` has one fact and one public function::

    HELD_OUT = "clusters"  # what `mine` and `test` share nothing of; "samples" where both ask about the same clusters
    def samples(split: str, num_samples: int, seed: int, **options) -> Iterator[Sample]

One that samples are scored apart by (`dataset.strata`) says which keys its `meta` has: `META`, a tuple of names.

`split` is `mine`, `test`, or (of what is generated, or written by us) `train`; `seed` is the config's `split_seed`.
Samples of different splits never share content: `lode/dataset/_splits.py` decides from the content alone. Data of the
hub come through `lode/hub/datasets.py`. Only light imports: plug-ins are imported while the job graph is built, to
check their options.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from string import ascii_uppercase

from lode.dataset._splits import split_of, with_cluster
from lode.media import Medium

#: What `split` of the config may be. `disjoint`: mine and test on different samples; `paper`: on the same.
SPLITS = ("disjoint", "paper")

#: Of the `meta` of a sample whose answer is the letter of the right choice, A for the first, and not its text.
BY_LETTER = {"answer_is": "letter"}
#: Of one whose answer is the text of the right choice, of any length: the likelihood of whole texts is taken.
BY_TEXT = {"answer_is": "text"}


@dataclass(frozen=True)
class Sample:
    """One record; the fields are those of the dataset table (`lode/table/dataset.py`)."""

    sample_id: str
    cluster_id: str
    split: str
    prompt: str
    answers: tuple[str, ...]
    media: tuple[Medium, ...] = ()
    choices: tuple[str, ...] = ()
    answer_index: int = -1
    meta: dict[str, object] = field(default_factory=dict)


def spoken_options(choices: Sequence[str], meta: Mapping[str, object]) -> Sequence[str]:
    """What a reply says to choose each option: its letter where `meta` says so (`BY_LETTER`), else its text."""
    return list(ascii_uppercase[: len(choices)]) if BY_LETTER.items() <= meta.items() else choices


def only_split(
    candidates: Iterator[tuple[str, Sample]], split: str, num_samples: int, seed: int, by_cluster: bool = False
) -> Iterator[Sample]:
    """The first `num_samples` candidates (content, sample) that fall in the split, without repeats.

    Args:
        candidates: as many as there are, or without an end.
        split: `train`, `mine` or `test`.
        num_samples: at most this many.
        seed: of the split.
        by_cluster: `mine` and `test` share no cluster either (`with_cluster`).
    """
    seen: set[str] = set()
    for content, sample in candidates:
        if len(seen) == num_samples:
            return
        place = with_cluster(content, sample.cluster_id, seed) if by_cluster else split_of(content, seed)
        if content not in seen and place == split:
            seen.add(content)
            yield sample
