"""Ratings and retests take one site at a time: each says what it would say of that site alone."""

from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from omegaconf import OmegaConf

from lode.engine.errors import UserError
from lode.figure import (
    Looks,
    Table,
    by_site,
    groups_in_effect,
    house_style,
    neurons_per_layer,
    scoreboard,
    set_overlap,
    stability,
)
from lode.grouping.modality import grouping
from lode.page.report.sets import set_sizes
from lode.selection import mean_difference
from lode.stages import compare_selectors, rate_selectors, retest_selections
from lode.table._dense import of_site
from lode.table.importance import IMPORTANCE
from lode.table.neurons import NEURONS
from lode.table.ratings import MEASURES
from lode.table.retests import RETESTS
from lode.table.scoreboard import SCOREBOARD
from lode.table.statistics import STATISTICS
from lode.table.truth import TRUTH
from tests.dense_tables import captured_importance
from tests.tables import GROUPING

LOOKS = Looks(OmegaConf.create(GROUPING))
SITES = {"lm_gate": (2, 30), "vision_tower": (3, 20)}


def at(table: pa.Table, site: str) -> pa.Table:
    return table.set_column(table.column_names.index("site"), "site", pa.array([site] * table.num_rows))


def importance_of(site: str, seed: int) -> pa.Table:
    return at(captured_importance(seed, *SITES[site]).select(IMPORTANCE.schema.names), site)


def selection(**changes: Any) -> Any:
    base = {"sites": None, "group_split": "special_text_separate", "groups": None, "ratio": 0.3, "options": {}}
    return OmegaConf.create({**base, **changes})


BOTH = pa.concat_tables([importance_of("lm_gate", 1), importance_of("vision_tower", 2)])


