"""The figures show what the tables hold: values, numbers of dots, order, and equal bytes from equal tables."""

import json
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pyarrow as pa
import pytest
from matplotlib.axes import Axes
from omegaconf import OmegaConf
from PIL import Image

from lode.artifacts import SCHEMAS, provenance, write_table
from lode.errors import UserError
from lode.figure import (
    COLOURS,
    MARKERS,
    Table,
    ablation_scores,
    beats_controls,
    grid_columns,
    house_style,
    in_order,
    keys_of,
    method_sets,
    metric_correlation,
    neurons_per_layer,
    read_tables,
    selector_agreement,
    set_overlap,
)
from lode.shapes import MODALITIES
from lode.stages.plot import run
from tests.tables import benchmark_rows, neuron_rows, write_run

KEYS = {"model": "m", "selection": "s", "intervention": "zero", "dataset": "d"}
MADE_BY = provenance('{"seed": 1}', "abc")
FIGURES = {
    "neurons_per_layer": ["neurons"],
    "set_overlap": ["neurons"],
    "ablation_scores": ["scores", "effects"],
    "metric_correlation": ["importance"],
    "selector_agreement": ["neurons"],
}


def _table(kind: str, rows: list[dict], keys: dict[str, str] = KEYS) -> Table:
    names = ("model", "selection") if kind == "neurons" else tuple(keys)
    return Table({name: keys[name] for name in names}, pa.Table.from_pylist(rows, schema=SCHEMAS[kind]))


def _config(name: str, paths: dict[str, list[str]], folder: Path) -> OmegaConf:
    figure = {"name": name, "plugin": name, "tables": FIGURES[name], "caption": "a <caption> & more"}
    io = {"tables": paths, "svg": str(folder / f"{name}.svg"), "png": str(folder / f"{name}.png")}
    return OmegaConf.create({"figure": figure, "io": io})


def _panels(figure: object, title: str) -> list[Axes]:
    return [axes for axes in figure.axes if axes.get_title("left") == title]  # type: ignore[attr-defined]


def _points(axes: Axes, label: str) -> list[float]:
    lines = [line for line in axes.lines if line.get_label() == label]
    return [float(x) for line in lines for x in np.ravel(line.get_xdata())]


def test_every_modality_has_its_own_colour_and_marker() -> None:
    assert set(MODALITIES) | {"all"} == set(COLOURS) == set(MARKERS)
    assert len(set(COLOURS.values())) == len(set(MARKERS.values())) == len(COLOURS)


def test_keys_come_from_the_end_of_the_path() -> None:
    path = "/x/ablation/results/neurons/ablation/m.1/miner/zero/toy_mmlu.scores.parquet"
    assert keys_of("scores", path) == {
        "model": "m.1",
        "selection": "miner",
        "intervention": "zero",
        "dataset": "toy_mmlu",
    }
    assert keys_of("importance", "importance/m.1.parquet") == {"model": "m.1"}
    assert keys_of("neurons", "r/neurons/m/s.parquet") == {"model": "m", "selection": "s"}
    for wrong in ("zero/toy_mmlu.scores.parquet", "r/m/s/zero/toy_mmlu.effects.parquet"):
        with pytest.raises(UserError, match="ends in"):
            keys_of("scores", wrong)


def test_missing_kind_of_table_is_named() -> None:
    with pytest.raises(UserError, match=r"io\.tables\.effects"):
        read_tables({"scores": []}, ["effects"])


def test_order_of_sets_is_fixed() -> None:
    assert in_order(["all", "zebra", "image", "text"]) == ["text", "image", "zebra", "all"]


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
    table = _table("neurons", neuron_rows({"image": [(1, 5), (0, 3), (1, 5)], "text": [(2, 0)]}))
    sets = method_sets(table.data)
    assert list(sets) == ["text", "image"]
    assert sets["image"].tolist() == [[0, 3], [1, 5]]
    with pytest.raises(UserError, match="no selected neuron"):
        method_sets(_table("neurons", []).data)


def test_neurons_per_layer_draws_the_counts() -> None:
    sets = {"text": [(0, 1), (0, 2), (3, 1)], "image": [(1, 1)], "all": [(0, 1), (0, 2), (1, 1), (3, 1)]}
    with house_style("test"):
        figure = neurons_per_layer.draw({"neurons": [_table("neurons", neuron_rows(sets))]})
    heights = {axes.get_title("left"): [bar.get_height() for bar in axes.patches] for axes in figure.axes}
    assert heights == {"text: 3": [2, 0, 0, 1], "image: 1": [0, 1, 0, 0], "all: 4": [2, 1, 0, 1]}


