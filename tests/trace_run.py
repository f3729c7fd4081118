"""Tables of traces as a run writes them: two variants, three groups, seven states, drawn from a seed."""

from pathlib import Path
from typing import Any

import numpy as np

from lode.engine.tables import read_table, write_table
from lode.stages.summarise_trace import OF_FLOW, OF_LENS, cells_of, change_row, flow_rows, lens_rows, stage_rows
from lode.table.change_points import CHANGE_POINTS
from lode.table.contextual import CONTEXTUAL
from lode.table.flow import FLOW
from lode.table.flow_samples import FLOW_SAMPLES
from lode.table.lens import LENS
from lode.table.lens_samples import LENS_SAMPLES
from lode.table.lens_tokens import LENS_TOKENS
from lode.table.stages import STAGES

VARIANTS, GROUPS, NUM_STATES, NUM_SAMPLES = ("clean", "noise", "permuted_weights"), ("text", "image", "last"), 7, 12
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
    """The eight tables of one model and benchmark below a folder, by name."""
    place = "tiny_qwen2_vl/toy_textvqa.parquet"
    made = {
        "trace_states": ("lens_samples", "flow_samples", "lens_tokens"),
        "summarise_trace": ("lens", "flow", "stages", "change_points"),
        "match_contexts": ("contextual",),
    }
    paths = {
        name: folder / f"{step}/{name if len(names) > 1 else ''}/{place}"
        for step, names in made.items()
        for name in names
    }
    write_table(paths["lens_samples"], LENS_SAMPLES, sample_rows(OF_LENS, NUM_STATES), {})
    write_table(paths["flow_samples"], FLOW_SAMPLES, sample_rows(OF_FLOW, NUM_STATES - 1), {})
    write_table(paths["lens_tokens"], LENS_TOKENS, token_rows(), {})
    write_table(paths["contextual"], CONTEXTUAL, context_rows(), {})
    summarise(paths)
    return {name: [str(path)] for name, path in paths.items()}


def token_rows(num_states: int = NUM_STATES, seed: int = 0) -> list[dict[str, Any]]:
    """Of one picture of three by four patches, as it is and black: the words of its objects come up with depth."""
    rng, rows = np.random.default_rng(seed), []
    for variant in ("clean", "shuffled", "blank"):
        for place in range(12):
            for layer in range(num_states):
                rank = int(10 ** (3 * (1 - (layer / num_states) * (variant == "clean")) * rng.uniform(0.6, 1)))
                said = {"sample_id": "s0", "cluster_id": "c0", "group": "image", "position": 4 + place}
                grid = {"grid_row": place // 4, "grid_column": place % 4, "token": "<|image_pad|>"}
                words = [" red", " the", "$x\x1b", "字", " something"]
                words = words[place % 5 :] + words[: place % 5]
                found = {"words": words, "probabilities": [0.5, 0.2, 0.1, 0.05, 0.01], "layer": layer}
                rows.append({"variant": variant, **said, **grid, **found, "object_rank": rank, "other_rank": 90})
    return rows


def context_rows(num_states: int = NUM_STATES) -> list[dict[str, Any]]:
    """Patches are like words of a layer further up, and come to name what is shown; words are like words."""
    rows = []
    for variant in VARIANTS:
        for group, tokens in (("text", "words"), ("image", "media")):
            for layer in range(num_states):
                near = layer if tokens == "words" else min(5.0, 1 + layer * (0.9 if variant == "clean" else 0.4))
                named = 0.1 + 0.12 * layer * (variant == "clean")
                key = {"variant": variant, "group": group, "tokens": tokens, "layer": layer, "num_tokens": 64}
                ends = {"nearest_layer": near, "interval_low": near - 0.4, "interval_high": near + 0.4}
                said = {"named": named, "other_named": 0.12, "named_gap": named - 0.12} if tokens == "media" else {}
                rows.append({**key, **ends, **said, "num_samples": 8, "num_named": 8, "cosine": 0.4})
    return rows


def summarise(paths: dict[str, Path]) -> None:
    """What the stage makes of the samples."""
    lens = cells_of(read_table(paths["lens_samples"], LENS_SAMPLES), OF_LENS)
    flow = cells_of(read_table(paths["flow_samples"], FLOW_SAMPLES), OF_FLOW)
    write_table(paths["lens"], LENS, lens_rows(lens), {})
    write_table(paths["flow"], FLOW, flow_rows(flow), {})
    nulls = {group: {name: lens[name, group] for name in VARIANTS[1:]} for group in GROUPS}
    rows = [row for group in GROUPS for row in stage_rows(group, lens["clean", group], nulls[group])]
    write_table(paths["stages"], STAGES, rows, {})
    write_table(paths["change_points"], CHANGE_POINTS, [change_row(*key, cell) for key, cell in lens.items()], {})
