"""The figures show what the tables hold: values, numbers of dots, order, and equal bytes from equal tables."""

import json
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from omegaconf import OmegaConf
from PIL import Image

from lode.engine.errors import UserError
from lode.engine.seal import file_sha256
from lode.engine.tables import provenance, write_table
from lode.figure import (
    Table,
    ablation_scores,
    beats_controls,
    dose_curve,
    first_controls,
    grid_columns,
    house_style,
    keys_of,
    method_sets,
    metric_correlation,
    neurons_per_layer,
    outcome_rows,
    read_tables,
    selector_agreement,
    set_overlap,
)
from lode.grouping.modality import GROUPS
from lode.stages.plot_figures import run
from lode.table import table_of
from lode.table.effects import EFFECTS
from lode.table.importance import IMPORTANCE
from lode.table.neurons import NEURONS
from tests.panels import KEYS, LOOKS, Drops, as_table, panels_of, points_of
from tests.tables import GROUPING, OUTCOMES, benchmark_rows, neuron_rows, write_run

MODALITIES = tuple(GROUPS)

MADE_BY = provenance('{"seed": 1}', "abc")
FIGURES = {
    "neurons_per_layer": ["neurons"],
    "set_overlap": ["neurons"],
    "ablation_scores": ["scores", "effects"],
    "metric_correlation": ["importance"],
    "selectivity_matrix": ["comparisons", "verdicts"],
    "dose_curve": ["effects", "scores", "neurons"],
    "selector_agreement": ["neurons"],
}


def _config(name: str, paths: dict[str, list[str]], folder: Path) -> OmegaConf:
    figure = {"name": name, "plugin": name, "tables": FIGURES[name], "caption": "a <caption> & more"}
    io = {**paths, "figure": str(folder / f"{name}.svg"), "png": str(folder / f"{name}.png")}
    return OmegaConf.create({"figure": figure, "grouping": GROUPING, "io": io})


def test_every_modality_has_its_own_colour_and_marker() -> None:
    names = [*MODALITIES, "all", "zebra"]
    for of in (LOOKS.colour, LOOKS.marker):
        assert len(set(map(of, names))) == len(names)


def test_keys_come_from_the_end_of_the_path() -> None:
    path = "/x/scores/results/neurons/score_ablation/scores/m.1/miner/zero/toy_mmlu.parquet"
    assert keys_of("scores", path) == {
        "model": "m.1",
        "selection": "miner",
        "intervention": "zero",
        "dataset": "toy_mmlu",
    }
    assert keys_of("importance", "importance/m.1.parquet") == {"model": "m.1"}
    assert keys_of("neurons", "r/neurons/m/s.parquet") == {"model": "m", "selection": "s"}
    assert keys_of("selectivity", "r/selectivity/m/s/zero.parquet") == {
        "model": "m",
        "selection": "s",
        "intervention": "zero",
    }
    for wrong in ("s/zero/selectivity.parquet", "r/m/s/zero/x.selectivity.parquet", "r/m/s/zero/comparisons.parquet"):
        with pytest.raises(UserError, match="ends in"):
            keys_of("selectivity", wrong)
    for wrong in ("zero/toy_mmlu.scores.parquet", "r/m/s/zero/toy_mmlu.effects.parquet"):
        with pytest.raises(UserError, match="ends in"):
            keys_of("scores", wrong)


def test_missing_kind_of_table_is_named() -> None:
    with pytest.raises(UserError, match=r"io\.effects"):
        read_tables({"scores": []}, [EFFECTS])


def test_order_of_sets_is_fixed() -> None:
    assert LOOKS.in_order(["all", "zebra", "image", "text"]) == ["text", "image", "zebra", "all"]


@pytest.mark.parametrize(("num_panels", "expected"), [(1, 1), (4, 4), (5, 3), (6, 3), (7, 4), (9, 3)])
def test_panels_fill_rows_evenly(num_panels: int, expected: int) -> None:
    assert grid_columns(num_panels) == expected


