"""MINER selection: the top neurons of a mix of five importance metrics, by one of five strategies.

With K = floor(ratio * L * N) and M groups:

- ``adaptive``: top K of the sum over groups, each labelled with its arg-max group (no overlap)
- ``LA_MU``: for each group the top floor(K / M) over all layers (the paper's default; sets may overlap)
- ``LU_MA``: in each layer the top floor(K / L) of all (group, neuron) pairs
- ``uniform``: in each layer, for each group, the top floor(K / (M L))
- ``random``: K uniform draws, dealt to the groups in turn (without replacement; the reference draws with)

``normalisation`` takes the importance under another than was captured first; it needs `capture.all_normalisations`.
Ties go to the smaller index. Source: MINER (arXiv 2410.04819), section 3.4; docs/methods.md 1.3 and 1.4.
What it does not tell: specificity. No strategy compares a neuron's importance between groups.
"""

from collections.abc import Callable, Mapping, Sequence
from hashlib import sha256
from typing import Any

import numpy as np
import pyarrow as pa
from jaxtyping import Float

from lode.engine.errors import UserError, unknown_name
from lode.importance import METRICS, NORMALISATIONS, by_normalisation
from lode.neurons import Pairs
from lode.selection import Scores, as_pairs, check_ratio, num_asked, read, read_lists, top
from lode.table._dense import dense

MIN_GROUPS = 1
NEEDS: dict[str, object] = {}

STRATEGIES = ("adaptive", "LA_MU", "LU_MA", "uniform", "random")

#: The paper's ten mixes; weights in the order of `METRICS`.
MIXES: dict[str, tuple[float, ...]] = {
    "prob": (1, 0, 0, 0, 0),
    "mean": (0, 1, 0, 0, 0),
    "max": (0, 0, 1, 0, 0),
    "attn_k": (0, 0, 0, 1, 0),
    "attn_q": (0, 0, 0, 0, 1),
    "mean_max": (0, 0.5, 0.5, 0, 0),
    "attn_k_attn_q": (0, 0, 0, 0.5, 0.5),
    "mean_max_attn_k": (0, 0.25, 0.25, 0.5, 0),
    "mean_max_attn_q": (0, 0.25, 0.25, 0, 0.5),
    "all": (0.2, 0.2, 0.2, 0.2, 0.2),
}


def mix_weights(mix: str | Mapping[str, float] | Sequence[float]) -> tuple[float, ...]:
    """Five weights from the name of a mix, a mapping metric -> weight, or the weights themselves.

    Raises:
        UserError: unknown mix or metric, a weight that is negative or no number, or a sum other than 1.
    """
    if isinstance(mix, str):
        if mix not in MIXES:
            raise unknown_name("mix", mix, MIXES, "Weights can also be given as {metric: weight}.")
        return tuple(map(float, MIXES[mix]))
    if isinstance(mix, Mapping):
        for metric in mix:
            if metric not in METRICS:
                raise unknown_name("metric", metric, METRICS)
        mix = [mix.get(metric, 0) for metric in METRICS]
    try:
        weights = tuple(map(float, mix))
    except (TypeError, ValueError) as error:
        raise UserError(
            f"mix {mix!r}: expected the name of a mix, {{metric: weight}}, or five weights ({error})"
        ) from error
    if len(weights) != len(METRICS) or not all(weight >= 0 for weight in weights):
        raise UserError(f"mix {weights}: expected {len(METRICS)} weights >= 0, in the order {', '.join(METRICS)}")
    if abs(sum(weights) - 1) > 1e-6:
        raise UserError(f"mix {weights}: the weights sum to {sum(weights):g}; they must sum to 1")
    return weights


def check_options(strategy: str = "LA_MU", mix: Any = "mean_max_attn_k", normalisation: str | None = None) -> None:
    """Refuse an unknown strategy, mix or normalisation before anything runs."""
    if normalisation not in (None, *NORMALISATIONS):
        raise unknown_name("normalisation", str(normalisation), NORMALISATIONS)
    if strategy not in STRATEGIES:
        raise unknown_name("strategy", strategy, STRATEGIES)
    mix_weights(mix)


