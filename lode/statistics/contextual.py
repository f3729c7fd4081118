"""Which state of a word, at which layer, is a token's state nearest to? The contextual lens, from states alone.

A *bank* holds the states of words of prompts at some layers (1, 2, 4, ... and the last but one before the head). Of a
token the nearest one by cosine says which layer of text it resembles, and the five nearest words, each by its nearest
state, what it may be about. Words of a sample of the same cluster are left out: a word next to a picture may hold
what the picture shows. The idea is that of LatentLens; the bank and the check against known objects are ours.
Source: docs/methods.md 7.8.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int, Shaped

#: How many words count as the nearest.
NUM_WORDS = 5


class Bank(NamedTuple):
    """States of words, in the order of the words.

    Attributes:
        states: of length 1.
        clusters: of the samples that they are of.
        layers: that they are of.
        words: of each entry the place of its word in `names`.
        names: the words, each once, sorted.
    """

    states: Float[np.ndarray, "entry value"]
    clusters: Shaped[np.ndarray, " entry"]
    layers: Int[np.ndarray, " entry"]
    words: Int[np.ndarray, " entry"]
    names: Shaped[np.ndarray, " word"]


class Nearest(NamedTuple):
    """What is nearest to each token.

    Attributes:
        cosine: of the nearest state of a word.
        layer: that it is of.
        words: places of the nearest words in the names of the bank, in no order; -1: there are fewer.
    """

    cosine: Float[np.ndarray, " token"]
    layer: Int[np.ndarray, " token"]
    words: Int[np.ndarray, "token near"]


def bank_layers(num_layers: int) -> list[int]:
    """1, 2, 4, ... and the last state before that of the head, of a model of at least two layers."""
    powers = [2**at for at in range(num_layers.bit_length()) if 2**at < num_layers]
    return sorted({*powers, num_layers - 1})


def unit(states: Float[np.ndarray, "token value"]) -> Float[np.ndarray, "token value"]:
    """States at length 1; one without a length stays as it is."""
    lengths = np.linalg.norm(states, axis=1, keepdims=True)
    return np.asarray(states / np.where(lengths > 0, lengths, 1))


def bank_of(
    states: Float[np.ndarray, "entry value"],
    clusters: Shaped[np.ndarray, " entry"],
    layers: Int[np.ndarray, " entry"],
    words: Sequence[str],
) -> Bank:
    """A bank of entries in any order."""
    names, codes = np.unique(np.asarray(words, dtype=str), return_inverse=True)
    order = np.argsort(codes, kind="stable")
    return Bank(unit(states[order]), clusters[order], layers[order], codes[order], names)


def nearest(states: Float[np.ndarray, "token value"], clusters: Shaped[np.ndarray, " token"], bank: Bank) -> Nearest:
    """The nearest entries of other clusters, and the nearest words of these.

    Args:
        states: of the tokens.
        clusters: of the samples that these are of.
        bank: of two clusters at least.
    """
    cosines = unit(states) @ bank.states.T
    cosines[clusters[:, None] == bank.clusters[None]] = -np.inf
    best = cosines.argmax(axis=1)
    starts = np.flatnonzero(np.diff(bank.words, prepend=-1))
    by_word = np.maximum.reduceat(cosines, starts, axis=1)
    near = min(NUM_WORDS, by_word.shape[1])
    words = np.argpartition(-by_word, near - 1, axis=1)[:, :near]
    words = np.where(np.isneginf(np.take_along_axis(by_word, words, axis=1)), -1, words)
    return Nearest(cosines[np.arange(len(states)), best], bank.layers[best], words)


def names_any(
    found: Int[np.ndarray, "token near"], wanted: Sequence[Sequence[str]], bank: Bank
) -> Bool[np.ndarray, " token"]:
    """Whether one of the nearest words of each token is wanted of it."""
    said = [{str(bank.names[place]) for place in row if place >= 0} for row in found]
    return np.array([bool(names & set(words)) for names, words in zip(said, wanted, strict=True)], dtype=bool)
