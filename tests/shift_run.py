"""Made-up shifts of hidden states of a run that `write_run` made: tests and selectivities with plausible numbers."""

from pathlib import Path
from typing import Any

import numpy as np

from lode.engine.tables import provenance, read_table, write_table
from lode.table import table_of
from lode.table._keys import keys_of
from lode.table.effects import EFFECTS

#: Of a set's own group, of other groups, and of the last token.
SIZES = {"own": 0.6, "other": 0.1, "last": 0.15}


def told(value: float, controls: np.ndarray, ratio: float | None) -> dict[str, Any]:
    """What a row says of a value and its controls."""
    p_value = (1 + int((controls / (ratio or 1) ** 3 >= value).sum())) / (1 + len(controls))
    beyond = "beyond_controls" if p_value <= 1 / (1 + len(controls)) else "within_controls"
    return {
        "interval_low": value - 0.05, "interval_high": value + 0.06, "control_kind": "magnitude_matched",
        "num_controls": len(controls), "control_mean": float(controls.mean()), "control_max": float(controls.max()),
        "p_value": p_value, "size_ratio": ratio,
        "verdict": "unmatchable" if ratio is not None and ratio < 0.9 else beyond,
    }  # fmt: skip


def tested_row(
    name: str, size: int, group: str, dataset: str | None, rng: np.random.Generator, num: int
) -> dict[str, Any]:
    """One set and group; the set `special` is unmatchable, and the union moves everything."""
    kind = "own" if name in (group, "all") else "last" if group == "last" else "other"
    value, ratio = SIZES[kind] * float(rng.uniform(0.8, 1.2)), 0.42 if name == "special" else 0.97
    row = told(value, rng.uniform(0.02, 0.13, num), ratio)
    key = {"set_name": name, "num_neurons": size, "group": group, "own": name == group, "dataset": dataset}
    return {**key, "shift": value, "num_samples": 40, **row}


def write_shifts(folder: Path, effects: list[str]) -> dict[str, list[str]]:
    """Tests and selectivities for every run of some effects tables; their paths by kind."""
    rng, runs = np.random.default_rng(5), dict[Path, dict[str, dict[str, int]]]()
    for path in effects:
        keys = keys_of("effects", path)
        place = Path(*(keys[name] for name in ("model", "selection", "intervention")))
        rows = read_table(path, EFFECTS).to_pylist()
        runs.setdefault(place, {})[keys["dataset"]] = {row["set_name"]: row["num_neurons"] for row in rows}
    paths: dict[str, list[str]] = {"shift_tests": [], "shift_selectivity": []}
    for place, datasets in runs.items():
        sizes = next(iter(datasets.values()))
        groups = [*(name for name in sizes if name != "all"), "prompt", "last"]
        tests = [
            tested_row(name, size, group, dataset, rng, 20)
            for name, size in sizes.items()
            for group in groups
            for dataset in (None, *datasets)
        ]
        selectivity = []
        for name in (name for name in sizes if name != "all"):
            controls, value = rng.normal(0, 0.05, 20), 0.5
            row = told(value, controls, 0.42 if name == "special" else 0.97)
            others = [other for other in sizes if other not in (name, "all")]
            row |= {"set_name": name, "num_neurons": sizes[name], "others": others, "shift_own": 0.6}
            row |= {"control_magnitudes": [row["size_ratio"]] * 20}
            selectivity.append({**row, "shift_others": 0.1, "selectivity": value, "control_values": controls.tolist()})
        for kind, of_kind in (("shift_tests", tests), ("shift_selectivity", selectivity)):
            path = folder / "compare_shifts" / kind / f"{place}.parquet"
            write_table(path, table_of(kind), of_kind, provenance('{"step": "compare_shifts"}', "code"))
            paths[kind].append(str(path))
    return paths