def select(
    importance: Any,
    groups: Sequence[str],
    mix: Any,
    ratio: float,
    strategy: str,
    seed: int = 0,
) -> dict[str, Pairs]:
    """Choose neurons for each group.

    Args:
        importance: tensor or array (5, group, layer, neuron), metrics in the order of `METRICS`.
        groups: names along axis 1; those whose importance is zero everywhere never occurred and are dropped.
        mix: five weights that sum to 1, a mapping metric -> weight, or a name in `MIXES`.
        ratio: share of all L * N neurons, in (0, 1].
        strategy: one of `STRATEGIES`.
        seed: for ``random`` only.

    Returns:
        For each group an integer array (n, 2) of (layer, neuron), the best first.

    Raises:
        UserError: a value outside what is said above, or importance that is not finite.
    """
    return {name: pairs for name, (pairs, _) in rank(importance, groups, mix, ratio, strategy, seed).items()}


def rank(
    importance: Any, groups: Sequence[str], mix: Any, ratio: float, strategy: str, seed: int
) -> dict[str, tuple[Pairs, np.ndarray]]:
    """As `select`, with the mixed importance that each neuron was ranked by."""
    check_options(strategy, mix)
    values = np.asarray(importance, dtype=np.float64)
    if values.ndim != 4 or values.shape[:2] != (len(METRICS), len(groups)):
        raise UserError(
            f"importance has shape {values.shape}; expected (5, {len(groups)}, layer, neuron) for groups "
            f"{', '.join(groups)}"
        )
    if not np.isfinite(values).all():
        raise UserError("importance holds NaN or infinity; capture again, or look for NaN activations in the model")
    check_ratio(ratio)
    occurring = [index for index in range(len(groups)) if values[:, index].any()]
    if not occurring:
        raise UserError(f"none of the groups {', '.join(groups)} occurs in the mining data")
    mixed = np.tensordot(mix_weights(mix), values[:, occurring], axes=1)
    num_chosen = num_asked(ratio, mixed.shape[1] * mixed.shape[2])
    chosen = _STRATEGIES[strategy](mixed, num_chosen, np.random.default_rng(seed))
    return {
        groups[index]: (pairs, mixed[place][tuple(pairs.T)])
        for place, (index, pairs) in enumerate(zip(occurring, chosen, strict=True))
    }


def _by_label(flat: np.ndarray, labels: np.ndarray, num_groups: int, num_neurons: int) -> list[Pairs]:
    return [as_pairs(flat[labels == label], num_neurons) for label in range(num_groups)]


def _adaptive(mixed: Scores, num_chosen: int, _rng: Any) -> list[Pairs]:
    flat = top(mixed.sum(0).ravel(), num_chosen)
    labels = mixed.reshape(len(mixed), -1)[:, flat].argmax(0)
    return _by_label(flat, labels, len(mixed), mixed.shape[2])


