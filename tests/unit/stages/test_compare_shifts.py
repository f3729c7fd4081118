"""Shifts beside their controls, from the tables of two benchmarks to tests and selectivities."""

from pathlib import Path
from typing import Any

import pytest
from omegaconf import OmegaConf

from lode.engine.errors import UserError
from lode.engine.tables import read_table, write_table
from lode.stages import compare_shifts
from lode.table.neurons import NEURONS
from lode.table.sample_shifts import SAMPLE_SHIFTS
from lode.table.shift_selectivity import SHIFT_SELECTIVITY
from lode.table.shift_tests import SHIFT_TESTS
from tests.tables import GROUPING, neuron_rows

#: By benchmark and group, the shift of the set `image`, of `text`, and of each of their three controls.
SHIFTS = {
    "shown": {"image": (0.6, 0.1, [0.1, 0.2, 0.3]), "text": (0.2, 0.7, [0.1] * 3), "last": (0.3, 0.3, [0.1, 0.3, 0.5])},
    "read": {"text": (0.0, 0.5, [0.1] * 3), "last": (0.1, 0.4, [0.2] * 3)},
}


def shift_rows(dataset: str, samples: int = 2) -> list[dict[str, Any]]:
    """Sample 1 lies 0.01 above sample 0, so the mean is 0.005 above the number of `SHIFTS`."""
    rows = []
    for group, (image, text, controls) in SHIFTS[dataset].items():
        for name, value in (("image", image), ("text", text)):
            found = [(name, "method", "", "", -1, value)]
            found += [
                (f"{name}_layer_matched_{draw:02d}", "control", name, "layer_matched", draw, shift)
                for draw, shift in enumerate(controls)
            ]
            for set_name, kind, of, control_kind, draw, shift in found:
                key = {"set_name": set_name, "kind": kind, "control_of": of, "control_kind": control_kind}
                key |= {"control_draw": draw, "num_neurons": 7, "group": group, "num_tokens": 4}
                rows += [
                    {**key, "sample_id": f"s{at}", "cluster_id": f"{dataset}{at}", "shift": shift + 0.01 * at}
                    for at in range(samples)
                ]
    return rows


def compare(folder: Path, ratios: Any = None, rows: Any = shift_rows) -> tuple[list[Any], list[Any]]:
    place = folder / "m/miner/zero"
    paths = [place / f"{dataset}.parquet" for dataset in SHIFTS]
    for path in paths:
        write_table(path, SAMPLE_SHIFTS, rows(path.stem), {})
    neurons = folder / "m/miner.parquet"
    by_site = {name: [of] for name, of in (ratios or {}).items()}
    known = {"magnitude_ratios": ratios, "site_magnitude_ratios": by_site}
    facts = {} if ratios is None else {fact: {"layer_matched": of} for fact, of in known.items()}
    write_table(neurons, NEURONS, neuron_rows({"image": [(0, 1)], "text": [(0, 2)]}), facts)
    made = {name: str(folder / name / "m/miner/zero.parquet") for name in ("shift_tests", "shift_selectivity")}
    io = {"sample_shifts": list(map(str, paths)), "neurons": str(neurons), **made}
    compare_shifts.run(OmegaConf.create({"grouping": GROUPING, "io": io}), {})
    return (
        read_table(made["shift_tests"], SHIFT_TESTS).to_pylist(),
        read_table(made["shift_selectivity"], SHIFT_SELECTIVITY).to_pylist(),
    )


def test_ranks_by_hand(tmp_path: Path) -> None:
    """Over both benchmarks the mean of means, the controls' too; three controls give no p below a quarter: too few."""
    tests, selective = compare(tmp_path, {"image": [0.9, 0.8, 1.0], "text": [0.5, 0.6, 0.7]})
    found = {(row["set_name"], row["group"], row["dataset"]): row for row in tests}
    assert len(found) == len(tests) == 2 * (2 + 3 + 3)
    image = found["image", "image", None]
    assert image["shift"] == pytest.approx(0.605)
    assert (image["p_value"], image["verdict"], image["own"]) == (0.25, "too_few_controls", True)
    assert (image["control_mean"], image["control_max"]) == pytest.approx((0.205, 0.305))
    assert (image["num_samples"], image["num_controls"], image["size_ratio"]) == (2, 3, pytest.approx(0.9))
    last = found["image", "last", None]
    assert last["shift"] == pytest.approx((0.305 + 0.105) / 2)
    # the controls: (0.1 + 0.2) / 2, (0.3 + 0.2) / 2, (0.5 + 0.2) / 2, of which two are as large; the first writes 0.9
    # of what the set does, and 0.155 / 0.9^3 = 0.213 is above 0.205
    assert last["p_value"] == 1
    assert (last["own"], last["num_samples"]) == (False, 4)
    assert found["image", "last", "shown"]["p_value"] == pytest.approx(3 / 4)  # 0.105 / 0.9^3 = 0.144
    assert found["image", "last", "read"]["p_value"] == 1
    assert [row["control_magnitudes"] for row in selective] == [[0.9, 0.8, 1.0], [0.5, 0.6, 0.7]]
    assert found["text", "text", None]["size_ratio"] == pytest.approx(0.6)
    assert found["text", "text", None]["interval_low"] < 0.605 < found["text", "text", None]["interval_high"]


def test_selectivities_by_hand(tmp_path: Path) -> None:
    """Own group less the other set's; `last` is no group of a set. Text is in both benchmarks, images in one."""
    _, rows = compare(tmp_path)
    image, text = rows
    assert (image["set_name"], image["others"], image["size_ratio"]) == ("image", ["text"], None)
    assert image["control_magnitudes"] is None
    assert (image["shift_own"], image["shift_others"]) == pytest.approx((0.605, 0.105))
    assert image["selectivity"] == pytest.approx(0.5)
    assert image["control_values"] == pytest.approx([0.0, 0.1, 0.2])
    assert (image["control_mean"], image["control_max"], image["p_value"]) == pytest.approx((0.1, 0.2, 0.25))
    assert image["interval_low"] <= 0.5 <= image["interval_high"]
    assert text["selectivity"] == pytest.approx(0.605 - 0.105)


def test_what_does_not_fit_together_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="the benchmarks differ in their neuron sets"):
        compare(tmp_path, rows=lambda name: [r for r in shift_rows(name) if name == "read" or r["control_draw"] < 2])
    with pytest.raises(UserError, match="shown: sets differ in their samples of group image"):
        compare(tmp_path, rows=lambda name: shift_rows(name)[1:])