def test_set_overlap_counts_every_neuron_once() -> None:
    sets = {"text": [(0, 1), (0, 2), (0, 3)], "special": [(0, 2)], "image": [(0, 2), (0, 3), (1, 1)]}
    union = sorted({pair for pairs in sets.values() for pair in pairs})
    counts = set_overlap.combinations({name: np.array(pairs) for name, pairs in sets.items()})
    assert counts == {("text",): 1, ("image",): 1, ("text", "image"): 1, ("text", "special", "image"): 1}
    assert list(counts)[:2] == [("text",), ("image",)]
    with house_style("test"):
        figure = set_overlap.draw({"neurons": [_table("neurons", neuron_rows({**sets, "all": union}))]})
    assert sum(bar.get_height() for bar in figure.axes[0].patches) == len(union)
    assert "7 chosen, 4 unique" in [text.get_text() for text in figure.axes[0].texts]
    assert [tick.get_text() for tick in figure.axes[1].get_yticklabels()] == ["text: 3", "special: 1", "image: 3"]


def test_ablation_scores_draws_scores_intervals_and_own_controls() -> None:
    drops = {"text": (0.01, [0.0, 0.02, 0.03]), "image": (0.30, [0.01, 0.04])}
    scores, effects = benchmark_rows("d", "first", 0.8, drops, {"text": 12, "image": 7})
    others, other_effects = benchmark_rows("d", "second", 0.1, drops, {"text": 12, "image": 7})
    tables = {"scores": [_table("scores", scores + others)], "effects": [_table("effects", effects + other_effects)]}
    with house_style("test"):
        figure = ablation_scores.draw(tables)
    (axes,) = _panels(figure, "d")
    assert _points(axes, "_score") == pytest.approx([0.8, 0.3, 0.79, 0.5])  # clean, blank, and the two sets
    assert [line.get_xdata()[0] for line in axes.lines[:2]] == pytest.approx([0.8, 0.1])  # clean, chance
    assert _points(axes, "_interval") == pytest.approx([0.73, 0.87, 0.23, 0.37, 0.72, 0.86, 0.43, 0.57])
    assert _points(axes, "_controls") == pytest.approx([0.8, 0.78, 0.77, 0.79, 0.76])
    assert [tick.get_text() for tick in axes.get_yticklabels()] == ["clean", "blank", "text (12)", "image (7)"]
    assert axes.get_xlabel() == "first"
    faces = [line.get_markerfacecolor() for line in axes.lines if line.get_label() == "_score"]
    assert faces[2:] == ["white", COLOURS["image"]], "only the image set lost more than all its controls"
    low, high = axes.get_xlim()
    assert low < 0.43
    assert high > 0.87


def test_ablation_scores_needs_the_effects_of_every_benchmark() -> None:
    scores, effects = benchmark_rows("d", "first", 0.8, {"text": (0.1, [0.0])}, {"text": 1})
    elsewhere = _table("effects", effects, {**KEYS, "dataset": "other"})
    with pytest.raises(UserError, match="no effects of m/s/zero/d"):
        ablation_scores.draw({"scores": [_table("scores", scores)], "effects": [elsewhere]})


def test_rank_correlation_by_hand() -> None:
    values = np.array([[1.0, 2.0, 3.0, 4.0], [10.0, 30.0, 20.0, 40.0], [4.0, 3.0, 2.0, 1.0], [5.0, 5.0, 5.0, 5.0]])
    matrix = metric_correlation.rank_correlation(values)
    # One swapped pair of four: 1 - 6 * (1 + 1) / (4 * 15) = 0.8.
    assert matrix[0, 1] == pytest.approx(0.8)
    assert matrix[0, 2] == pytest.approx(-1)
    assert np.isnan(matrix[0, 3])


def test_metric_correlation_writes_the_numbers(tmp_path: Path) -> None:
    paths = write_run(tmp_path, selections=("miner",), benchmarks=("d",), num_controls=1)
    tables = read_tables(paths, ["importance"])
    with house_style("test"):
        figure = metric_correlation.draw(tables)
    data = tables["importance"][0].data
    chosen = np.array(data["modality"].to_pylist()) == "image"
    pair = np.stack([data[name].to_numpy()[chosen] for name in ("mean", "attn_q")])
    (axes,) = _panels(figure, "image")
    texts = {text.get_position(): text.get_text() for text in axes.texts}
    assert len(texts) == 10
    # Row attn_q is the last of four, column mean the second.
    assert texts[(1, 3)] == f"{metric_correlation.rank_correlation(pair)[0, 1]:.2f}"