def truth_of(site: str, planted: bool) -> pa.Table:
    """Every fifth neuron serves images, or nothing is planted."""
    num_layers, num_neurons = SITES[site]
    rows = [
        {"site": site, "layer": index // num_neurons, "neuron": index % num_neurons, "pair": -1, "acts": True}
        | ({"role": "planted", "group": "image"} if planted and index % 5 == 0 else {"role": "existing", "group": ""})
        for index in range(num_layers * num_neurons)
    ]
    return pa.Table.from_pylist(rows, schema=TRUTH.schema)


def rated(truth: pa.Table, table: pa.Table = BOTH, dead: Any = None, **changes: Any) -> list[dict[str, Any]]:
    return rate_selectors.rate(table, truth, grouping(), mean_difference, selection(**changes), 1, dead or {})


def test_a_site_is_rated_as_if_it_were_alone() -> None:
    truth = pa.concat_tables([truth_of(site, True) for site in SITES])
    rows = rated(truth)
    assert [(row["site"], row["group"]) for row in rows] == [(site, "image") for site in SITES]
    assert [row["num_neurons"] for row in rows] == [60, 60]
    for site in SITES:
        assert rated(of_site(truth, site), of_site(BOTH, site)) == [row for row in rows if row["site"] == site]


def test_where_nothing_was_planted_nothing_is_rated_and_dead_layers_are_left_out() -> None:
    truth = pa.concat_tables([truth_of("lm_gate", False), truth_of("vision_tower", True)])
    (row,) = rated(truth, dead={"vision_tower": [2]})
    assert (row["site"], row["num_neurons"], row["num_positive"]) == ("vision_tower", 40, 8)
    with pytest.raises(UserError, match="was planted at lm_gate"):
        rated(truth, sites=["lm_gate"])


def shards_of(site: str) -> list[pa.Table]:
    """Three shards of one site."""
    shards = []
    for seed in range(3):
        made = captured_importance(seed, *SITES[site])
        size = made.num_rows
        rng = np.random.default_rng(seed)
        held = np.asarray(made["num_samples"]) > 0
        columns = {}
        for field in STATISTICS.schema:
            if field.name in made.column_names:
                columns[field.name] = made[field.name]
            elif pa.types.is_list(field.type) or field.name == "block":
                columns[field.name] = pa.nulls(size, field.type)
            else:
                columns[field.name] = pa.array(rng.random(size) * held)
        shards.append(at(pa.table(columns, schema=STATISTICS.schema), site))
    return shards


def test_a_site_is_tested_again_as_if_it_were_alone() -> None:
    by_site_of = {site: shards_of(site) for site in SITES}
    both = [pa.concat_tables(parts) for parts in zip(*by_site_of.values(), strict=True)]

    def rows_of(shards: list[pa.Table], dead: dict[str, list[int]]) -> list[dict[str, Any]]:
        given = {"statistics": {"a": shards}}
        return retest_selections.retest(given, grouping(), mean_difference, selection(), 1, dead)

    rows = rows_of(both, {})
    for site, shards in by_site_of.items():
        np.testing.assert_equal(rows_of(shards, {}), [row for row in rows if row["site"] == site])
    fewer = [row for row in rows_of(both, {"vision_tower": [1]}) if row["site"] == "vision_tower"]
    assert {row["num_neurons"] for row in fewer} == {4}, "0.3 of 40 neurons, for three groups"
    with house_style("stability"):
        drawn = stability.draw({"retests": [Table({"model": "m"}, pa.Table.from_pylist(rows, RETESTS.schema))]}, LOOKS)
    titles = [axes.get_title(loc="left") for axes in drawn.axes if axes.get_visible()]
    assert titles == [f"m · {site}" for site in SITES]


def neurons_table() -> Table:
    """The same (layer, neuron) at two sites: two neurons."""
    key = {"kind": "method", "control_of": "", "control_kind": "", "control_draw": -1, "layer": 0, "neuron": 1}
    rows = [
        {**key, "site": site, "set_name": name, "group": name, "score": 1.0, "rank": 0, "effective_groups": value}
        for site, value in (("lm_gate", 1.5), ("vision_tower", None))
        for name in ("text", "image")
    ]
    control = {"kind": "control", "control_of": "text", "control_kind": "uniform", "control_draw": 0}
    rows.append({**rows[0], **control, "set_name": "text_uniform_00", "effective_groups": 2.5, "rank": -1})
    return Table({"model": "m", "selection": "s"}, pa.Table.from_pylist(rows, NEURONS.schema))


def test_figures_and_report_count_a_neuron_at_its_site() -> None:
    table = neurons_table()
    assert [part.keys.get("site") for part in by_site(table)] == list(SITES)
    gate, tower = map(groups_in_effect, (part.data for part in by_site(table)))
    assert gate["text"] == (1.5, 2.5)
    assert gate["image"][0] == 1.5
    assert np.isnan(gate["image"][1])
    assert tower == {}
    sizes = set_sizes(table, LOOKS, 4)
    assert (sizes["num_chosen"], sizes["num_unique"]) == (4, 2)
    assert [(row["site"], row["name"], row["effective"], row["effective_controls"]) for row in sizes["rows"]] == [
        ("lm_gate", "text", 1.5, 2.5),
        ("lm_gate", "image", 1.5, None),
        ("vision_tower", "text", None, None),
        ("vision_tower", "image", None, None),
    ]
    with house_style("x"):
        layers = neurons_per_layer.draw({"neurons": [table]}, LOOKS)
        overlap = set_overlap.draw({"neurons": [table]}, LOOKS)
    titles = [axes.get_title(loc="left") for part in layers.subfigs for axes in part.axes]
    assert titles == ["text: 1\nexp(H) 1.50 (2.50)", "image: 1\nexp(H) 1.50", "text: 1", "image: 1"]
    assert "m · s · vision_tower" in [axes.get_title(loc="left") for part in overlap.subfigs for axes in part.axes]


def test_the_scoreboard_has_a_panel_a_site() -> None:
    base = {"strength": 2.0, "planting_seed": 1, "group": "image", "num_neurons": 9, "num_positive": 2}
    ratings = [
        {**base, "selection": name, "site": site, "num_selected": 2, **dict.fromkeys(MEASURES, value)}
        for site, best in (("lm_gate", 0.9), ("vision_tower", 0.3))
        for name, value in (("one", best), ("two", 1 - best))
    ]
    rows = compare_selectors.scoreboard(ratings)
    text = compare_selectors.as_text(rows)
    assert [line.split("|")[1].strip() for line in text.splitlines() if line.startswith(("| `", "| l", "| v"))] == [
        "lm_gate, strength 2", "`one`", "`two`", "vision_tower, strength 2", "`two`", "`one`",
    ]  # fmt: skip
    board = pa.Table.from_pylist(rows, SCOREBOARD.schema)
    with house_style("scoreboard"):
        drawn = scoreboard.draw({"scoreboard": [Table({}, board)]}, LOOKS)
    assert len(drawn.subfigs) == 2 * len(scoreboard.MEASURES)
