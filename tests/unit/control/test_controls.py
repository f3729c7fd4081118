"""Controls of every kind: as many unique neurons as the set, drawn as the kind says, and nothing else."""

from importlib import import_module
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from lode.checks.names import known_plugins
from lode.control import (
    BLOCK,
    MOST_SHARED,
    UNMATCHABLE,
    Pairs,
    Selected,
    compared_on,
    headline_first,
    in_blocks,
    magnitude,
    magnitude_ratios,
    outlier_excluded,
    resized,
    shuffled_labels,
    stream,
    within_blocks,
)
from lode.engine.tables import read_provenance, read_table, with_nulls, write_table
from lode.grouping import PROMPT
from lode.grouping.modality import GROUPS
from lode.selection.miner import select_neurons
from lode.stages import select_neurons as stage
from lode.study import compose, restrict
from lode.table._dense import dense, dense_lists, neuron_columns
from lode.table.importance import IMPORTANCE
from lode.table.neurons import NEURONS

MODALITIES = tuple(GROUPS)

KINDS = sorted(known_plugins("control"))
NUM_LAYERS, NUM_NEURONS = 4, 60
MODALITY_NAMES = ("text", "special", "image")


def importance(seed: int = 0) -> pa.Table:
    """Random importance; numbers of samples and tokens differ between groups, as in a mix of datasets."""
    rng = np.random.default_rng(seed)
    columns = neuron_columns(MODALITIES, NUM_LAYERS, NUM_NEURONS)
    size = len(columns["layer"])
    place = np.repeat(np.arange(len(MODALITIES)), NUM_LAYERS * NUM_NEURONS)
    held = ~np.isin(np.asarray(columns["group"]), ("video", "audio"))
    columns |= {"num_samples": (10 + 5 * place) * held, "num_tokens": (100 + 77 * place) * held}
    columns["positive_count"] = rng.integers(0, 100, size) * held
    columns["histogram"] = (rng.integers(0, 9, (size, 4)) * held[:, None]).tolist()
    for field in IMPORTANCE.schema:
        if not pa.types.is_list(field.type):
            columns.setdefault(field.name, rng.gamma(0.5, size=size) * held)
    return pa.table(with_nulls(columns, IMPORTANCE), schema=IMPORTANCE.schema)


def selected(table: pa.Table, ratio: float = 0.1, **options: Any) -> Selected:
    def again(given: pa.Table, share: float) -> dict[str, Pairs]:
        found = select_neurons(given, MODALITY_NAMES, share, 1, **options)
        return {name: pairs for name, (pairs, _) in {**found, "all": stage.union(list(found.values()))}.items()}

    return Selected(again(table, ratio), table, MODALITY_NAMES, ratio, again)


def drawn(kind: str, given: Selected, num_draws: int = 3, seed: int = 1) -> list[dict[str, Pairs]]:
    return list(import_module(f"lode.control.{kind}").controls(given, num_draws, seed))


def members(pairs: Pairs) -> set[tuple[int, int]]:
    return set(map(tuple, pairs.tolist()))


# --- what holds for every kind


@pytest.mark.parametrize("strategy", ["LA_MU", "adaptive", "uniform"])
@pytest.mark.parametrize("ratio", [0.02, 0.3, 1.0])
@pytest.mark.parametrize("kind", KINDS)
def test_controls_have_the_unique_count_of_their_set(kind: str, ratio: float, strategy: str) -> None:
    given = selected(importance(), ratio, strategy=strategy)
    draws = drawn(kind, given)
    assert draws
    for draw in draws:
        assert set(draw) <= set(given.sets)
        assert set(draw) >= set(MODALITY_NAMES)
        for name, pairs in draw.items():
            assert len(pairs) == len(members(pairs)) == len(members(given.sets[name]))
            assert np.all((pairs >= 0) & (pairs < [NUM_LAYERS, NUM_NEURONS]))


@pytest.mark.parametrize("kind", KINDS)
def test_controls_depend_on_seed_and_draw_alone(kind: str) -> None:
    given = selected(importance())
    draws, again, more = drawn(kind, given), drawn(kind, given), drawn(kind, given, num_draws=5)
    other = drawn(kind, given, seed=2)
    for index, draw in enumerate(draws):
        for name, pairs in draw.items():
            np.testing.assert_array_equal(again[index][name], pairs)
            np.testing.assert_array_equal(more[index][name], pairs)
    random = kind in ("uniform", "layer_matched", "magnitude_matched", "own_matched", "shuffled_labels")
    assert random == any(members(draws[0][name]) != members(other[0][name]) for name in draws[0])
    assert len(draws) == {"other_group": 2, "outlier_excluded": 1, "sham": 1}.get(kind, 3)
    if random:
        assert len({frozenset(members(draw["image"])) for draw in draws}) == 3


