"""CIDEr-D of captions: overlap of n-grams with the references, rare ones weighing more.

Formula, for a reply c and its m references s_j, over n = 1 to 4:

    CIDEr-D / 10 = 1/4 sum_n 1/m sum_j exp(-(|c| - |s_j|)^2 / (2 * 6^2)) * min(g_n(c), g_n(s_j)) . g_n(s_j)
                   / (norm(g_n(c)) norm(g_n(s_j)))

where |.| counts words, min is per n-gram, and g_n(.) holds for each n-gram how often it occurs times log(N / d): N
samples, d of them with the n-gram in some reference. A factor 10 is left out, so that scores end at 1.

Range: [0, 1]; people reach about 0.09 on COCO, good models 0.12 to 0.15. A reply that is every reference, of four words
or more, scores 1.

Source: Vedantam et al. 2015 (arXiv 1411.5726), section 6; constants as in its code. Written here because the usual
package needs Java to split words. Words are runs of letters, digits and apostrophes, lower-cased; Stanford's
tokeniser also splits "man's" in two, so values differ in the third place.

What it does not tell: **weights come from the references of the samples scored together**, so values of two datasets,
or of two draws of one, do not compare; all neuron sets of one run share their samples, and do. With one sample every
weight is log 1 = 0, and so is every score. N-grams that all samples share weigh nothing, so a generic caption scores
near 0 even where it is right.
"""

import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float

COLUMN = "reply"
UNIT = "CIDEr-D / 10"
SEES_STOPPING = True

ORDERS = (1, 2, 3, 4)
SIGMA = 6.0  # of the penalty for a difference in length [words]
_WORD = re.compile(r"[\w']+")

NGrams = Counter[tuple[str, ...]]


def words_of(text: str) -> list[str]:
    """The words of a caption."""
    return _WORD.findall(text.lower())


def ngrams(words: Sequence[str]) -> NGrams:
    """How often each n-gram of orders 1 to 4 occurs."""
    return Counter(tuple(words[i : i + n]) for n in ORDERS for i in range(len(words) - n + 1))


def rarity(documents: Sequence[Sequence[str]]) -> dict[tuple[str, ...], float]:
    """log(samples / samples with the n-gram) of every n-gram of the references.

    Args:
        documents: the references of each sample.
    """
    counts = Counter(gram for texts in documents for gram in {g for text in texts for g in ngrams(words_of(text))})
    return {gram: math.log(len(documents) / count) for gram, count in counts.items()}


class Vector(NamedTuple):
    """A caption's weighted n-grams: number of words, value of each n-gram, Euclidean length of each order's part."""

    num_words: int
    values: Mapping[tuple[str, ...], float]
    norms: Mapping[int, float]


def vector(text: str, weights: Mapping[tuple[str, ...], float], unseen: float) -> Vector:
    """The vector of a caption.

    Args:
        text: the caption.
        weights: the rarity of each n-gram of the references.
        unseen: the rarity of any other n-gram.
    """
    words = words_of(text)
    values = {gram: count * weights.get(gram, unseen) for gram, count in ngrams(words).items()}
    squares = dict.fromkeys(ORDERS, 0.0)
    for gram, value in values.items():
        squares[len(gram)] += value**2
    return Vector(len(words), values, {n: math.sqrt(square) for n, square in squares.items()})


def similarity(reply: Vector, reference: Vector) -> float:
    """CIDEr-D / 10 of a reply and one reference."""
    shared = dict.fromkeys(ORDERS, 0.0)
    for gram, value in reply.values.items():
        true = reference.values.get(gram, 0.0)
        shared[len(gram)] += min(value, true) * true
    lengths = {n: reply.norms[n] * reference.norms[n] for n in ORDERS}
    cosines = [shared[n] / lengths[n] for n in ORDERS if lengths[n]]
    gap = reply.num_words - reference.num_words
    return sum(cosines) / len(ORDERS) * math.exp(-(gap**2) / (2 * SIGMA**2))


def score(replies: Sequence[str], samples: Sequence[Mapping[str, Any]]) -> Float[np.ndarray, " sample"]:
    """Score each reply: its mean similarity to the references of its sample.

    Args:
        replies: one reply per sample.
        samples: rows of the dataset table, a sample as often as it has replies; `sample_id` and `answers` are read, and
            all of them decide the weights.
    """
    references = [[answer for answer in sample["answers"] if answer.strip()] for sample in samples]
    documents = {sample["sample_id"]: texts for sample, texts in zip(samples, references, strict=True) if texts}
    weights, unseen = rarity(list(documents.values())), math.log(max(len(documents), 1))
    vectors = {text: vector(text, weights, unseen) for texts in documents.values() for text in texts}
    values = np.zeros(len(samples))
    for i, (reply, texts) in enumerate(zip(replies, references, strict=True)):
        if texts:
            said = vector(reply, weights, unseen)
            values[i] = min(sum(similarity(said, vectors[text]) for text in texts) / len(texts), 1.0)
    return values