def test_selector_agreement_writes_the_numbers() -> None:
    """Four neurons against one that shares three, in the order 0 2 1: Jaccard 3/5, Spearman 1/2."""
    chosen = {"a": [(0, 0), (0, 1), (0, 2), (0, 3)], "b": [(0, 0), (9, 9), (0, 2), (0, 1)], "c": [(5, 5)]}
    tables = [_table("neurons", neuron_rows({"image": pairs}), {**KEYS, "selection": s}) for s, pairs in chosen.items()]
    with house_style("test"):
        figure = selector_agreement.draw({"neurons": tables})
    (axes,) = _panels(figure, "image")
    texts = {text.get_position(): text.get_text() for text in axes.texts}
    assert texts == {(0, 1): "0.60", (1, 0): "0.50", (0, 2): "0.00", (2, 0): "–", (1, 2): "0.00", (2, 1): "–"}
    assert [tick.get_text() for tick in axes.get_yticklabels()] == ["a", "b", "c"]
    with pytest.raises(UserError, match="name two or more"):
        selector_agreement.draw({"neurons": tables[:1]})


@pytest.mark.parametrize("name", FIGURES)
def test_equal_tables_give_equal_bytes(name: str, tmp_path: Path) -> None:
    paths = write_run(tmp_path, benchmarks=("toy_mmlu", "digits_vqa"), num_controls=3)
    for place in ("a", "b"):
        run(_config(name, paths, tmp_path / place), MADE_BY)
    for kind in ("svg", "png"):
        first, second = ((tmp_path / place / f"{name}.{kind}").read_bytes() for place in ("a", "b"))
        assert first == second
        assert str(tmp_path).encode() not in first
    assert sorted(path.name for path in (tmp_path / "a").iterdir()) == [f"{name}.png", f"{name}.svg"]


def test_images_carry_caption_and_provenance_but_no_date(tmp_path: Path) -> None:
    paths = write_run(tmp_path, selections=("miner",), benchmarks=("toy_mmlu",), num_controls=2)
    run(_config("set_overlap", paths, tmp_path), MADE_BY)
    svg = tmp_path / "set_overlap.svg"
    description = ElementTree.parse(svg).find(".//{http://purl.org/dc/elements/1.1/}description")
    assert description is not None
    record = json.loads(description.text)
    assert record["caption"] == "a <caption> & more"
    assert record["config_digest"] == MADE_BY["config_digest"]
    with Image.open(tmp_path / "set_overlap.png") as image:
        assert json.loads(image.text["Description"]) == record  # type: ignore[attr-defined]
        assert "Software" not in image.text  # type: ignore[attr-defined]
    assert b"<dc:date>" not in svg.read_bytes()
    ids = [element.get("id") for element in ElementTree.parse(svg).iter() if element.get("id")]
    assert len(ids) == len(set(ids))


@pytest.mark.parametrize("modalities", [("text",), ("text", "special", "image", "video", "audio")])
def test_nothing_is_clipped_and_no_warning(modalities: tuple[str, ...], tmp_path: Path) -> None:
    benchmarks = tuple(f"a_longer_benchmark_{i}" for i in range(6))
    paths = write_run(tmp_path, ("miner", "welch_t", "lape"), benchmarks, modalities, num_controls=2)
    for name in FIGURES:
        with house_style(name):
            figure = __import__(f"lode.figure.{name}", fromlist=["draw"]).draw(read_tables(paths, FIGURES[name]))
            figure.draw_without_rendering()
            box, page = figure.get_tightbbox(), figure.bbox_inches
        assert min(box.x0, box.y0) >= -1e-9, name
        assert box.x1 <= page.x1 + 1e-9, name
        assert box.y1 <= page.y1 + 1e-9, name


def test_wrong_table_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "m" / "s.parquet"
    rows = neuron_rows({"text": [(0, 1)]})
    write_table(path, "neurons", rows, MADE_BY)
    with pytest.raises(UserError, match="missing column 'prob'"):
        read_tables({"importance": [str(path)]}, ["importance"])
