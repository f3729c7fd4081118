"""Selectors: one file each. They rank neurons and choose a set for every group.

A plug-in `lode/selection/<name>.py` has three public functions and two facts::

    MIN_GROUPS = 2                                              # 2 where groups are contrasted, else 1
    NEEDS = {"capture.num_bins": 512}                               # config values without which it has no statistics
    check_options(**options)                                        # raises UserError on a bad option
    score_neurons(table, groups, **options)                     # -> (group, layer, neuron), high is good
    select_neurons(table, groups, ratio, seed, **options)       # -> {group: (neurons, score)}

One whose scores are places within one table, or drawn by chance, has a fourth, `are_comparable(**options)`, that says
so: whether a score means the same in another table. Without it they are taken to.

`table` is the importance table, with the columns of the gradients table beside its own for a plug-in whose NEEDS name
`gradients.enabled`; `groups` are those that take part and occur, which share no token. `neurons` is an
integer array (n, 2) of (layer, neuron) with the best first, and `score` (n) what they were ranked by. `score_neurons`
says in which order a growing ratio would choose: the n neurons selected for a group, at any ratio, are n of its best
(not those of a random selection); a score of minus infinity is never chosen. Unless a method says otherwise each of M
groups gets its own top floor(K / M), K = floor(ratio * L * N), as MINER's LA_MU does, so that sets of different
selectors have one size. Ties go to the smaller index. Light imports only: plug-ins are imported while the job graph is
built.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from types import ModuleType
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from jaxtyping import Float, Int, Num

from lode.engine.errors import UserError, unknown_name
from lode.grouping import Grouping
from lode.importance import BY_ATTENTION, METRICS, by_normalisation
from lode.neurons import Pairs
from lode.table._dense import dense, dense_lists, dense_shape, site_of

Set = tuple[Pairs, np.ndarray]
Scores = Float[np.ndarray, "group layer neuron"]


def num_asked(ratio: float, num_total: int) -> int:
    """K: the floor of the ratio as written times all neurons, free of binary rounding (0.29 of 100 is 29)."""
    return math.floor(Fraction(str(ratio)) * num_total)


def occurring(table: pa.Table) -> set[str]:
    """The groups that a sample of the mining data holds."""
    return set(table.filter(pc.greater(table["num_samples"], 0))["group"].unique().to_pylist())


def taking_part(table: pa.Table, grouping: Grouping, split: str, asked: Sequence[str] | None) -> list[str]:
    """The groups of the split that occur in the mining data, or those asked for.

    Raises:
        UserError: a group that was asked for does not occur.
    """
    present = occurring(table)
    wanted = grouping.splits[split] if asked is None else asked
    missing = [name for name in asked or () if name not in present]
    if missing:
        raise UserError(
            f"selection.groups: {', '.join(missing)} does not occur in the mining data, which hold "
            f"{', '.join(sorted(present))}; mine a dataset that does, or drop it"
        )
    return [name for name in wanted if name in present]


def are_comparable(plugin: ModuleType, options: Mapping[str, Any]) -> bool:
    """Whether the scores of a plug-in mean the same in another table; not so where they are places, or chance."""
    says = getattr(plugin, "are_comparable", None)
    return True if says is None else bool(says(**options))


def top(values: Float[np.ndarray, "n"], count: int) -> Int[np.ndarray, "count"]:
    """Indices of the largest values, the best first; ties go to the smaller index."""
    if count == 0:
        return np.empty(0, dtype=np.intp)
    bar = np.partition(values, len(values) - count)[len(values) - count]
    candidates = np.flatnonzero(values >= bar)
    return candidates[np.argsort(-values[candidates], kind="stable")][:count]


def as_pairs(flat: Int[np.ndarray, "n"], num_neurons: int) -> Pairs:
    """(layer, neuron) from indices into all neurons."""
    return np.stack(np.divmod(flat, num_neurons), axis=1).astype(np.int64)


def check_ratio(ratio: float) -> None:
    """Refuse a ratio that is no share."""
    if not 0 < ratio <= 1:
        raise UserError(f"ratio {ratio}: expected a share of all neurons in (0, 1], such as 0.02")


def take_top(scores: Scores, groups: Sequence[str], ratio: float) -> dict[str, Set]:
    """Each group's own top floor(K / M), fewer where fewer can be chosen; sets may overlap."""
    check_ratio(ratio)
    count = num_asked(ratio, scores[0].size) // len(groups)
    return {name: _chosen(values, top(values.ravel(), count)) for name, values in zip(groups, scores, strict=True)}


