"""The MINER method written a second time: slow, plain and independent of ``lode.importance`` and ``lode.selection``.

Everything follows docs/methods.md 1.1 to 1.4 word by word, in numpy float64, with a Python loop wherever the text
says "for each". The attention metrics form the whole (query, key, neuron) product before they sum it, as section 1.1
says the reference does. Nothing here is shared with the code under test, not even the orders of the axes.

Choices made where the text leaves room:

* K is the floor of the ratio *as written in decimal*: 0.01 of 29 x 100 neurons is 29, although in binary floating point
  ``0.01 * 29 * 100`` is 28.999999999999996.
* A modality "never occurred" when its importance is zero in all five metrics, before they are mixed.
* Under ``adaptive`` a tie between modalities goes to the smaller modality index.
* A modality that occurred keeps its entry in the result even if its set is empty.
"""

from collections.abc import Sequence
from fractions import Fraction
from math import exp, floor

import numpy as np

METRIC_ORDER = ("prob", "mean", "max", "attn_k", "attn_q")
MODALITY_ORDER = ("text", "special", "special_text", "image", "video", "audio", "prompt")

Entry = tuple[float, int, int, int]


def sample_importance(
    activations: np.ndarray,
    attention: np.ndarray,
    token_modality: Sequence[str],
    attention_kind: str = "reference",
) -> np.ndarray:
    """Importance of every neuron for every modality in one sample.

    Args:
        activations: (layer, token, neuron), at the gate site.
        attention: (layer, query, key), head-mean softmax.
        token_modality: one name per token.
        attention_kind: ``reference`` or ``causal`` (docs/methods.md 1.2).

    Returns:
        float64 array (metric, modality, layer, neuron), between 0 and 1.
    """
    activations = np.asarray(activations, dtype=np.float64)
    attention = np.asarray(attention, dtype=np.float64)
    num_layers, _, num_neurons = activations.shape
    importance = np.zeros((len(METRIC_ORDER), len(MODALITY_ORDER), num_layers, num_neurons))
    for m, modality in enumerate(MODALITY_ORDER):
        tokens = [t for t, name in enumerate(token_modality) if belongs(name, modality)]
        if not tokens:
            continue
        for layer in range(num_layers):
            rows = activations[layer][tokens]
            square = attention[layer][np.ix_(tokens, tokens)]
            for k, score in enumerate(metric_scores(rows, square, attention_kind)):
                importance[k, m, layer] = min_max(score)
    return importance


def belongs(token: str, modality: str) -> bool:
    """Whether a token of kind ``token`` is one of the tokens of ``modality``."""
    if modality == "prompt":
        return True
    if modality == "special_text":
        return token in ("special", "text")
    return token == modality


def metric_scores(rows: np.ndarray, square: np.ndarray, attention_kind: str) -> list[np.ndarray]:
    """The five scores of each neuron, before min-max.

    Args:
        rows: A of docs/methods.md 1.1, (token, neuron), tokens of one modality in one layer.
        square: S of docs/methods.md 1.1, (query, key), the same tokens on both axes.
        attention_kind: ``reference`` or ``causal``.
    """
    num_tokens, num_neurons = rows.shape
    prob = np.array([sum(1 for a in rows[:, n] if a > 0) / num_tokens for n in range(num_neurons)])
    mean = np.array([sum(rows[:, n]) / num_tokens for n in range(num_neurons)])
    largest = np.array([max(rows[:, n]) for n in range(num_neurons)])
    if attention_kind == "causal":
        received = causal_weights(square)
        score = np.array([sum(c * a for c, a in zip(received, rows[:, n], strict=True)) for n in range(num_neurons)])
        return [prob, mean, largest, score, score]
    # Product of every pair of tokens with the activation of one of the two, (query, key, neuron).
    attn_k = softmax(square, axis=0)[:, :, None] * rows[:, None, :]
    attn_q = softmax(square, axis=1)[:, :, None] * rows[None, :, :]
    return [prob, mean, largest, attn_k.sum(axis=1).sum(axis=0), attn_q.sum(axis=0).sum(axis=0)]


def softmax(square: np.ndarray, axis: int) -> np.ndarray:
    """Softmax of (query, key): over the queries of each key (axis 0) or over the keys of each query (axis 1)."""
    out = np.zeros_like(square)
    num_tokens = len(square)
    for fixed in range(num_tokens):
        line = [square[i, fixed] if axis == 0 else square[fixed, i] for i in range(num_tokens)]
        total = sum(exp(value) for value in line)
        for i, value in enumerate(line):
            place = (i, fixed) if axis == 0 else (fixed, i)
            out[place] = exp(value) / total
    return out


