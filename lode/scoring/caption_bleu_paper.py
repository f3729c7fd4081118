"""The paper's BLEU of a caption: of the sentence against one reference, the best of them.

Formula: max over the references r of BP * (p_1 p_2 p_3 p_4)^(1/4), with p_n the share of the reply's n-grams that r has
as often, and BP = min(1, exp(1 - words of r / words of the reply)). Words are what blanks separate, capitals and
full stops included. Smoothing 1 of Chen & Cherry: an order without a match counts 0.1 matches, of one n-gram at least
(so a reply of under 4 words has 0.1 for the orders that it is too short to have). 0 where no word matches.

Range: [0, 1]; 1 where the reply is a reference of 4 words or more; "cat" for "cat" is 0.18.

Source: MINER (arXiv 2410.04819), its published code, which calls nltk's `sentence_bleu` with `method1`: equal to it
within 1e-12. It prints the maximum, the minimum and the mean over references; this is the maximum. Papineni et al. 2002
(P02-1040); Chen & Cherry 2014 (W14-3346).

What it does not tell: "road." and "road" are two words. BLEU is meant for a corpus; `bleu_4` is the field's sentence
BLEU against all references together, lower-cased and with marks set apart. It knows no synonyms.
"""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float

COLUMN = "reply"
UNIT = "score in [0, 1]"
SEES_STOPPING = True

ORDERS = (1, 2, 3, 4)
SMOOTHING = 0.1  # matches that an order without any counts as


def ngrams(words: Sequence[str], n: int) -> Counter[tuple[str, ...]]:
    """How often each run of n words occurs."""
    return Counter(tuple(words[i : i + n]) for i in range(len(words) - n + 1))


def bleu(words: Sequence[str], reference: Sequence[str]) -> float:
    """Sentence BLEU of one reply against one reference, both split into words."""
    matches = [(ngrams(words, n) & ngrams(reference, n)).total() for n in ORDERS]
    if not matches[0]:
        return 0.0
    precisions = [(found or SMOOTHING) / max(len(words) - n + 1, 1) for n, found in zip(ORDERS, matches, strict=True)]
    penalty = math.exp(min(0.0, 1 - len(reference) / len(words)))
    return penalty * math.prod(precisions) ** (1 / len(ORDERS))


def score(replies: Sequence[str], samples: Sequence[Mapping[str, Any]]) -> Float[np.ndarray, " sample"]:
    """Score each reply: its best BLEU over the references of its sample.

    Args:
        replies: one reply per sample.
        samples: rows of the dataset table; `answers` is read.
    """
    best = [
        max((bleu(reply.split(), answer.split()) for answer in sample["answers"]), default=0.0)
        for reply, sample in zip(replies, samples, strict=True)
    ]
    return np.array(best, dtype=np.float64)