def share_out(scores: Scores, groups: Sequence[str], ratio: float) -> dict[str, Set]:
    """The top K by the best score of any group, each given to every group that may have it."""
    check_ratio(ratio)
    flat = top(scores.max(0).ravel(), num_asked(ratio, scores[0].size))
    return {name: _chosen(values, flat) for name, values in zip(groups, scores, strict=True)}


def _chosen(values: Float[np.ndarray, "layer neuron"], flat: Int[np.ndarray, "n"]) -> Set:
    flat = flat[np.isfinite(values.ravel()[flat])]
    return as_pairs(flat, values.shape[1]), values.ravel()[flat]


def need_contrast(groups: Sequence[str]) -> None:
    """Refuse fewer than two groups: there is nothing to compare with."""
    if len(groups) < 2:
        raise UserError(
            f"this selection compares groups, and only {', '.join(groups) or 'none'} takes part; take a "
            "group_split with two or more that occur in the mining data, or a selection without a contrast (miner)"
        )


def read(table: pa.Table, groups: Sequence[str], columns: Sequence[str]) -> Float[np.ndarray, "_ _ _ _"]:
    """Columns of the importance table as an array (column, group, layer, neuron).

    Raises:
        UserError: a column was not captured, or holds NaN or infinity.
    """
    for name in columns:
        _refuse_uncaptured(table, name)
    names, values = dense(table, columns)
    chosen = values[:, [names.index(name) for name in groups]].astype(np.float64, copy=False)
    if not np.isfinite(chosen).all():
        raise UserError("the statistics hold NaN or infinity; capture again, or look for NaN activations in the model")
    return chosen


#: The config value that makes capture keep an optional column.
SWITCHES = {
    "histogram": "capture.num_bins=512",
    "hidden_abs_sum": "capture.hidden_site=true",
    "patching_sum": "gradients.enabled=true",
    "patching_abs_sum": "gradients.enabled=true",
    "act_grad_sum": "gradients.enabled=true",
    "can_sum": "gradients.enabled=true",
    "target_sum": "gradients.enabled=true",
    "target_abs_sum": "gradients.enabled=true",
    "integrated_sum": "gradients.num_steps=8",
    "integrated_abs_sum": "gradients.num_steps=8",
    **{by_normalisation(metric): "capture.all_normalisations=true" for metric in METRICS},
}


#: Columns that only a site with attention has.
_BY_ATTENTION = tuple(f"{metric}{end}" for metric in BY_ATTENTION for end in ("", "_sum", "_sumsq"))


def _refuse_uncaptured(table: pa.Table, name: str) -> None:
    if name in _BY_ATTENTION and table[name].null_count:
        raise UserError(
            f"the statistics of site {site_of(table)} hold no {name!r}, which this selection needs: no attention is "
            "read there. Take a site of the language model, or a selection without it (lape, mean_difference, auroc)"
        )
    if name in SWITCHES and (name not in table.column_names or table[name].null_count):
        raise UserError(f"the statistics hold no {name!r}, which this selection needs; set {SWITCHES[name]}")


def read_lists(table: pa.Table, groups: Sequence[str], column: str) -> list[Num[np.ndarray, "layer neuron item"]]:
    """A column of lists by group; views, as they are large. Raises `UserError` where it was not captured."""
    _refuse_uncaptured(table, column)
    names, values = dense_shape(table)[0], dense_lists(table, column)
    return [values[names.index(name)] for name in groups]


def read_histograms(table: pa.Table, groups: Sequence[str]) -> list[Int[np.ndarray, "layer neuron bin"]]:
    """The histogram of the per-sample mean of every neuron, by group.

    Raises:
        UserError: they were not captured, or a group has no sample.
    """
    chosen = read_lists(table, groups, "histogram")
    for name, part in zip(groups, chosen, strict=True):
        refuse_few(name, int(part[0, 0].sum()), 1)
    return chosen


