"""Made-up tables of nulls and of depth, under their schemas, for figures."""

from pathlib import Path
from typing import Any

import numpy as np

from lode.engine.tables import write_table
from lode.importance import NORMALISATIONS
from lode.statistics.depth import centre, chi_square, uniform_draws
from lode.table import table_of

SITES = ("lm_gate", "vision_tower")


def write(folder: Path, kind: str, selection: str, rows: list[dict[str, Any]]) -> str:
    """A table of one model, where a run would have it."""
    path = folder / kind / "tiny" / f"{selection}.parquet"
    write_table(path, table_of(kind), rows, {"config": {}, "code_digest": "unknown"})
    return str(path)


def write_set_nulls(folder: Path, groups: tuple[str, ...] = ("text", "special", "image")) -> list[str]:
    """Two sites; at the first much of a set is the prompt's, at the second nothing; there the last set is empty."""
    rng, rows = np.random.default_rng(5), []
    for site in SITES:
        for place, group in enumerate(groups):
            real = 0 if site == SITES[1] and place == len(groups) - 1 else 40 + 25 * place
            near = 0.4 if site == SITES[0] else 0.05
            nulls = [("none", 0, 1.0, 1.0), ("blank", 0, near, near), ("same_prompt", 0, 1.4 * near, 1.2 * near)]
            nulls += [("permuted", draw, float(rng.uniform(0, 0.2)), float(rng.uniform(0, 0.1))) for draw in range(30)]
            for null, draw, good, alike in [*nulls, ("halves", 0, 0.9, 0.06)]:
                of_halves = null == "halves"
                rows.append(
                    {
                        "site": site, "group": group, "null": null, "draw": draw,
                        "num_groups": 2 if of_halves else len(groups),
                        "num_neurons": round(real * good) if of_halves else real, "num_real": real,
                        "jaccard": alike if real else float("nan"),
                        "num_as_good": None if of_halves else round(real * good),
                        "false_discovery": None if of_halves or not real else round(real * good) / real,
                        "effective_groups": (1.97 if of_halves else 2.4) if real else float("nan"),
                    }
                )  # fmt: skip
    return [write(folder, "set_nulls", "lape", rows)]


def write_profiles(
    folder: Path, groups: tuple[str, ...] = ("text", "special", "image"), num_layers: int = 12
) -> list[str]:
    """Of one selection under five normalisations, one of which sees another depth; of one that reads no importance."""
    rng, paths = np.random.default_rng(6), []
    for selection, kinds in (("miner", NORMALISATIONS), ("lape", ("",))):
        rows = []
        for place, group in enumerate(groups):
            for kind in kinds:
                slope = 0.25 * (1 - place) * (-1 if kind == "none" else 1)
                weights = np.exp(-slope * np.arange(num_layers))
                counts = rng.multinomial(60 if place < 2 or kind else 0, weights / weights.sum())
                uniform, value = uniform_draws(counts, 300, 1), float(centre(counts))
                side = 0 if abs(slope) < 0.1 or not counts.any() else int(np.sign(-slope))
                rows.append(
                    {
                        "site": "lm_gate", "set_name": group, "normalisation": kind,
                        "layers": list(range(num_layers)), "counts": counts.tolist(),
                        "uniform_low": uniform.low.tolist(), "uniform_high": uniform.high.tolist(),
                        "mass": np.full(num_layers, 1 / num_layers).tolist() if kind in ("minmax", "rank") else None,
                        "centre": value, "interval_low": value - 0.5, "interval_high": value + 0.5,
                        "mass_centre": (num_layers - 1) / 2 if kind in ("minmax", "rank") else None,
                        "expected": (num_layers - 1) / 2,
                        "centre_low": uniform.centre_low, "centre_high": uniform.centre_high,
                        "chi_square": float(chi_square(counts)), "p_value": uniform.p_value, "side": side,
                        "claim": "neither" if kind or place else "shallow",
                    }
                )  # fmt: skip
        paths.append(write(folder, "profiles", selection, rows))
    return paths
