"""A run whose report is to be written, every text of it hostile."""

from pathlib import Path

from omegaconf import DictConfig, OmegaConf

from lode.artifacts import provenance
from lode.stages import plot
from tests.tables import HOSTILE, write_datasets, write_manifest, write_run

MADE_BY = provenance('{"seed": 1}', "abc")
BENCHMARKS = ("toy_mmlu", "digits_vqa")


def make_config(folder: Path) -> DictConfig:
    """Write a run under `folder`; its report's config."""
    paths = write_run(folder, benchmarks=BENCHMARKS, num_controls=3)
    figures = []
    for name in ("set_overlap", "neurons_per_layer"):
        figure = {"name": name, "plugin": name, "tables": ["neurons"], "caption": f"{HOSTILE} of {name}"}
        svg = folder / f"figures/{name}.svg"
        io = {"tables": paths, "svg": str(svg), "png": str(svg.with_suffix(".png"))}
        plot.run(OmegaConf.create({"figure": figure, "io": io}), MADE_BY)
        figures.append(str(svg))
    io = {
        "tables": paths,
        "figures": figures,
        "datasets": write_datasets(folder, BENCHMARKS),
        "manifests": [write_manifest(folder)],
        "output": str(folder / "report.html"),
    }
    run = {
        "title": f"A run {HOSTILE}", "seed": 2024, "split": "disjoint", "models": ["tiny_qwen2_vl"],
        "mining_datasets": list(BENCHMARKS), "benchmarks": list(BENCHMARKS), "interventions": ["zero"],
        "selections": {"miner": ["selection=miner"]}, "figures": ["set_overlap", "neurons_per_layer"],
    }  # fmt: skip
    return OmegaConf.create({**run, "io": io})
