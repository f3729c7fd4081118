"""One to eight random letters typed on an image, to be named one by one: no word can be guessed from others.

The cluster is the letters, and no letters in a row are in two splits. `meta` says where each is: `places` are
12 x 12 letters, row by row, of cells of 7 pixels, a dot where there is none.
"""

import random
from collections.abc import Iterator
from itertools import count, islice
from string import ascii_lowercase

from lode.dataset import Sample
from lode.dataset._common_words import SPELLINGS
from lode.dataset._splits import split_of
from lode.dataset._typed import typed
from lode.media import encode_image

HELD_OUT = "clusters"
MOST = 8


def _drawn(split: str, seed: int) -> Iterator[Sample]:
    rng = random.Random(f"toy_letters|{seed}|{split}")
    for number in count():
        letters = "".join(rng.choice(ascii_lowercase) for _ in range(rng.randint(1, MOST)))
        line = typed(letters, rng)
        prompt = rng.choice(SPELLINGS)
        if split_of(letters, seed) == split:
            yield Sample(
                sample_id=f"toy_letters-{split}-{number}",
                cluster_id=letters,
                split=split,
                prompt=prompt,
                answers=(" ".join(letters),),
                media=(encode_image(line.draw()),),
                meta={"places": "".join(line.cells())},
            )


def samples(split: str, num_samples: int, seed: int) -> Iterator[Sample]:
    """Yield samples of the split; equal arguments give equal bytes on one machine.

    Args:
        split: `train`, `mine` or `test`.
        num_samples: how many.
        seed: of the splits and the letters.
    """
    return islice(_drawn(split, seed), num_samples)