@pytest.mark.parametrize(
    ("drop", "p_value", "num_controls", "expected"),
    [(0.2, 1 / 21, 20, True), (0.2, 2 / 21, 20, False), (-0.1, 1 / 21, 20, False), (0.2, float("nan"), 0, False)],
)
def test_beats_controls(drop: float, p_value: float, num_controls: int, expected: bool) -> None:
    assert beats_controls({"drop": drop, "p_value": p_value, "num_controls": num_controls}) is expected


def test_method_sets_are_unique_and_without_controls() -> None:
    table = as_table("neurons", neuron_rows({"image": [(1, 5), (0, 3), (1, 5)], "text": [(2, 0)]}))
    sets = method_sets(table.data, LOOKS)
    assert list(sets) == ["text", "image"]
    assert sets["image"].tolist() == [[0, 3], [1, 5]]
    with pytest.raises(UserError, match="no selected neuron"):
        method_sets(as_table("neurons", []).data, LOOKS)


def test_neurons_per_layer_draws_the_counts() -> None:
    sets = {"text": [(0, 1), (0, 2), (3, 1)], "image": [(1, 1)], "all": [(0, 1), (0, 2), (1, 1), (3, 1)]}
    with house_style("test"):
        figure = neurons_per_layer.draw({"neurons": [as_table("neurons", neuron_rows(sets))]}, LOOKS)
    heights = {axes.get_title("left"): [bar.get_height() for bar in axes.patches] for axes in figure.axes}
    assert heights == {"text: 3": [2, 0, 0, 1], "image: 1": [0, 1, 0, 0], "all: 4": [2, 1, 0, 1]}


def test_set_overlap_counts_every_neuron_once() -> None:
    sets = {"text": [(0, 1), (0, 2), (0, 3)], "special": [(0, 2)], "image": [(0, 2), (0, 3), (1, 1)]}
    union = sorted({pair for pairs in sets.values() for pair in pairs})
    counts = set_overlap.combinations({name: np.array(pairs) for name, pairs in sets.items()})
    assert counts == {("text",): 1, ("image",): 1, ("text", "image"): 1, ("text", "special", "image"): 1}
    assert list(counts)[:2] == [("text",), ("image",)]
    with house_style("test"):
        figure = set_overlap.draw({"neurons": [as_table("neurons", neuron_rows({**sets, "all": union}))]}, LOOKS)
    assert sum(bar.get_height() for bar in figure.axes[0].patches) == len(union)
    assert "7 chosen, 4 unique" in [text.get_text() for text in figure.axes[0].texts]
    assert [tick.get_text() for tick in figure.axes[1].get_yticklabels()] == ["text: 3", "special: 1", "image: 3"]


CLEAN = {"content": -0.2, "stopping": -0.1, "score": 0.9, "beside": 0.9}


def all_outcomes(drops: Drops, sizes: dict[str, int], **other: Drops) -> tuple[list[dict], list[dict]]:
    """Scores and effects of benchmark `d` by every outcome, with equal drops but for those named."""
    rows: tuple[list[dict], list[dict]] = ([], [])
    for outcome in OUTCOMES:
        parts = benchmark_rows("d", outcome, CLEAN[outcome], other.get(outcome, drops), sizes)
        for total, part in zip(rows, parts, strict=True):
            total += part
    return rows


