"""Tables of cut attention and of heads as a run writes them: made-up numbers of one model and benchmark."""

from pathlib import Path
from typing import Any

import numpy as np

from lode.config import CutConfig
from lode.engine.tables import read_table, write_table
from lode.model.windows import Cut, cuts_of, windows_of
from lode.stages.compare_cuts import run as compare
from lode.study import compose, restrict
from lode.table.attention_maps import ATTENTION_MAPS
from lode.table.cut_samples import CUT_SAMPLES
from lode.table.heads import HEADS

NUM_LAYERS, NUM_HEADS, NUM_SAMPLES = 6, 4, 8
GROUPS = ("text", "special", "image", "last")


def cut_row(cut: Cut, sample: int, rng: np.random.Generator) -> dict[str, Any]:
    """What a cut costs grows with its window; `special` is spared, and media to `last` cost most."""
    most = {"media": 9.0, "before": 10.0, "special": 0.0}.get(cut.source, 2.0) * (cut.target == "last")
    cost = (most if cut.draw < 0 else 1.0) * cut.window.width / NUM_LAYERS * rng.uniform(0.8, 1.2)
    said = {"source": cut.source, "target": cut.target, "window": cut.window.width, "layer": cut.window.first}
    shared = 10 if cut.draw < 0 else 8 if cut.source == "before" else 3
    return {
        **said, "kind": "cut" if cut.draw < 0 else "control", "control_draw": cut.draw, "sample_id": f"s{sample}",
        "cluster_id": f"c{sample}", "num_edges": 10, "num_shared": shared,
        "content": -0.1 - cost, "clean_content": -0.1,
        "stopping": -0.2,
        "clean_stopping": -0.2, "right": sample != 0,
    }  # fmt: skip


def head_rows(rng: np.random.Generator) -> list[dict[str, Any]]:
    """One head of one layer is the image's."""
    rows = []
    for layer, head in np.ndindex(NUM_LAYERS, NUM_HEADS):
        own = (layer, head) == (3, 1)
        mass = np.array([0.1, 0.1, 0.7, 0.1]) if own else rng.dirichlet(np.ones(len(GROUPS)))
        delta = -2.0 if own else float(rng.uniform(-0.3, 0))
        beside = {"delta": delta, "delta_low": delta - 0.1, "delta_high": delta + 0.05, "stopping_delta": 0.0,
                  "others_min": -0.3, "others_max": 0.0, "label": "image" if own else ""}  # fmt: skip
        rows += [
            {"layer": layer, "head": head, "group": group, "num_samples": NUM_SAMPLES,
             "num_holding": NUM_SAMPLES, "mass": float(share),
             "mass_low": float(share) - 0.01, "mass_high": float(share) + 0.01, **beside}
            for group, share in zip(GROUPS, mass, strict=True)
        ]  # fmt: skip
    return rows


def map_rows(rng: np.random.Generator) -> list[dict[str, Any]]:
    """Of ten tokens of one sample, with and without a picture."""
    groups = ["special", *["image"] * 5, "text", "text", "special", "last"]
    return [
        {"variant": variant, "sample_id": "s0", "layer": layer, "position": at, "group": group, "token": "a",
         "mass": float(share)}
        for variant in ("clean", "blank")
        for layer in range(NUM_LAYERS)
        for at, (group, share) in enumerate(zip(groups, rng.dirichlet(np.ones(len(groups))), strict=True))
    ]  # fmt: skip


def write_cuts(folder: Path) -> dict[str, list[str]]:
    """The tables below a folder, by name."""
    rng, cfg, place = np.random.default_rng(0), CutConfig(), "tiny_qwen2_vl/toy_textvqa.parquet"
    paths = {
        "cut_samples": folder / "cut_attention" / place,
        "cuts": folder / "compare_cuts" / place,
        "heads": folder / "ablate_heads" / "heads" / place,
        "attention_maps": folder / "ablate_heads" / "attention_maps" / place,
    }
    planned = cuts_of(cfg.pairs, windows_of(cfg.windows, NUM_LAYERS), NUM_LAYERS, cfg.num_controls, 3)
    rows = [cut_row(cut, sample, rng) for cut in planned for sample in range(NUM_SAMPLES)]
    write_table(paths["cut_samples"], CUT_SAMPLES, rows, {"num_layers": NUM_LAYERS})
    given = [f"io.{name}={paths[name]}" for name in ("cut_samples", "cuts")]
    compare(restrict(compose(given), "compare_cuts", ("io",)), {})
    write_table(paths["heads"], HEADS, head_rows(rng), {})
    write_table(paths["attention_maps"], ATTENTION_MAPS, map_rows(rng), {})
    assert len(read_table(paths["heads"], HEADS)) == NUM_LAYERS * NUM_HEADS * len(GROUPS)
    return {name: [str(path)] for name, path in paths.items()}