# --- each kind


def shares(kind: str, num_draws: int = 600) -> np.ndarray:
    """How often each neuron is drawn for the image set (layer, neuron)."""
    counts = np.zeros((NUM_LAYERS, NUM_NEURONS))
    given = selected(importance())
    only = Selected({"image": given.sets["image"]}, given.table, MODALITY_NAMES, given.ratio, given.select)
    for draw in drawn(kind, only, num_draws):
        counts[tuple(draw["image"].T)] += 1
    return counts / num_draws


def test_uniform_draws_every_neuron_alike() -> None:
    expected = len(selected(importance()).sets["image"]) / (NUM_LAYERS * NUM_NEURONS)
    assert np.all(np.abs(shares("uniform") - expected) < 4.5 * np.sqrt(expected / 600))


def test_layer_matched_keeps_the_layers() -> None:
    image = selected(importance()).sets["image"]
    per_layer = np.bincount(image[:, 0], minlength=NUM_LAYERS) / NUM_NEURONS
    assert np.ptp(per_layer) > 0
    assert np.all(np.abs(shares("layer_matched") - per_layer[:, None]) < 4.5 * np.sqrt(per_layer.max() / 600))


def test_magnitude_is_the_mean_activation_times_what_it_writes() -> None:
    table = importance()
    names, (magnitudes, norms) = dense(table, ("abs_mean_sum", "down_norm"))
    prompt = names.index("prompt")
    expected = magnitudes[prompt] / (10 + 5 * prompt) * norms[prompt]
    np.testing.assert_allclose(magnitude(table), expected)


def test_blocks_by_hand() -> None:
    """Ten neurons in blocks of four, the largest first: 12 8.9 8 7, 5.5 4.4 4 3, and 2 1 are left over."""
    values = np.array([[1.0, 12.0, 3.0, 4.0, 4.4, 5.5, 7.0, 8.0, 8.9, 2.0]])
    assert in_blocks(values, 4).tolist() == [[2, 0, 1, 1, 1, 1, 0, 0, 0, 2]]


def test_a_control_holds_as_many_of_every_block_each_as_often() -> None:
    """One of block 0 and two of block 1 in one layer, all of a block in the other: the set is one draw of many."""
    blocks = np.array([[0, 0, 0, 0, 1, 1, 1, 1], [1, 1, 0, 0, 0, 0, 1, 1]])
    pairs = np.array([[0, 1], [0, 4], [0, 7], [1, 2], [1, 3], [1, 4], [1, 5]])
    draws = [within_blocks(pairs, blocks, np.random.default_rng(seed)) for seed in range(600)]
    counts = np.zeros((2, 8))
    for draw in draws:
        assert len(members(draw)) == 7
        counts[tuple(draw.T)] += 1
    expected = np.array([[1 / 4] * 4 + [1 / 2] * 4, [0, 0, 1, 1, 1, 1, 0, 0]])
    assert np.all(np.abs(counts / 600 - expected) <= 4.5 * np.sqrt(expected * (1 - expected) / 600))
    assert members(pairs) in [members(draw) for draw in draws]


def test_magnitude_ratios_by_hand() -> None:
    """Controls of means (1 + 3) / 2 = 2 and (2 + 6) / 2 = 4 beside a set of mean (4 + 8) / 2 = 6."""
    values = np.array([[1.0, 2.0, 4.0, 0.0], [3.0, 6.0, 8.0, 0.0]])
    own = np.array([[0, 2], [1, 2]])
    controls = [np.array([[0, 0], [1, 0]]), np.array([[0, 1], [1, 1]])]
    assert magnitude_ratios(values, own, controls) == [2 / 6, 4 / 6]
    assert magnitude_ratios(values, own, [own]) == [1]
    assert magnitude_ratios(values, np.array([[0, 3]]), [np.array([[0, 0]])]) is None