def test_ablation_scores_draws_content_stopping_and_own_controls() -> None:
    drops = {"text": (0.01, [0.0, 0.02, 0.03]), "image": (0.30, [0.01, 0.04])}
    stopping = {"text": (0.50, [0.1, 0.2, 0.3]), "image": (0.05, [0.06, 0.07])}
    scores, effects = all_outcomes(drops, {"text": 12, "image": 7}, stopping=stopping)
    tables = {"scores": [as_table("scores", scores)], "effects": [as_table("effects", effects)]}
    with house_style("test"):
        figure = ablation_scores.draw(tables, LOOKS)
    (axes,) = panels_of(figure, "d")
    # Clean, blank (0.2 above chance), and the two sets.
    assert points_of(axes, "_content") == pytest.approx([-0.2, -1.8, -0.21, -0.5])
    assert points_of(axes, "_stopping") == pytest.approx([-0.1, -1.2, -0.6, -0.15])
    assert [line.get_xdata()[0] for line in axes.lines[:2]] == pytest.approx([-0.2, -2.0])  # content: clean, chance
    assert points_of(axes, "_interval_content")[-2:] == pytest.approx([-0.7, -0.3])
    assert points_of(axes, "_controls_content") == pytest.approx([-0.2, -0.22, -0.23, -0.21, -0.24])
    assert points_of(axes, "_controls_stopping") == pytest.approx([-0.2, -0.3, -0.4, -0.16, -0.17])
    assert [tick.get_text() for tick in axes.get_yticklabels()] == ["clean", "blank", "text (12)", "image (7)"]
    faces = {
        name: [line.get_markerfacecolor() for line in axes.lines if line.get_label() == name]
        for name in ("_content", "_stopping")
    }
    assert faces["_content"][2:] == ["white", LOOKS.colour("image")], (
        "the image set lost more content than its controls"
    )
    assert [face != "white" for face in faces["_stopping"][2:]] == [True, False], "and the text set more stopping"
    column = [text.get_text() for text in axes.texts if text.get_label() == "_headline"]
    assert column == ["0.90", "0.30", "0.89", "0.60 •"], "the headline score of each row"
    assert axes.get_title("right") == "begins_with_answer"
    low, high = axes.get_xlim()
    assert low < -2.0
    assert high > 0.1


def test_ablation_scores_needs_the_effects_of_every_benchmark() -> None:
    scores, effects = all_outcomes({"text": (0.1, [0.0])}, {"text": 1})
    elsewhere = as_table("effects", effects, {**KEYS, "dataset": "other"})
    with pytest.raises(UserError, match="no effects of m/s/zero/d"):
        ablation_scores.draw({"scores": [as_table("scores", scores)], "effects": [elsewhere]}, LOOKS)


def test_rows_are_chosen_by_outcome_whatever_their_order() -> None:
    _, effects = all_outcomes({"text": (0.1, [0.0])}, {"text": 1})
    table = as_table("effects", effects[::-1])
    assert [row["score_name"] for row in outcome_rows(table, "score")] == ["begins_with_answer"]
    assert [row["unit"] for row in outcome_rows(table, "content")] == ["nats"]
    assert outcome_rows(as_table("effects", []), "content") == []


def test_the_first_kind_of_control_of_a_set_is_the_headline() -> None:
    drops = {"text": (0.1, [0.0]), "image": (0.2, [0.0])}
    _, effects = benchmark_rows("d", "content", -0.2, drops, {"text": 1, "image": 1})
    others = [{**row, "control_kind": "uniform", "p_value": 0.9} for row in effects]
    assert first_controls([effects[0], others[0], effects[1], others[1]]) == effects


def dose_tables(folder: Path, drops: dict[float, tuple[float, list[float]]], measurable: bool = True) -> dict:
    """Tables of one set `image` of 100 neurons times the ratio, on `d`; content has 1.8 nats to lose."""
    tables: dict[str, list[Table]] = {"effects": [], "scores": [], "neurons": []}
    for ratio, of_ratio in drops.items():
        keys = {**KEYS, "selection": f"s{ratio}"}
        rows: tuple[list[dict], list[dict]] = ([], [])
        for outcome in ("content", "stopping"):
            sizes = {"image": round(100 * ratio)}
            parts = benchmark_rows("d", outcome, -0.2, {"image": of_ratio}, sizes, measurable)
            for total, part in zip(rows, parts, strict=True):
                total += part
        tables["scores"].append(as_table("scores", rows[0], keys))
        tables["effects"].append(as_table("effects", rows[1], keys))
        path = folder / "m" / f"s{ratio}.parquet"
        options = {"plugin": "p", "group_split": "x", "groups": None, "options": {"mix": "y"}, "ratio": ratio}
        record = {**MADE_BY, "config": {"selection": options}, "num_total": 100}
        write_table(path, NEURONS, neuron_rows({"image": [(0, 1)]}), record)
        tables["neurons"] += read_tables({"neurons": [str(path)]}, [NEURONS])["neurons"]
    return tables


