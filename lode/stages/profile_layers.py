"""Stage 4f: where in depth sets sit, and whether that depends on how importance was normalised.

Each site is taken alone. A selection that reads importance (its option `normalisation`) is made under each of the five
where all were captured (`capture.all_normalisations`), else under the one that was; one that reads none, once. Its
centre of mass over layers has an interval over selections again from shards drawn with replacement, and stands beside
uniform draws of as many neurons (docs/methods.md 4.20).

What it does not tell: whether shallow layers do more. Every normalisation but `none` gives all layers one scale, so
that the profile tells how heavy the tails of layers are; and few shards make an interval too short.
"""

import inspect
from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import Any

import numpy as np
import pyarrow as pa
from jaxtyping import Float, Int

from lode.config import SelectionSection, StepConfig
from lode.engine.paths import paths_of
from lode.engine.tables import write_table
from lode.grouping import grouping_of
from lode.importance import METRICS, NORMALISATIONS, by_normalisation
from lode.importance.aggregation import shards_of
from lode.importance.by_site import Shards, importance_of, num_shards, some
from lode.importance.dead_layers import dead_layers_of
from lode.importance.sums import Sums
from lode.neurons import unique_pairs
from lode.selection._shards import living_shards
from lode.selection._sites import Living, seed_at
from lode.statistics.depth import agreed, centre, chi_square, interval, side, uniform_draws
from lode.table.profiles import PROFILES
from lode.table.statistics import STATISTICS

Row = dict[str, Any]
#: Options of a selection, by the name of a normalisation.
ByName = Mapping[str, dict[str, Any]]
#: Selections again, from shards drawn with replacement.
NUM_RESAMPLES = 100
#: What a row says of the normalisation where the importance has one only, and where it is not read.
CAPTURED, UNREAD = "captured", ""


def options_by_name(selection: SelectionSection, table: pa.Table) -> dict[str, dict[str, Any]]:
    """The options of the selection under each normalisation, by its name.

    Args:
        selection: the `selection` section; one whose options name a normalisation is asked under that alone.
        table: an importance table, which holds all normalisations or one.
    """
    plugin, options = import_module(f"lode.selection.{selection.plugin}"), dict(selection.options)
    if "normalisation" not in inspect.signature(plugin.check_options).parameters:
        return {UNREAD: options}
    if options.get("normalisation"):
        return {options["normalisation"]: options}
    if any(table[by_normalisation(metric)].null_count for metric in METRICS):
        return {CAPTURED: options}
    return {name: {**options, "normalisation": name} for name in NORMALISATIONS}


def counts_of(
    table: pa.Table, groups: Sequence[str], selection: SelectionSection, options: dict[str, Any], seed: int
) -> dict[str, Int[np.ndarray, "layer"]]:
    """Unique neurons of every set in each layer."""
    plugin = import_module(f"lode.selection.{selection.plugin}")
    sets = plugin.select_neurons(table, groups, selection.ratio, seed, **options)
    num_layers = 1 + int(np.max(table["layer"].to_numpy()))
    found = {name: unique_pairs(sets[name][0])[:, 0] if name in sets else np.empty(0, np.int64) for name in groups}
    return {name: np.bincount(layers, minlength=num_layers) for name, layers in found.items()}


def mass_of(scores: Float[np.ndarray, "layer neuron"]) -> Float[np.ndarray, "layer"] | None:
    """The share of each layer in the sum of all scores; None where these are no amounts, or are all 0."""
    if not np.isfinite(scores).all() or scores.min() < 0 or not scores.any():
        return None
    return np.asarray(scores.sum(1) / scores.sum())