def test_other_sets_have_other_controls_and_equal_ones_the_same() -> None:
    """Else the largest effect of many selectors would be compared with one draw."""
    one, other = np.array([[0, 1], [1, 2]]), np.array([[0, 1], [1, 3]])
    draws = [stream(7, "image", 0, pairs).random() for pairs in (one, one[::-1], other)]
    assert draws[0] == draws[1] != draws[2]
    for kind in ("uniform", "layer_matched", "magnitude_matched", "own_matched"):
        given = [Selected({"image": p}, importance(), MODALITY_NAMES, 0.1, lambda *_: {}) for p in (one, other)]
        first, second = ([draw["image"].tolist() for draw in drawn(kind, of, 20)] for of in given)
        assert first != second, kind


def test_magnitude_matched_is_near_in_magnitude() -> None:
    """A set from all of the range is matched; the largest of each layer is not; most of a layer is its own control."""
    table = importance()
    values = magnitude(table)
    order = values.argsort(1)
    kept = {"anywhere": order[:, 4:44:4], "largest": order[:, -1:], "most": order[:, 6:]}
    layers = np.arange(NUM_LAYERS)[:, None]
    sets = {
        name: np.stack([np.broadcast_to(layers, part.shape), part], -1).reshape(-1, 2) for name, part in kept.items()
    }
    given = Selected(sets, table, MODALITY_NAMES, 0.1, lambda *_: sets)
    draws = drawn("magnitude_matched", given, 20)
    ratio = {name: np.mean(magnitude_ratios(values, sets[name], [d[name] for d in draws])) for name in kept}
    assert ratio["anywhere"] > 1 > UNMATCHABLE > ratio["largest"]
    shared = {
        name: np.mean([len(members(d[name]) & members(own)) for d in draws]) / len(own) for name, own in sets.items()
    }
    assert shared["anywhere"] < MOST_SHARED < shared["most"]
    blocks = in_blocks(values, BLOCK)
    for draw in draws:
        for name, pairs in draw.items():
            own = blocks[tuple(sets[name].T)] + 100 * sets[name][:, 0]
            assert sorted(blocks[tuple(pairs.T)] + 100 * pairs[:, 0]) == sorted(own)


def test_own_matched_writes_as_much_on_the_tokens_of_the_group() -> None:
    """A set of neurons that are loud on image tokens: those that write as much over the prompt write less there."""
    table = importance()
    own, whole = magnitude(table, "image"), magnitude(table)
    loud = np.argsort(whole - own, axis=1)[:, 2:12:3]
    layers = np.broadcast_to(np.arange(NUM_LAYERS)[:, None], loud.shape)
    sets = {"image": np.stack([layers, loud], -1).reshape(-1, 2)}
    sets["all"] = sets["image"]  # of no group: the prompt counts
    given = Selected(sets, table, MODALITY_NAMES, 0.1, lambda *_: sets)
    draws = {kind: drawn(kind, given, 40) for kind in ("magnitude_matched", "own_matched")}
    ratio = {
        kind: np.mean(magnitude_ratios(own, sets["image"], [d["image"] for d in of])) for kind, of in draws.items()
    }
    assert ratio["magnitude_matched"] < UNMATCHABLE < ratio["own_matched"]
    for name, values in (("image", own), ("all", whole)):
        blocks = in_blocks(values)
        for draw in draws["own_matched"]:
            counts = [sorted(blocks[tuple(of.T)] + 100 * of[:, 0]) for of in (draw[name], sets[name])]
            assert counts[0] == counts[1]


def test_controls_are_compared_with_their_set_where_they_match_it() -> None:
    """On own tokens the ratios of `own_matched` are near 1, over the prompt above it; a union has no own tokens."""
    table, groups = importance(), MODALITY_NAMES
    assert compared_on("own_matched", "image", groups) == "image"
    assert compared_on("own_matched", "all", groups) == compared_on("magnitude_matched", "image", groups) == PROMPT
    np.testing.assert_array_equal(stage.magnitudes(table, "own_matched", "image"), magnitude(table, "image"))
    np.testing.assert_array_equal(stage.magnitudes(table, "magnitude_matched", "image"), magnitude(table))


def test_the_headline_is_the_first_kind_that_there_is() -> None:
    kinds = ["uniform", "layer_matched", "sham", "magnitude_matched", "sham"]
    assert headline_first(kinds) == ["magnitude_matched", "layer_matched", "uniform", "sham"]
    assert headline_first(["uniform", "layer_matched"]) == ["layer_matched", "uniform"]
    assert headline_first([""]) == [""]


