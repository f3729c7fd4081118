"""A run whose report is to be written, every text of it hostile."""

from pathlib import Path

from omegaconf import DictConfig, OmegaConf

from lode.engine.tables import provenance
from lode.stages import plot_figures
from lode.table._keys import tables_of
from tests.tables import GROUPING, HOSTILE, write_datasets, write_manifest, write_run

MADE_BY = provenance('{"seed": 1}', "abc")
BENCHMARKS = ("toy_mmlu", "digits_vqa")
_FIGURES = {"set_overlap": ["neurons"], "neurons_per_layer": ["neurons"]}


def make_config(
    folder: Path,
    benchmarks: tuple[str, ...] = BENCHMARKS,
    figures: dict[str, list[str]] = _FIGURES,
    num_controls: int = 3,
    **run: tuple[str, ...],
) -> DictConfig:
    """Write a run under `folder`; its report's config.

    Args:
        folder: where the run goes.
        benchmarks: of the run.
        figures: by name the tables of each.
        num_controls: of each set.
        **run: further arguments of `write_run`.
    """
    paths = write_run(folder, benchmarks=benchmarks, num_controls=num_controls, **run)
    images = []
    for name, tables in figures.items():
        figure = {"name": name, "plugin": name, "tables": tables, "caption": f"{HOSTILE} of {name}"}
        svg = folder / f"plot_figures/{name}.svg"
        io = {**paths, "figure": str(svg), "png": str(svg.with_suffix(".png"))}
        plot_figures.run(OmegaConf.create({"figure": figure, "grouping": GROUPING, "io": io}), MADE_BY)
        images.append(str(svg))
    io = {
        **{table: [] for table in tables_of("build_report")},
        **paths,
        "figure": images,
        "dataset": write_datasets(folder, benchmarks),
        "manifest": [write_manifest(folder)],
        "report": str(folder / "report.html"),
    }
    told = {
        "title": f"A run {HOSTILE}", "seed": 2024, "split": "disjoint", "models": ["tiny_qwen2_vl"],
        "mining_datasets": list(benchmarks), "benchmarks": list(benchmarks), "interventions": ["zero"],
        "selections": {"miner": ["selection=miner"]}, "figures": list(figures), "grouping": GROUPING,
    }  # fmt: skip
    return OmegaConf.create({**told, "io": io})