def test_dose_curve_draws_content_in_shares_and_stopping_in_nats(tmp_path: Path) -> None:
    drops = {0.04: (0.36, [0.18, 0.0]), 0.02: (0.18, [0.0, 0.18])}
    with house_style("test"):
        content, stopping = dose_curve.draw(dose_tables(tmp_path, drops), LOOKS).axes
    for axes, unit in ((content, 1.8), (stopping, 1.0)):
        marks = next(line for line in axes.lines if line.get_label() == "_drop")
        np.testing.assert_allclose(marks.get_xdata(), [2, 4])  # rising, whatever the order of the selections
        np.testing.assert_allclose(marks.get_ydata(), np.array([0.18, 0.36]) / unit)
        mean = next(line for line in axes.lines if line.get_label() == "_controls")
        np.testing.assert_allclose(mean.get_ydata(), np.array([0, 0.09, 0.09]) / unit)
    # A straight line to 0.2 (0.36): half of it. Both controls have less.
    assert [text.get_text() for text in content.texts] == ["area 0.10"]
    assert [text.get_text() for text in stopping.texts] == ["area 0.18"]


def test_dose_curve_hatches_what_cannot_be_measured(tmp_path: Path) -> None:
    with house_style("test"):
        axes = dose_curve.draw(dose_tables(tmp_path, {0.02: (0.2, [0.0])}, measurable=False), LOOKS).axes
    assert [[patch.get_label() for patch in of.patches] for of in axes] == [["_unmeasurable"]] * 2
    assert not any(of.lines for of in axes)


def test_selections_that_differ_in_more_than_the_ratio_are_curves_of_their_own(tmp_path: Path) -> None:
    tables = dose_tables(tmp_path, {0.02: (0.2, [0.0]), 0.04: (0.4, [0.1])})
    found = dose_curve.curves(tables, "content")
    assert [len(points) for panels in found.values() for points in panels.values()] == [2]
    record = json.loads(tables["neurons"][1].data.schema.metadata[b"lode"])
    record["config"]["selection"]["options"]["mix"] = "z"
    data = tables["neurons"][1].data.replace_schema_metadata({b"lode": json.dumps(record)})
    tables["neurons"][1] = Table(tables["neurons"][1].keys, data)
    assert list(dose_curve.curves(tables, "content")) == ["m · p x y · zero", "m · p x z · zero"]


def test_rank_correlation_by_hand() -> None:
    values = np.array([[1.0, 2.0, 3.0, 4.0], [10.0, 30.0, 20.0, 40.0], [4.0, 3.0, 2.0, 1.0], [5.0, 5.0, 5.0, 5.0]])
    matrix = metric_correlation.rank_correlation(values)
    # One swapped pair of four: 1 - 6 * (1 + 1) / (4 * 15) = 0.8.
    assert matrix[0, 1] == pytest.approx(0.8)
    assert matrix[0, 2] == pytest.approx(-1)
    assert np.isnan(matrix[0, 3])


def test_metric_correlation_writes_the_numbers(tmp_path: Path) -> None:
    paths = write_run(tmp_path, selections=("miner",), benchmarks=("d",), num_controls=1)
    tables = read_tables(paths, [IMPORTANCE])
    with house_style("test"):
        figure = metric_correlation.draw(tables, LOOKS)
    data = tables["importance"][0].data
    chosen = np.array(data["group"].to_pylist()) == "image"
    pair = np.stack([data[name].to_numpy()[chosen] for name in ("mean", "attn_q")])
    (axes,) = panels_of(figure, "image")
    texts = {text.get_position(): text.get_text() for text in axes.texts}
    assert len(texts) == 10
    # Row attn_q is the last of four, column mean the second.
    assert texts[(1, 3)] == f"{metric_correlation.rank_correlation(pair)[0, 1]:.2f}"