def test_other_group_is_cut_to_the_best_and_filled_up() -> None:
    given = selected(importance(), 0.3, strategy="adaptive")
    sizes = {name: len(pairs) for name, pairs in given.sets.items() if name != "all"}
    assert len(set(sizes.values())) > 1, "sets of one size would test neither"
    for index, draw in enumerate(drawn("other_group", given)):
        assert "all" not in draw
        for name, pairs in draw.items():
            other = given.sets[[o for o in sizes if o != name][index]]
            common = min(len(other), len(pairs))
            np.testing.assert_array_equal(pairs[:common], other[:common])
            assert not members(pairs[common:]) & members(other)


def test_filling_up_takes_every_other_neuron_once() -> None:
    pairs = np.array([[0, 1], [1, 0]])
    filled = resized(pairs, 6, (2, 3), np.random.default_rng(0))
    assert filled[:2].tolist() == pairs.tolist()
    assert members(filled) == {(layer, neuron) for layer in range(2) for neuron in range(3)}
    assert resized(pairs, 1, (2, 3), np.random.default_rng(0)).tolist() == [[0, 1]]


def test_shuffled_labels_keeps_what_a_neuron_has_and_moves_it_between_groups() -> None:
    table = importance()
    shuffled = shuffled_labels.permuted(table, MODALITY_NAMES, np.random.default_rng(0))
    assert shuffled.schema.equals(table.schema)
    columns = [field.name for field in list(table.schema)[4:] if not pa.types.is_list(field.type)]
    names, before = dense(table, columns)
    _, after = dense(shuffled, columns)
    places = [names.index(name) for name in MODALITY_NAMES]
    others = [index for index in range(len(names)) if index not in places]
    np.testing.assert_array_equal(after[:, others], before[:, others])
    column = columns.index
    for name in ("num_samples", "num_tokens", "down_norm"):
        np.testing.assert_array_equal(after[column(name)], before[column(name)])
    # A neuron keeps its three importances and its three means, and they move together.
    importances, means = column("mean"), column("max_sum")
    samples = before[column("num_samples")]
    for values in (before, after):
        values[means, places] /= samples[places]
    np.testing.assert_allclose(np.sort(after[importances, places], 0), np.sort(before[importances, places], 0))
    order = np.argsort(np.argsort(after[importances, places], 0), 0)
    was = np.take_along_axis(np.argsort(before[importances, places], 0), order, 0)
    np.testing.assert_allclose(after[means, places], np.take_along_axis(before[means, places], was, 0))
    moved = np.mean(was != np.arange(3)[:, None, None])
    assert 0.55 < moved < 0.78  # two of three at random
    counts, moved_counts = (dense_lists(given, "histogram")[places] for given in (table, shuffled))
    scale = samples[places][..., None]
    expected = np.take_along_axis(counts / scale, was[..., None], 0) * scale
    np.testing.assert_array_equal(moved_counts, np.rint(expected))


def test_shuffled_labels_serve_all_sets_of_a_draw() -> None:
    for draw in drawn("shuffled_labels", selected(importance())):
        parts = [members(draw[name]) for name in MODALITY_NAMES]
        assert len(members(draw["all"]) & set().union(*parts)) >= 0.8 * len(draw["all"])


def test_outliers_are_left_out_and_the_rest_selected_as_if_they_were_not_there() -> None:
    table = importance()
    given = selected(table, 0.1, mix="max")
    kept = outlier_excluded.without_outliers(given)
    assert (~kept).sum(1).tolist() == [1] * NUM_LAYERS
    names, (largest,) = dense(table, ("max_sum",))
    np.testing.assert_array_equal(np.argmin(kept, 1), largest[names.index("prompt")].argmax(1))
    (draw,) = drawn("outlier_excluded", given)
    out = {(layer, int(neuron)) for layer, neuron in enumerate(np.argmin(kept, 1))}
    scores = dense(table, ("max",))[1][0]
    for name in MODALITY_NAMES:
        left = np.where(kept, scores[names.index(name)], -1).ravel()
        best = np.argsort(-left, kind="stable")[: len(given.sets[name])]
        assert members(draw[name]) == {divmod(int(place), NUM_NEURONS) for place in best}
        assert not members(draw[name]) & out
    assert any(members(draw[name]) != members(given.sets[name]) for name in MODALITY_NAMES) == bool(
        out & members(given.sets["all"])
    )


