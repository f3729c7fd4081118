"""Sets of two models around one language model: shared neurons by hand, controls in their place, who is compared."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lode.engine.errors import UserError
from lode.figure.model_overlap import draw, is_beyond
from lode.neurons import NeuronSet, SetKey, at_gate, unique_pairs
from lode.stages.compare_models import Chosen, chosen_sets, overlap_row, rows_of, weights_of
from tests.panels import LOOKS, as_table

WIDTHS = {0: 4, 1: 4}


def chosen(name: str, pairs: list[tuple[int, int]], *controls: list[tuple[int, int]]) -> Chosen:
    return Chosen(name, unique_pairs(pairs), "layer_matched" if controls else "", [unique_pairs(c) for c in controls])


IMAGE = chosen("image", [(0, 0), (0, 1), (1, 0)], [(0, 2), (0, 3), (1, 0)], [(0, 0), (0, 3), (1, 3)])
AUDIO = chosen("audio", [(0, 0), (0, 1)], [(0, 2), (0, 0)], [(0, 0), (0, 1)])


def test_by_hand() -> None:
    row = overlap_row(IMAGE, AUDIO, WIDTHS)
    assert (row["num_a"], row["num_b"], row["num_shared"]) == (3, 2, 2)
    assert row["jaccard"] == pytest.approx(2 / 3)
    assert row["expected"] == pytest.approx(2 * 2 / 4)
    assert row["chance_p"] == pytest.approx(1 / 6)
    assert row["shared_by_controls_a"] == [0, 1]
    assert row["shared_by_controls_b"] == [1, 2]
    assert row["p_value"] == pytest.approx(2 / 3), "one of two controls of audio shares as much"


def test_without_controls_nothing_is_beyond_them() -> None:
    assert overlap_row(chosen("image", [(0, 0)]), chosen("audio", [(0, 0)]), WIDTHS)["p_value"] == 1


def test_sets_have_their_headline_controls_in_order_and_their_gates_alone() -> None:
    def control(kind: str, draw: int, neuron: int) -> NeuronSet:
        return NeuronSet(SetKey(f"image_{kind}_{draw}", "control", "image", kind, draw), at_gate([(0, neuron)]))

    own = NeuronSet(SetKey("image", "method"), {**at_gate([(1, 1)]), "vision_tower": unique_pairs([(0, 5)])})
    (found,) = chosen_sets([own, control("layer_matched", 1, 3), control("layer_matched", 0, 2)], {})
    assert found.pairs.tolist() == [[1, 1]]
    assert [pairs.tolist() for pairs in found.controls] == [[[0, 2]], [[0, 3]]]
    assert chosen_sets([NeuronSet(SetKey("image", "method"))], {})[0].pairs.shape == (0, 2)


def test_only_models_of_the_same_weights_are_compared() -> None:
    models = {"eyes": [IMAGE], "ears": [AUDIO, IMAGE], "other": [IMAGE]}
    weights = {"eyes": {"a"}, "ears": {"a", "b"}, "other": {"c"}}
    rows = list(rows_of(models, weights, dict.fromkeys(models, WIDTHS)))
    assert [(row["model_a"], row["model_b"], row["set_b"]) for row in rows] == [
        ("eyes", "ears", "audio"),
        ("eyes", "ears", "image"),
    ]


def test_the_same_weights_in_other_layers_are_refused() -> None:
    models, weights = {"eyes": [IMAGE], "ears": [AUDIO]}, {"eyes": {"a"}, "ears": {"a"}}
    with pytest.raises(UserError, match="eyes and ears are read from the same file of weights and differ in their la"):
        list(rows_of(models, weights, {"eyes": WIDTHS, "ears": {0: 4}}))


def test_the_union_is_left_out_and_kinds_of_controls_are_not_mixed() -> None:
    sets = [NeuronSet(SetKey(name, "method"), at_gate([(0, 0)])) for name in ("image", "all")]
    assert [each.name for each in chosen_sets(sets, {})] == ["image"]
    row = overlap_row(IMAGE, AUDIO._replace(kind="uniform"), WIDTHS)
    assert (row["control_kind"], row["shared_by_controls_a"], row["p_value"]) == ("", [], 1.0)
    assert not is_beyond({**row, "num_shared": 3, "shared_by_controls_a": [0] * 20})


def test_controls_that_do_not_match_are_no_null() -> None:
    own = NeuronSet(SetKey("image", "method"), at_gate([(0, 0), (0, 1)]))
    draws = [NeuronSet(SetKey(f"c{n}", "control", "image", "uniform", n), at_gate([(0, 2), (0, 3)])) for n in range(20)]
    facts = {"shared_frac": 0.0, "num_different": 20, "site_magnitude_ratios": [[0.5] * 20]}
    (found,) = chosen_sets([own, *draws], {fact: {"uniform": {"image": value}} for fact, value in facts.items()})
    assert found.unmatched == "unmatchable: its controls reach only 0.50 of what the set writes"
    row = overlap_row(found, found._replace(name="audio", unmatched=""), WIDTHS)
    assert row["num_shared"] > max(row["shared_by_controls_a"] + row["shared_by_controls_b"])
    assert row["unmatched"] == f"image: {found.unmatched}"
    assert not is_beyond(row)
    assert is_beyond({**row, "unmatched": ""})


def test_p_values_hold_for_layer_matched_controls_and_find_what_is_shared() -> None:
    """Sets that share no more than layers make them share are called so in 5 % at most; 40 planted of 60 are found."""
    found = {planted: [] for planted in (0, 40)}
    for planted, values in found.items():
        for seed in range(120):
            values.append(overlap_row(*two_sets(planted, seed), dict.fromkeys(range(4), 100))["p_value"])
    assert np.mean(np.array(found[0]) <= 0.05) <= 0.05
    assert np.mean(np.array(found[40]) <= 0.05) >= 0.95


def test_what_is_loud_in_both_models_is_no_overlap() -> None:
    """Of unequal size, favouring the same loud neurons: beyond exact chance nearly always. Controls that are as loud
    hold 5 %, uniform ones nothing."""
    found = np.array([loud_sets(seed) for seed in range(100)])
    chance, matched, uniform = (found <= 0.05).mean(0)
    assert chance > 0.95
    assert uniform > 0.95
    assert matched <= 0.05


def loud_sets(seed: int) -> list[float]:
    """`chance_p` of two such sets, and `p_value` with controls that are as loud, and with uniform ones."""
    rng = np.random.default_rng(seed)
    loud, flat = rng.lognormal(0, 1, 900) ** 2, np.ones(900)

    def draw(size: int, weights: Any) -> list[tuple[int, int]]:
        return [divmod(int(n), 150) for n in rng.choice(900, size, replace=False, p=weights / weights.sum())]

    pairs, widths = {size: draw(size, loud) for size in (80, 30)}, dict.fromkeys(range(6), 150)
    rows = [
        overlap_row(*(chosen(str(n), of, *(draw(n, law) for _ in range(20))) for n, of in pairs.items()), widths)
        for law in (loud, flat)
    ]
    return [rows[0]["chance_p"], *(row["p_value"] for row in rows)]


def two_sets(planted: int, seed: int) -> list[Chosen]:
    """Two sets of 60 neurons, most in the first of four layers, the first `planted` in both; layer-matched controls."""
    rng = np.random.default_rng(seed)
    sizes = (40, 10, 6, 4)

    def draw() -> list[tuple[int, int]]:
        return [(layer, int(n)) for layer, size in enumerate(sizes) for n in rng.permutation(100)[:size]]

    first, second = draw(), draw()
    rest = [pair for pair in second if pair not in first[:planted]]
    both = (first, first[:planted] + rest[len(rest) - (60 - planted) :])
    return [chosen(name, pairs, *(draw() for _ in range(20))) for name, pairs in zip("ab", both, strict=True)]


def test_weights_are_those_of_parts(tmp_path: Path) -> None:
    manifest = tmp_path / "manifest.json"
    wheels = [{"part": "model.language_model", "sha256": "a"}, {"part": "model.vision_tower", "sha256": "b"}]
    manifest.write_text(json.dumps({"made_of": {"wheels": wheels}}))
    assert weights_of(manifest) == {"a"}, "a tower alone makes no two language models alike"
    manifest.write_text(json.dumps({"files": []}))
    assert weights_of(manifest) == set()


def drawn(rows: list[dict[str, Any]]) -> Any:
    return draw({"overlaps": [as_table("overlaps", rows, {"selection": "miner"})]}, LOOKS)


def test_the_figure_fills_what_is_more_than_every_control() -> None:
    models = {"model_a": "eyes", "model_b": "ears"}
    alone = overlap_row(chosen("text", [(0, 0)], [(0, 1)]), chosen("text", [(0, 0)], [(0, 2)]), WIDTHS)
    figure = drawn([{**models, **overlap_row(IMAGE, AUDIO, WIDTHS)}, {**models, **alone}])
    (axes,) = figure.axes
    assert [label.get_text() for label in axes.get_yticklabels()] == ["text (1), text (1)", "image (3), audio (2)"]
    marks = [line for line in axes.lines if line.get_markersize() == 5.5]
    assert [mark.get_xdata()[0] for mark in marks] == [1, 2]
    assert [mark.get_markerfacecolor() == "white" for mark in marks] == [False, True]


def test_a_figure_of_no_two_models_is_refused() -> None:
    with pytest.raises(UserError, match="there are no two"):
        drawn([])
