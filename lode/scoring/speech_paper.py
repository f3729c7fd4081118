"""Word recognition rate exactly as MINER takes it: 1 - WER, forgiving a reply that contains the reference.

Formula: 1 if the reference is a substring of the reply, else 1 - WER, with WER = (substitutions + deletions +
insertions) / words of the reference, from the best alignment. Both are stripped and lower-cased, and split at blanks.

Range: (-inf, 1]; negative where the reply has more wrong words than the reference has words: 10 words that are all
wrong for 2 make 1 - 10 / 2 = -4. Nothing is clipped. The mean is over samples, so a short one weighs as much as a
long one.

Source: MINER (arXiv 2410.04819), its published code; WER by `jiwer`.

What it does not tell: chatter around a right transcript costs nothing ("the speaker says: ..."), around one that is a
word off each further word costs, so that a model that does not stop can fall far below silence (0). See
`word_recognition`, which is clipped. Departures: a blank reference scores 0 (the paper's code divides by zero), and
distances above 255 words are right (there, they overflow).
"""

from collections.abc import Mapping, Sequence
from typing import Any

import jiwer
import numpy as np
from jaxtyping import Float

COLUMN = "reply"
UNIT = "share, at most 1"
SEES_STOPPING = True


def word_recognition_rate(reply: str, reference: str) -> float:
    """1 - word error rate; 0 for an empty reply or a blank reference."""
    said, words = reply.split(), reference.split()
    return 1.0 - jiwer.wer(" ".join(words), " ".join(said)) if said and words else 0.0


def score(replies: Sequence[str], samples: Sequence[Mapping[str, Any]]) -> Float[np.ndarray, " sample"]:
    """Score each reply against the first answer of its sample.

    Args:
        replies: one reply per sample.
        samples: rows of the dataset table; `answers` is read.
    """
    rates = []
    for reply, sample in zip(replies, samples, strict=True):
        said, reference = reply.strip().lower(), (*sample["answers"], "")[0].strip().lower()
        rates.append(1.0 if reference and reference in said else word_recognition_rate(said, reference))
    return np.array(rates, dtype=np.float64)