#: Neurons whose histograms are worked on at once: a few megabytes, which stay in the cache.
_BLOCK = 1024


def by_block(
    score: Callable[..., Float[np.ndarray, "group neuron"]],
    histograms: Sequence[Int[np.ndarray, "layer neuron bin"]],
    *beside: Scores,
) -> Scores:
    """Score histograms a block of neurons at a time; changes no value.

    Args:
        score: called with counts (group, neuron, bin) and, for each array of `beside`, (group, neuron) of it.
        histograms: counts by group.
        beside: more values of every neuron.
    """
    flat = [counts.reshape(-1, counts.shape[-1]) for counts in histograms]
    rows = [values.reshape(len(values), -1) for values in beside]
    parts = []
    for start in range(0, len(flat[0]), _BLOCK):
        block = slice(start, start + _BLOCK)
        parts.append(score(np.stack([counts[block] for counts in flat]), *(values[:, block] for values in rows)))
    return np.concatenate(parts, axis=1).reshape(len(histograms), *histograms[0].shape[:2])


def refuse_few(group: str, num_samples: int, least: int) -> None:
    """Refuse a group that too few samples hold."""
    if num_samples < least:
        raise UserError(f"{group} is held by {num_samples} mining samples; this selection needs at least {least}")


@dataclass(frozen=True)
class Moments:
    """Of a per-sample quantity: number of samples, mean and unbiased variance over samples (group, layer, neuron).

    A variance within rounding of 0 is 0, so that a constant neuron is seen as one.
    """

    count: Float[np.ndarray, "group 1 1"]
    mean: Scores
    variance: Scores

    @classmethod
    def of(cls, count: Num[np.ndarray, "group"], total: Scores, squares: Scores) -> "Moments":
        """From sums and sums of squares over samples."""
        count = count.astype(np.float64)[:, None, None]
        mean = total / count
        centred = squares - total * mean
        centred[centred <= 1e-12 * squares] = 0
        return cls(count, mean, centred / np.maximum(count - 1, 1))


def read_moments(table: pa.Table, groups: Sequence[str], name: str, least: int = 1) -> Moments:
    """Moments over samples of `mean`, `abs_mean`, ... of the groups, each of which needs `least` samples."""
    counts, total, squares = read(table, groups, ["num_samples", f"{name}_sum", f"{name}_sumsq"])
    for group, count in zip(groups, counts[:, 0, 0], strict=True):
        refuse_few(group, int(count), least)
    return Moments.of(counts[:, 0, 0], total, squares)


def others_mean(values: Float[np.ndarray, "group *axes"]) -> Float[np.ndarray, "group *axes"]:
    """For each group the mean over the others, each with the same weight."""
    return (values.sum(0) - values) / (len(values) - 1)


def others_max(values: Float[np.ndarray, "group *axes"]) -> Float[np.ndarray, "group *axes"]:
    """For each group the maximum over the others."""
    return np.stack([np.delete(values, index, axis=0).max(0) for index in range(len(values))])


#: What is taken off a score of one group, by the name of the contrast.
CONTRASTS: dict[str, Callable[[Scores], Scores]] = {"none": np.zeros_like, "mean": others_mean, "max": others_max}


def check_contrast(contrast: str) -> None:
    """Refuse an unknown contrast."""
    if contrast not in CONTRASTS:
        raise unknown_name("contrast", contrast, CONTRASTS)


def contrasted(values: Scores, groups: Sequence[str], contrast: str) -> Scores:
    """Scores of each group, less the mean or the largest of the others unless the contrast is none.

    Raises:
        UserError: there is a contrast, and nothing to compare with.
    """
    if contrast != "none":
        need_contrast(groups)
    return values - CONTRASTS[contrast](values)


def sample_means(table: pa.Table, groups: Sequence[str], column: str) -> Scores:
    """A sum over samples, divided by the samples that hold the group."""
    count, total = read(table, groups, ["num_samples", column])
    return total / np.maximum(count, 1)