def _la_mu(mixed: Scores, num_chosen: int, _rng: Any) -> list[Pairs]:
    return [as_pairs(top(values.ravel(), num_chosen // len(mixed)), mixed.shape[2]) for values in mixed]


def _lu_ma(mixed: Scores, num_chosen: int, _rng: Any) -> list[Pairs]:
    num_groups, num_layers, num_neurons = mixed.shape
    sets: list[list[Pairs]] = [[] for _ in range(num_groups)]
    for layer in range(num_layers):
        labels, neurons = np.divmod(top(mixed[:, layer].ravel(), num_chosen // num_layers), num_neurons)
        for label in range(num_groups):
            sets[label].append(as_pairs(layer * num_neurons + neurons[labels == label], num_neurons))
    return [np.concatenate(parts) for parts in sets]


def _uniform(mixed: Scores, num_chosen: int, _rng: Any) -> list[Pairs]:
    num_groups, num_layers, num_neurons = mixed.shape
    count = num_chosen // (num_groups * num_layers)
    return [
        np.concatenate([as_pairs(layer * num_neurons + top(v, count), num_neurons) for layer, v in enumerate(values)])
        for values in mixed
    ]


def _random(mixed: Scores, num_chosen: int, rng: np.random.Generator) -> list[Pairs]:
    flat = rng.choice(mixed[0].size, size=num_chosen, replace=False)
    return _by_label(flat, np.arange(num_chosen) % len(mixed), len(mixed), mixed.shape[2])


_STRATEGIES = {"adaptive": _adaptive, "LA_MU": _la_mu, "LU_MA": _lu_ma, "uniform": _uniform, "random": _random}


def select_neurons(
    table: pa.Table,
    groups: Sequence[str],
    ratio: float,
    seed: int,
    strategy: str = "LA_MU",
    mix: Any = "mean_max_attn_k",
    normalisation: str | None = None,
) -> dict[str, tuple[Pairs, np.ndarray]]:
    """The plug-in entry: MINER selection from the importance table."""
    check_options(strategy, mix, normalisation)
    return rank(metrics(table, groups, normalisation), groups, mix, ratio, strategy, seed)


def metrics(table: pa.Table, groups: Sequence[str], normalisation: str | None) -> Float[np.ndarray, "_ _ _ _"]:
    """The five metrics (metric, group, layer, neuron), as captured or under another normalisation.

    Raises:
        UserError: it was not captured.
    """
    if normalisation is None:
        names, values = dense(table, METRICS)
        return values[:, [names.index(name) for name in groups]]
    columns, place = map(by_normalisation, METRICS), NORMALISATIONS.index(normalisation)
    lists = [read_lists(table, groups, column) for column in columns]
    return np.stack([[values[..., place] for values in of_metric] for of_metric in lists])


def score_neurons(
    table: pa.Table,
    groups: Sequence[str],
    strategy: str = "LA_MU",
    mix: Any = "mean_max_attn_k",
    normalisation: str | None = None,
) -> Scores:
    """The plug-in entry: every neuron's place in the order in which the strategy chooses as the ratio grows."""
    check_options(strategy, mix, normalisation)
    values = read(table, groups, METRICS) if normalisation is None else metrics(table, groups, normalisation)
    mixed = np.tensordot(mix_weights(mix), values, axes=1)
    return _ORDERS[strategy](mixed)


def are_comparable(strategy: str = "LA_MU", mix: Any = "mean_max_attn_k", normalisation: str | None = None) -> bool:
    """Whether scores are amounts: `LU_MA` and `uniform` give places within a layer, and `random` reads no amount."""
    check_options(strategy, mix, normalisation)
    return strategy in ("LA_MU", "adaptive")


def _by_total(mixed: Scores) -> Scores:
    """The sum over groups; minus infinity for all but the group that labels the neuron."""
    labelled = mixed.argmax(0) == np.arange(len(mixed))[:, None, None]
    return np.where(labelled, mixed.sum(0), -np.inf)


def _within(values: Float[np.ndarray, "*groups neuron"]) -> Float[np.ndarray, "*groups neuron"]:
    """Minus the place of each value along the last axis; ties go to the smaller index."""
    order = np.argsort(-values, axis=-1, kind="stable")
    return -np.argsort(order, axis=-1).astype(np.float64)


def _by_layer(mixed: Scores) -> Scores:
    """Minus the place among all (group, neuron) pairs of the layer."""
    num_groups, num_layers, num_neurons = mixed.shape
    pairs = mixed.transpose(1, 0, 2).reshape(num_layers, -1)
    return _within(pairs).reshape(num_layers, num_groups, num_neurons).transpose(1, 0, 2)


def _shuffled(mixed: Scores) -> Scores:
    """Random scores: other samples give others, as they do for every strategy; equal ones the same."""
    seed = int.from_bytes(sha256(np.ascontiguousarray(mixed).tobytes()).digest())
    return np.random.default_rng(seed).random(mixed.shape)


#: The order in which each strategy chooses.
_ORDERS: dict[str, Callable[[Scores], Scores]] = {
    "adaptive": _by_total,
    "LA_MU": lambda mixed: mixed,
    "LU_MA": _by_layer,
    "uniform": _within,
    "random": _shuffled,
}
