"""Items of our own writing: tables in the package, of which every item is in one split for good."""

import csv
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from hashlib import sha256
from itertools import islice
from pathlib import Path

from lode.dataset import Sample
from lode.dataset._data_file import data_text
from lode.dataset._splits import split_of_few

Item = Mapping[str, str]


def items(name: str, digest: str) -> list[Item]:
    """The rows of `lode/dataset/<name>.tsv`, by the names of its columns.

    Raises:
        UserError: the file's SHA-256 is not the digest.
    """
    lines = data_text(Path(__file__).with_name(f"{name}.tsv"), digest).splitlines()
    return list(csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE))


def item_id(dataset: str, content: str) -> str:
    """The id of a sample, which tells nothing of its place in a table."""
    return f"{dataset}-{sha256(content.encode()).hexdigest()[:12]}"


def drawn_items(
    rows: Sequence[Item], key: str, split: str, num_samples: int, seed: int, sample_of: Callable[[Item], Sample]
) -> Iterator[Sample]:
    """The first samples of a split, in an order that the seed deals.

    Args:
        rows: all items.
        key: the column that says what must not be in two splits.
        split: `train`, `mine` or `test`: a fifth, two fifths and two fifths of the items.
        num_samples: at most this many.
        seed: of splits and order.
        sample_of: the sample of an item.
    """
    dealt = random.Random(f"items|{seed}").sample(rows, len(rows))
    return islice((sample_of(row) for row in dealt if split_of_few(row[key], seed) == split), num_samples)


def shuffled(right: str, wrong: Sequence[str], dealer: random.Random) -> tuple[tuple[str, ...], int]:
    """Choices in the order that the dealer gives them, and the place of the right one."""
    choices = dealer.sample([right, *wrong], len(wrong) + 1)
    return tuple(choices), choices.index(right)