def test_selector_agreement_writes_the_numbers() -> None:
    """Four neurons against one that shares three, in the order 0 2 1: Jaccard 3/5, Spearman 1/2."""
    chosen = {"a": [(0, 0), (0, 1), (0, 2), (0, 3)], "b": [(0, 0), (9, 9), (0, 2), (0, 1)], "c": [(5, 5)]}
    tables = [
        as_table("neurons", neuron_rows({"image": pairs}), {**KEYS, "selection": s}) for s, pairs in chosen.items()
    ]
    with house_style("test"):
        figure = selector_agreement.draw({"neurons": tables}, LOOKS)
    (axes,) = panels_of(figure, "image")
    texts = {text.get_position(): text.get_text() for text in axes.texts}
    assert texts == {(0, 1): "0.60", (1, 0): "0.50", (0, 2): "0.00", (2, 0): "–", (1, 2): "0.00", (2, 1): "–"}
    assert [tick.get_text() for tick in axes.get_yticklabels()] == ["a", "b", "c"]
    with pytest.raises(UserError, match="name two or more"):
        selector_agreement.draw({"neurons": tables[:1]}, LOOKS)


def test_images_carry_caption_and_provenance_but_no_date(tmp_path: Path) -> None:
    paths = write_run(tmp_path, selections=("miner",), benchmarks=("toy_mmlu",), num_controls=2)
    run(_config("set_overlap", paths, tmp_path), MADE_BY)
    svg = tmp_path / "set_overlap.svg"
    description = ElementTree.parse(svg).find(".//{http://purl.org/dc/elements/1.1/}description")
    assert description is not None
    record = json.loads(description.text)
    assert record["caption"] == "a <caption> & more"
    assert record["config_digest"] == MADE_BY["config_digest"]
    assert record.pop("beside") == {"set_overlap.png": file_sha256(tmp_path / "set_overlap.png")}
    assert record.pop("seal").startswith("lode-seal-")
    with Image.open(tmp_path / "set_overlap.png") as image:
        assert json.loads(image.text["Description"]) == record  # type: ignore[attr-defined]
        assert "Software" not in image.text  # type: ignore[attr-defined]
    assert b"<dc:date>" not in svg.read_bytes()
    ids = [element.get("id") for element in ElementTree.parse(svg).iter() if element.get("id")]
    assert len(ids) == len(set(ids))


@pytest.mark.parametrize("modalities", [("text",), ("text", "special", "image", "video", "audio")])
def test_nothing_is_clipped_and_no_warning(modalities: tuple[str, ...], tmp_path: Path) -> None:
    benchmarks = tuple(f"a_longer_benchmark_{i}" for i in range(6))
    paths = write_run(tmp_path, ("miner", "welch_t"), benchmarks, modalities, num_controls=2)
    for name in FIGURES:
        tables = read_tables(paths, map(table_of, FIGURES[name]))
        with house_style(name):
            figure = __import__(f"lode.figure.{name}", fromlist=["draw"]).draw(tables, LOOKS)
            figure.draw_without_rendering()
            box, page = figure.get_tightbbox(), figure.bbox_inches
        assert min(box.x0, box.y0) >= -1e-9, name
        assert box.x1 <= page.x1 + 1e-9, name
        assert box.y1 <= page.y1 + 1e-9, name


def test_wrong_table_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "m" / "s.parquet"
    rows = neuron_rows({"text": [(0, 1)]})
    write_table(path, NEURONS, rows, MADE_BY)
    with pytest.raises(UserError, match="missing column 'prob', 'mean'"):
        read_tables({"importance": [str(path)]}, [IMPORTANCE])