def test_an_excluded_outlier_of_a_set_is_replaced() -> None:
    table = importance()
    names, (scores, largest) = dense(table, ("max", "max_sum"))
    best = np.unravel_index(scores[names.index("image")].argmax(), scores.shape[1:])
    largest[names.index("prompt"), best[0], best[1]] = 1e6
    place = table.column_names.index("max_sum")
    table = table.set_column(place, table.schema.field("max_sum"), [largest.ravel()])
    given = selected(table, mix="max")
    (draw,) = drawn("outlier_excluded", given)
    assert tuple(map(int, best)) in members(given.sets["image"]) - members(draw["image"])
    assert len(members(given.sets["image"]) - members(draw["image"])) <= NUM_LAYERS


def test_sham_is_the_set_itself() -> None:
    given = selected(importance())
    assert [list(draw) for draw in drawn("sham", given)] == [list(given.sets)]
    for name, pairs in drawn("sham", given)[0].items():
        np.testing.assert_array_equal(pairs, given.sets[name])


# --- the stage


def test_the_neurons_table_says_which_kind_a_row_is(tmp_path: Any) -> None:
    write_table(
        tmp_path / "importance.parquet", IMPORTANCE, {c: importance()[c] for c in importance().schema.names}, {}
    )
    paths = [f"io.importance={tmp_path}/importance.parquet", f"io.neurons={tmp_path}/neurons.parquet"]
    overrides = [f"controls.kinds=[{','.join(KINDS)}]", "controls.num_draws=2", "selection.ratio=0.1", *paths]
    stage.run(restrict(compose(overrides), "select_neurons", ("io", "runtime")), {})
    rows = read_table(tmp_path / "neurons.parquet", NEURONS).to_pylist()
    methods = ("text", "special", "image", "all")
    expected = {(name, "", -1) for name in methods}
    for kind in KINDS:
        count = 1 if kind in ("sham", "outlier_excluded") else 2
        named = MODALITY_NAMES if kind == "other_group" else methods
        expected |= {(name, kind, draw) for name in named for draw in range(count)}
    assert {
        (row["control_of"] or row["set_name"], row["control_kind"], row["control_draw"]) for row in rows
    } == expected
    for row in rows:
        assert (row["kind"] == "control") == bool(row["control_kind"])
    record = read_provenance(tmp_path / "neurons.parquet")
    shared, ratio = record["shared_frac"], record["magnitude_ratios"]
    assert {kind: set(of) for kind, of in ratio.items()} == {kind: set(of) for kind, of in shared.items()}
    assert list(ratio["sham"].values()) == [[1.0]] * len(ratio["sham"])
    values = magnitude(importance())

    def mean_of(kind: str) -> float:
        of = [row for row in rows if row["control_kind"] == kind and "image" in (row["control_of"], row["set_name"])]
        return float(np.mean([values[row["layer"], row["neuron"]] for row in of]))

    assert np.mean(ratio["magnitude_matched"]["image"]) == pytest.approx(mean_of("magnitude_matched") / mean_of(""))
    assert all(0 < share < 1 for share in shared["magnitude_matched"].values())
    assert set(shared) == set(KINDS)
    assert set(shared["sham"].values()) == {1.0}
    assert 0 <= shared["uniform"]["image"] < 0.5


def test_kinds_do_not_change_each_other(tmp_path: Any) -> None:
    table = importance()
    write_table(tmp_path / "importance.parquet", IMPORTANCE, {c: table[c] for c in table.schema.names}, {})
    found = []
    for kinds in ("layer_matched", "sham,uniform,layer_matched"):
        paths = [f"io.importance={tmp_path}/importance.parquet", f"io.neurons={tmp_path}/neurons.parquet"]
        overrides = [f"controls.kinds=[{kinds}]", "selection.ratio=0.1", *paths]
        stage.run(restrict(compose(overrides), "select_neurons", ("io", "runtime")), {})
        rows = read_table(tmp_path / "neurons.parquet", NEURONS).drop_columns(["score"]).to_pylist()
        found.append([row for row in rows if row["control_kind"] in ("", "layer_matched")])
    assert found[0] == found[1]