def profile(
    counts: Int[np.ndarray, "layer"], again: Sequence[float], scores: Float[np.ndarray, "layer neuron"], seed: int
) -> Row:
    """What there is to say of the counts of one set.

    Args:
        counts: by layer.
        again: centres of re-selections.
        scores: of all neurons for the group.
        seed: of uniform draws.
    """
    uniform, mass, value = uniform_draws(counts, scores.shape[1], seed), mass_of(scores), float(centre(counts))
    low, high = interval(again)
    return {
        "counts": counts.tolist(),
        "uniform_low": uniform.low.tolist(),
        "uniform_high": uniform.high.tolist(),
        "mass": None if mass is None else mass.tolist(),
        "centre": value,
        "interval_low": low,
        "interval_high": high,
        "mass_centre": None if mass is None else float(centre(mass)),
        "expected": (len(counts) - 1) / 2,
        "centre_low": uniform.centre_low,
        "centre_high": uniform.centre_high,
        "chi_square": float(chi_square(counts)),
        "p_value": uniform.p_value,
        "side": side(value, low, high, uniform, len(counts)),
    }


def resampled(shards: Shards, rng: np.random.Generator) -> dict[str, list[Sums]]:
    """Of every dataset as many shards as it has, drawn with replacement."""
    return {name: some({name: of}, rng.integers(len(of), size=len(of)).tolist())[name] for name, of in shards.items()}


def centres_again(
    shards: Shards, groups: Sequence[str], selection: SelectionSection, by_name: ByName, seed: int
) -> dict[tuple[str, str], list[float]]:
    """By normalisation and group, the centres of selections again from other shards; a group they lack has fewer.

    Args:
        shards: of all mining datasets of one model at one site.
        groups: that take part.
        selection: the `selection` section.
        by_name: of `options_by_name`.
        seed: of the draws.
    """
    centres: dict[tuple[str, str], list[float]] = {(name, group): [] for name in by_name for group in groups}
    for draw in range(NUM_RESAMPLES):
        rng = np.random.default_rng([seed, draw])
        table, own = importance_of(resampled(shards, rng)), int(rng.integers(2**31))
        held = [group for group in groups if num_samples(table, group)]
        for name, options in by_name.items():
            for group, counts in counts_of(table, held, selection, options, own).items():
                centres[name, group].append(float(centre(counts)))
    return centres


def num_samples(table: pa.Table, group: str) -> int:
    """How many samples hold a group."""
    return int(table["num_samples"][table["group"].to_pylist().index(group)].as_py())


def profiles(part: Living, shards: Shards, cfg: StepConfig) -> list[Row]:
    """Rows of the profiles table of one site.

    Args:
        part: the site, and the groups that take part there.
        shards: of all mining datasets of one model at the site, without its dead layers.
        cfg: that of the step.
    """
    whole, selection, groups, seed = part.table, cfg.selection, part.groups, seed_at(cfg.seed, part.site)
    plugin, by_name = import_module(f"lode.selection.{selection.plugin}"), options_by_name(selection, whole)
    again = centres_again(shards, groups, selection, by_name, seed)
    rows = []
    for name, options in by_name.items():
        scores = plugin.score_neurons(whole, groups, **options)
        of_sets = counts_of(whole, groups, selection, options, seed)
        for place, group in enumerate(groups):
            found = profile(of_sets[group], again[name, group], scores[place], seed)
            keys = {"site": part.site, "set_name": group, "normalisation": name, "layers": part.layers.tolist()}
            rows.append({**keys, **found})
    return with_claims(rows)


def with_claims(rows: Sequence[Row]) -> list[Row]:
    """The rows of one site, each with what may be said of its set over all normalisations that could change it."""
    sides: dict[str, dict[str, int]] = {}
    for found in rows:
        sides.setdefault(found["set_name"], {})[found["normalisation"]] = found["side"]
    enough = {UNREAD}, set(NORMALISATIONS)
    claims = {name: agreed(list(of.values())) if set(of) in enough else "not_asked" for name, of in sides.items()}
    return [{**found, "claim": claims[found["set_name"]]} for found in rows]


def run(cfg: StepConfig, made_by: dict[str, Any]) -> None:
    """Read the statistics of one model; write the profiles table."""
    shards = shards_of(cfg.io["statistics"], STATISTICS, cfg.mining_datasets)
    num_shards(shards)
    dead = dead_layers_of(paths_of(cfg.io["statistics"]))
    sites = living_shards(shards, cfg.selection, grouping_of(cfg.grouping), dead)
    rows = [row for part, here in sites for row in profiles(part, here, cfg)]
    write_table(cfg.io["profiles"], PROFILES, rows, made_by)