def causal_weights(square: np.ndarray) -> list[float]:
    """Attention that each token receives from later tokens of its modality, as shares of one (all 0 if none)."""
    num_tokens = len(square)
    received = [sum(square[q, t] for q in range(t + 1, num_tokens)) for t in range(num_tokens)]
    total = sum(received)
    return [value / total if total > 0 else 0.0 for value in received]


def min_max(score: np.ndarray) -> np.ndarray:
    """Scores mapped to [0, 1] over the neurons; all 0 where every neuron has the same score."""
    low, high = min(score), max(score)
    if low == high:
        return np.zeros_like(score)
    return np.array([(value - low) / (high - low) for value in score])


def num_selected(ratio: float, num_layers: int, num_neurons: int) -> int:
    """K, the number of neurons that a ratio stands for, free of binary rounding."""
    return floor(Fraction(str(ratio)) * num_layers * num_neurons)


def select(
    importance: np.ndarray,
    modalities: Sequence[str],
    mix: Sequence[float],
    ratio: float,
    strategy: str,
) -> dict[str, set[tuple[int, int]]]:
    """The neuron set of each modality under one of the four deterministic strategies.

    Args:
        importance: (metric, modality, layer, neuron).
        modalities: names along axis 1.
        mix: weight of each metric.
        ratio: share of all neurons, in (0, 1].
        strategy: ``adaptive``, ``LA_MU``, ``LU_MA`` or ``uniform``.

    Returns:
        A set of (layer, neuron) for each modality that occurred.
    """
    importance = np.asarray(importance, dtype=np.float64)
    present = [m for m in range(len(modalities)) if np.any(importance[:, m] != 0)]
    result: dict[str, set[tuple[int, int]]] = {modalities[m]: set() for m in present}
    if not present:
        return result
    num_layers, num_neurons = importance.shape[2:]
    mixed = sum(weight * importance[k] for k, weight in enumerate(mix))
    k_total = num_selected(ratio, num_layers, num_neurons)
    entries = [
        (float(mixed[m, layer, neuron]), m, layer, neuron)
        for m in present
        for layer in range(num_layers)
        for neuron in range(num_neurons)
    ]
    chosen = {"adaptive": adaptive, "LA_MU": la_mu, "LU_MA": lu_ma, "uniform": uniform}[strategy](
        entries, present, num_layers, k_total
    )
    for _, m, layer, neuron in chosen:
        result[modalities[m]].add((layer, neuron))
    return result


def top(entries: list[Entry], count: int) -> list[Entry]:
    """The ``count`` largest entries; among equals the smaller (modality, layer, neuron) comes first."""
    return sorted(entries, key=lambda entry: (-entry[0], *entry[1:]))[:count]


def adaptive(entries: list[Entry], present: list[int], num_layers: int, k_total: int) -> list[Entry]:
    """Top K of the sum over modalities; each neuron labelled with the modality where it is largest."""
    by_neuron: dict[tuple[int, int], list[Entry]] = {}
    for entry in entries:
        by_neuron.setdefault(entry[2:], []).append(entry)
    # The modality slot is 0 for every sum, so that ties are left to (layer, neuron).
    sums = [(sum(entry[0] for entry in group), 0, *place) for place, group in by_neuron.items()]
    return [top(by_neuron[layer, neuron], 1)[0] for _, _, layer, neuron in top(sums, k_total)]


def la_mu(entries: list[Entry], present: list[int], num_layers: int, k_total: int) -> list[Entry]:
    """For each modality the top floor(K / M) of all neurons."""
    chosen = []
    for m in present:
        chosen += top([entry for entry in entries if entry[1] == m], k_total // len(present))
    return chosen


def lu_ma(entries: list[Entry], present: list[int], num_layers: int, k_total: int) -> list[Entry]:
    """For each layer the top floor(K / L) of all (modality, neuron) pairs."""
    chosen = []
    for layer in range(num_layers):
        chosen += top([entry for entry in entries if entry[2] == layer], k_total // num_layers)
    return chosen


def uniform(entries: list[Entry], present: list[int], num_layers: int, k_total: int) -> list[Entry]:
    """For each layer and modality the top floor(K / (M L))."""
    chosen = []
    for layer in range(num_layers):
        for m in present:
            group = [entry for entry in entries if entry[2] == layer and entry[1] == m]
            chosen += top(group, k_total // (len(present) * num_layers))
    return chosen
