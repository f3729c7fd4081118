"""What every selector promises, over every YAML and every plug-in: a new one is tested without writing a test."""

import inspect
from functools import cache
from importlib import import_module
from types import ModuleType
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from lode.checks.experiment import validate_experiment
from lode.checks.names import known_plugins
from lode.engine.errors import UserError
from lode.grouping.modality import SPLITS
from lode.selection import SWITCHES, num_asked
from lode.study import STUDY, compose
from tests.dense_tables import captured_importance

CHOICES = sorted(path.stem for path in (STUDY.config_dir / "selection").glob("*.yaml"))
PLUGINS = sorted(known_plugins("selection"))
NUM_LAYERS, NUM_NEURONS = 4, 60
THREE = ("text", "special", "image")


@cache
def plugin(name: str) -> ModuleType:
    """The plug-in of a YAML; `dape` is `lape` with other options."""
    return import_module(f"lode.selection.{compose([f'selection={name}']).selection.plugin}")


@cache
def importance() -> pa.Table:
    return captured_importance(0, NUM_LAYERS, NUM_NEURONS)


@cache
def options(name: str) -> dict[str, Any]:
    return dict(compose([f"selection={name}"]).selection.options)


def replaced(table: pa.Table, name: str, values: Any) -> pa.Table:
    return table.set_column(table.column_names.index(name), table.schema.field(name), [values])


def select(name: str, table: pa.Table, groups: Any = THREE, ratio: float = 0.1) -> dict[str, Any]:
    return plugin(name).select_neurons(table, list(groups), ratio, 1, **options(name))


def test_every_plugin_has_a_yaml_of_its_name() -> None:
    assert set(PLUGINS) <= set(CHOICES)


@pytest.mark.parametrize("name", PLUGINS)
def test_facts(name: str) -> None:
    assert plugin(name).MIN_GROUPS in (1, 2)
    for key, value in plugin(name).NEEDS.items():
        section, field = key.split(".")
        assert not compose()[section][field], "off by default"
        assert value


@pytest.mark.parametrize("name", PLUGINS)
def test_options_of_all_functions_agree(name: str) -> None:
    def defaults(function: Any, given: int) -> dict[str, Any]:
        return {p.name: p.default for p in list(inspect.signature(function).parameters.values())[given:]}

    module = plugin(name)
    checked = defaults(module.check_options, 0)
    assert defaults(inspect.unwrap(module.select_neurons), 4) == checked
    assert defaults(inspect.unwrap(module.score_neurons), 2) == checked


@pytest.mark.parametrize("split", SPLITS)
@pytest.mark.parametrize("ratio", [0.001, 0.05, 1.0])
@pytest.mark.parametrize("name", CHOICES)
def test_sets_are_valid(name: str, ratio: float, split: str) -> None:
    groups = [m for m in SPLITS[split] if m not in ("video", "audio")]
    if len(groups) < plugin(name).MIN_GROUPS:
        with pytest.raises(UserError, match=r"compares groups.*group_split"):
            select(name, importance(), groups, ratio)
        return
    sets, again = (select(name, importance(), groups, ratio) for _ in range(2))
    assert list(sets) == groups
    for group, (pairs, scores) in sets.items():
        assert pairs.shape == (len(scores), 2)
        assert np.issubdtype(pairs.dtype, np.integer)
        assert np.all((pairs >= 0) & (pairs < [NUM_LAYERS, NUM_NEURONS]))
        assert len(np.unique(pairs, axis=0)) == len(pairs)
        assert np.isfinite(scores).all()
        np.testing.assert_array_equal(again[group][0], pairs)
        np.testing.assert_array_equal(again[group][1], scores)
    chosen = np.unique(np.concatenate([pairs for pairs, _ in sets.values()]), axis=0)
    assert len(chosen) <= num_asked(ratio, NUM_LAYERS * NUM_NEURONS)


@pytest.mark.parametrize("name", CHOICES)
def test_scores_are_those_that_were_ranked_by(name: str) -> None:
    """The best of a set is the best of `score_neurons`, and every neuron carries its own score, in falling order."""
    scores = plugin(name).score_neurons(importance(), list(THREE), **options(name))
    assert scores.shape == (3, NUM_LAYERS, NUM_NEURONS)
    assert not np.isnan(scores).any()
    for values, (pairs, ranked) in zip(scores, select(name, importance()).values(), strict=True):
        np.testing.assert_array_equal(values[tuple(pairs.T)], ranked)
        assert np.all(np.diff(ranked) <= 0)


@pytest.mark.parametrize("name", CHOICES)
def test_permuting_neurons_permutes_the_sets(name: str) -> None:
    """Neuron i of the new table is neuron order[i] of the old one; random draws do not look at the neurons."""
    order = np.random.default_rng(1).permutation(NUM_NEURONS)
    table = importance()
    rows = np.arange(table.num_rows).reshape(-1, NUM_NEURONS)[:, order].ravel()
    permuted = table.take(rows)
    permuted = replaced(permuted, "neuron", table["neuron"].combine_chunks())
    before, after = (plugin(name).score_neurons(t, list(THREE), **options(name)) for t in (table, permuted))
    np.testing.assert_allclose(after, before[..., order], rtol=1e-12)


