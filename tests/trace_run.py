"""Tables of traces as a run writes them: two variants, three groups, four states, drawn from a seed."""

from pathlib import Path
from typing import Any

import numpy as np

from lode.engine.tables import read_table, write_table
from lode.stages.summarise_trace import OF_FLOW, OF_LENS, cells_of, flow_rows, lens_rows, stage_rows
from lode.table.flow import FLOW
from lode.table.flow_samples import FLOW_SAMPLES
from lode.table.lens import LENS
from lode.table.lens_samples import LENS_SAMPLES
from lode.table.stages import STAGES

VARIANTS, GROUPS, NUM_STATES, NUM_SAMPLES = ("clean", "noise", "permuted_weights"), ("text", "image", "last"), 4, 8
KEY = {"set_name": "none", "kind": "clean", "control_of": "", "control_kind": "", "control_draw": -1}


def sample_rows(names: tuple[str, ...], num_layers: int, seed: int = 0) -> list[dict[str, Any]]:
    """A row a variant, sample, group and layer; `entropy` falls by one a layer, and less under a null."""
    rng, rows = np.random.default_rng(seed), []
    for variant in VARIANTS:
        for at in range(NUM_SAMPLES):
            for group in GROUPS:
                for layer in range(num_layers):
                    slope = 1.0 if variant == "clean" else 0.2
                    values = dict(zip(names, rng.uniform(0, 1, len(names)).tolist(), strict=True))
                    values |= {"entropy": 5 - slope * layer + 0.1 * rng.normal()} if "entropy" in names else {}
                    if "gold_logp" in names and group != "last":
                        values |= {"gold_logp": None, "gold_rank": None}
                    said = {"sample_id": f"s{at}", "cluster_id": f"c{at}", "group": group, "layer": layer}
                    rows.append({**KEY, "variant": variant, **said, **values, "num_tokens": 2})
    return rows


def write_trace(folder: Path) -> dict[str, list[str]]:
    """The five tables of one model and benchmark below a folder, by name."""
    place = "tiny_qwen2_vl/toy_textvqa.parquet"
    paths = {name: folder / f"{step}/{name}/{place}" for step, names in
             (("trace_states", ("lens_samples", "flow_samples")), ("summarise_trace", ("lens", "flow", "stages")))
             for name in names}  # fmt: skip
    write_table(paths["lens_samples"], LENS_SAMPLES, sample_rows(OF_LENS, NUM_STATES), {})
    write_table(paths["flow_samples"], FLOW_SAMPLES, sample_rows(OF_FLOW, NUM_STATES - 1), {})
    summarise(paths)
    return {name: [str(path)] for name, path in paths.items()}


def summarise(paths: dict[str, Path]) -> None:
    """What the stage makes of the samples."""
    lens = cells_of(read_table(paths["lens_samples"], LENS_SAMPLES), OF_LENS)
    flow = cells_of(read_table(paths["flow_samples"], FLOW_SAMPLES), OF_FLOW)
    write_table(paths["lens"], LENS, lens_rows(lens), {})
    write_table(paths["flow"], FLOW, flow_rows(flow), {})
    nulls = {group: {name: lens[name, group] for name in VARIANTS[1:]} for group in GROUPS}
    rows = [row for group in GROUPS for row in stage_rows(group, lens["clean", group], nulls[group])]
    write_table(paths["stages"], STAGES, rows, {})
