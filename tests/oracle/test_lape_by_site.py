"""LAPE as published, site by site: values worked by hand, and the slow plain version of the whole selection."""

import math
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from lode.engine.tables import read_table, write_table
from lode.selection import lape
from lode.selection._firing import effective_groups, entropy
from lode.stages import select_neurons
from lode.study import compose, restrict
from lode.table._dense import of_site
from lode.table.importance import IMPORTANCE
from lode.table.neurons import NEURONS
from tests.dense_tables import captured_importance

GROUPS = ("text", "special", "image", "video", "audio")
SITES = {"lm_gate": (3, 100, 1.0), "projector": (1, 200, 0.2)}
NUM_TOKENS = 10_000


def table_of(site: str, seed: int) -> pa.Table:
    """Five groups; every site fires on a scale of its own, and some neurons never do."""
    num_layers, num_neurons, scale = SITES[site]
    made = captured_importance(seed, num_layers, num_neurons, absent=()).select(IMPORTANCE.schema.names)
    rng = np.random.default_rng(seed)
    counts = np.rint(rng.beta(0.5, 2, made.num_rows) * scale * NUM_TOKENS).astype(np.int64)
    counts[made["neuron"].to_numpy() % 10 == 0] = 0
    for name, values in (
        ("site", pa.array([site] * made.num_rows)),
        ("num_tokens", pa.array(np.full(made.num_rows, NUM_TOKENS))),
        ("positive_count", pa.array(counts)),
    ):
        place = made.column_names.index(name)
        made = made.set_column(place, name, values.cast(made.schema.field(name).type))
    return made


BOTH = pa.concat_tables([table_of("lm_gate", 1), table_of("projector", 2)])


def slow(table: pa.Table, ratio: float) -> dict[str, set[tuple[int, int]]]:
    """One neuron after the other, as the paper says it."""
    p: dict[tuple[int, int], dict[str, float]] = {}
    for row in table.select(["group", "layer", "neuron", "positive_count", "num_tokens"]).to_pylist():
        if row["group"] in GROUPS:
            shown = p.setdefault((row["layer"], row["neuron"]), {})
            shown[row["group"]] = row["positive_count"] / row["num_tokens"]
    bar = float(np.percentile([value for of in p.values() for value in of.values()], 95))

    def spread(of: dict[str, float]) -> float:
        total = sum(of.values())
        return -sum(v / total * math.log(v / total) for v in of.values() if v)

    ranked = sorted((spread(of), pair) for pair, of in p.items() if max(of.values()) > bar)
    kept = [pair for _, pair in ranked[: math.floor(ratio * len(p) + 1e-9)]]
    return {name: {pair for pair in kept if p[pair][name] > bar} for name in GROUPS}


def test_entropy_of_the_published_example() -> None:
    firing = np.array([[0.8, 0.2, 0, 0, 0], [0.3] * 5, [0.0] * 5, [0, 0.7, 0, 0, 0]]).T
    np.testing.assert_allclose(entropy(firing), [0.500402, math.log(5), 0, 0], atol=1e-6)
    np.testing.assert_allclose(np.exp(entropy(firing))[:2], [1.649385, 5], atol=1e-6)


def test_effective_groups_of_a_neuron_that_never_fires_and_of_one_group() -> None:
    table = of_site(BOTH, "projector")
    found = effective_groups(table, GROUPS)
    assert np.isnan(found[0, ::10]).all()
    assert ((found[0, 1:10] >= 1) & (found[0, 1:10] <= 5)).all()
    assert np.isnan(effective_groups(table, ["image"])).all()


def test_a_neuron_that_never_fires_is_never_chosen() -> None:
    sets = lape.select_neurons(of_site(BOTH, "projector"), GROUPS, 1.0, 1)
    assert all(pairs[:, 1].size and (pairs[:, 1] % 10).all() for pairs, _ in sets.values())


@pytest.mark.parametrize("ratio", [0.01, 0.05])
def test_every_site_has_its_own_bar_and_its_own_share(tmp_path: Path, ratio: float) -> None:
    """The projector fires a fifth as often: under one bar for both sites it would have no neuron at all."""
    path, out = tmp_path / "m.parquet", tmp_path / "m" / "s.parquet"
    write_table(path, IMPORTANCE, {name: BOTH[name] for name in IMPORTANCE.schema.names}, {})
    chosen = ["selection=dape", f"selection.ratio={ratio}", "selection.sites=null", "controls.num_draws=1"]
    given = [*chosen, f"selection.groups=[{','.join(GROUPS)}]", f"io.importance={path}", f"io.neurons={out}"]
    select_neurons.run(restrict(compose(given), "select_neurons", ("io", "runtime")), {})
    rows = [row for row in read_table(out, NEURONS).to_pylist() if row["kind"] == "method"]
    for site, (num_layers, num_neurons, _) in SITES.items():
        expected = slow(of_site(BOTH, site), ratio)
        for name in GROUPS:
            found = {(r["layer"], r["neuron"]) for r in rows if (r["site"], r["set_name"]) == (site, name)}
            assert found == expected[name], (site, name)
        union = {(r["layer"], r["neuron"]) for r in rows if (r["site"], r["set_name"]) == (site, "all")}
        assert union == set().union(*expected.values())
        assert len(union) == round(ratio * num_layers * num_neurons)
        for row in rows:
            assert row["effective_groups"] == pytest.approx(math.exp(-row["score"]))


def test_dape_is_lape_at_one_percent() -> None:
    selection = compose(["selection=dape"]).selection
    assert (selection.plugin, selection.ratio, dict(selection.options)) == (
        "lape",
        0.01,
        {"percentile": 95.0, "bar": "shared"},
    )
