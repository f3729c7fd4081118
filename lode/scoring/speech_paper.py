"""Word recognition rate as MINER takes it: 1 - WER, forgiving a reply that contains the reference.

Formula: 1 if the reference is a substring of the reply, else max(0, 1 - WER), with WER = (substitutions + deletions +
insertions) / words of the reference, from the best alignment. Both are stripped and case-folded.

Range: [0, 1]; the mean is over samples, so a short sample weighs as much as a long one.

Source: MINER (arXiv 2410.04819); WER by `jiwer`.

What it does not tell: chatter around a right transcript costs nothing ("the speaker says: ..."); see
`word_recognition`, which counts it.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import jiwer
import numpy as np
from jaxtyping import Float

#: The column of the predictions table that is scored.
COLUMN = "reply"


def word_recognition_rate(reply: str, reference: str) -> float:
    """1 - word error rate, at least 0; a reference without words is recognised by an empty reply only."""
    if not reference.split():
        return float(not reply.split())
    return max(0.0, 1.0 - jiwer.wer(reference, reply)) if reply.split() else 0.0


def score(replies: Sequence[str], samples: Sequence[Mapping[str, Any]]) -> Float[np.ndarray, " sample"]:
    """Score each reply against the first answer of its sample.

    Args:
        replies: one reply per sample.
        samples: rows of the dataset table; `answers` is read.
    """
    rates = []
    for reply, sample in zip(replies, samples, strict=True):
        said, reference = reply.strip().casefold(), sample["answers"][0].strip().casefold()
        rates.append(1.0 if reference and reference in said else word_recognition_rate(said, reference))
    return np.array(rates, dtype=np.float64)