@pytest.mark.parametrize("name", CHOICES)
def test_order_of_groups_does_not_matter(name: str) -> None:
    forwards, backwards = (
        plugin(name).score_neurons(importance(), list(order), **options(name)) for order in (THREE, THREE[::-1])
    )
    np.testing.assert_allclose(backwards[::-1], forwards, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("name", [name for name in PLUGINS if name != "miner"])
def test_other_groups_of_the_table_do_not_matter(name: str) -> None:
    """Unions such as `prompt` are in the table, and must not count as one more group."""
    table = importance()
    outside = ~np.isin(np.asarray(table["group"]), THREE)
    changed = replaced(table, "mean_sum", np.asarray(table["mean_sum"]) + 100 * outside)
    changed = replaced(changed, "abs_mean_sum", np.asarray(table["abs_mean_sum"]) + 100 * outside)
    before, after = (plugin(name).score_neurons(t, list(THREE), **options(name)) for t in (table, changed))
    np.testing.assert_array_equal(after, before)


def sets_or_refusal(name: str, table: pa.Table) -> dict[str, Any] | str:
    """What a plug-in selects, or the words it refuses with."""
    try:
        return select(name, table)
    except UserError as error:
        return str(error)


@pytest.mark.parametrize("name", PLUGINS)
def test_what_is_not_finite_is_refused_or_not_read(name: str) -> None:
    """Counts of tokens and samples are whole numbers and cannot be broken this way: what reads them alone goes on."""
    table = importance()
    for column in table.column_names:
        if pa.types.is_floating(table.schema.field(column).type):
            table = replaced(table, column, np.full(table.num_rows, np.nan))
    found = sets_or_refusal(name, table)
    if isinstance(found, str):
        assert "NaN" in found
        return
    for group, whole in select(name, importance()).items():
        for broken, right in zip(found[group], whole, strict=True):
            np.testing.assert_array_equal(broken, right)


@pytest.mark.parametrize("name", PLUGINS)
def test_ratio_is_checked(name: str) -> None:
    for ratio in (0.0, 1.5, float("nan")):
        with pytest.raises(UserError, match=r"expected a share of all neurons in \(0, 1\]"):
            select(name, importance(), ratio=ratio)


@pytest.mark.parametrize("name", PLUGINS)
def test_dead_neurons_come_last(name: str) -> None:
    """A neuron that is never active in any group is no better than any other, whatever the selector measures."""
    table = importance()
    dead = np.asarray(table["neuron"]) < 6
    for column in table.column_names[4:]:
        values = table[column].combine_chunks()
        if pa.types.is_list(values.type):
            counts = values.flatten().to_numpy().reshape(table.num_rows, -1).copy()
            counts[dead, 1:], counts[dead, 0] = 0, counts[dead].sum(1)
            table = replaced(table, column, pa.ListArray.from_arrays(values.offsets, pa.array(counts.ravel())))
        elif column not in ("num_samples", "num_tokens", "down_norm"):
            table = replaced(table, column, np.where(dead, 0, values.to_numpy()))
    for pairs, _ in select(name, table).values():
        assert not np.any(pairs[:, 1] < 6)


# --- statistics that were not captured --------------------------------------------------------------------------------

NEEDY = [name for name in PLUGINS if plugin(name).NEEDS]


@pytest.mark.parametrize("name", NEEDY)
def test_statistics_that_were_not_captured_are_named(name: str) -> None:
    table = importance()
    nulls, dropped = table, table.drop_columns([name for name in SWITCHES if SWITCHES[name].startswith("gradients")])
    for column in SWITCHES:
        nulls = replaced(nulls, column, pa.nulls(table.num_rows, table.schema.field(column).type))
    message = r"which this selection needs; set (capture|gradients)\.\w+=(512|8|true)"
    for lacking in [nulls, dropped][: 1 + ("gradients.enabled" in plugin(name).NEEDS)]:
        with pytest.raises(UserError, match=message):
            select(name, lacking)


def planned(name: str, *overrides: str, mined: frozenset[str] = frozenset({"text", "special", "image"})) -> None:
    experiment = compose(["experiment=default", *overrides])
    validate_experiment(experiment, set(mined), {"own": compose([f"selection={name}", *overrides])})


@pytest.mark.parametrize("name", PLUGINS)
def test_needs_are_checked_while_the_graph_is_built(name: str) -> None:
    needs = [f"{key}={str(value).lower()}" for key, value in plugin(name).NEEDS.items()]
    planned(name, *needs)
    if needs:
        with pytest.raises(UserError, match=f"selection own needs statistics.*set {needs[0]}"):
            planned(name)


@pytest.mark.parametrize("name", [name for name in PLUGINS if plugin(name).MIN_GROUPS == 2])
def test_a_contrast_is_checked_while_the_graph_is_built(name: str) -> None:
    needs = [f"{key}={str(value).lower()}" for key, value in plugin(name).NEEDS.items()]
    with pytest.raises(UserError, match=r"needs at least 2.*group_split prompt.*hold prompt"):
        planned(name, "selection.group_split=prompt", *needs)
    with pytest.raises(UserError, match=r"needs at least 2.*hold text\."):
        planned(name, *needs, mined=frozenset({"text"}))
    with pytest.raises(UserError, match=r"text, special_text.*share tokens"):
        planned(name, "selection.groups=[text,special_text]", *needs)
