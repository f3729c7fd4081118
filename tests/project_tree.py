"""A copy of the project in a folder of its own, with a small experiment, and Snakemake run in it."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]

#: Two models, one dataset, two selections and three figures.
EXPERIMENT = """\
# @package _global_
dataset: {num_samples: {mine: 4, test: 4}}
controls: {num_draws: 1}
models: [tiny_qwen2_vl, second]
mining_datasets: [toy_mmlu]
benchmarks: [toy_mmlu]
selections:
  miner: [selection=miner]
  wide: [selection=miner, selection.ratio=0.05]
interventions: [zero]
figures: [neurons_per_layer, ablation_scores, metric_correlation]
"""


def environment(tree: Path) -> dict[str, str]:
    """Environment variables under which the scripts of a tree run on that tree's own code."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return {**os.environ, "PATH": path, "PYTHONPATH": str(tree), "NO_COLOR": "1"}


def snakemake(tree: Path, *arguments: str, overrides: list[str] | None = None, experiment: str = "rerun") -> str:
    """Run Snakemake in a tree on that tree's own code."""
    config = [f"experiment={experiment}", *([f"overrides={overrides!r}"] if overrides else [])]
    command = ["snakemake", "--profile", "workflow/profiles/local", *arguments, "--config", *config]
    done = subprocess.run(command, cwd=tree, env=environment(tree), text=True, capture_output=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def tables(tree: Path, experiment: str) -> dict[str, bytes]:
    """Every table of a run, byte for byte."""
    results = tree / "results" / experiment
    found = {str(path.relative_to(results)): path.read_bytes() for path in results.rglob("*.parquet")}
    assert found, f"no table in {results}"
    return found


def copy_project(folder: Path) -> Path:
    """Copy every file of the project that git would track, and add the experiment `rerun`."""
    tree = folder / "tree"
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        text=True,
        capture_output=True,
        check=True,
    ).stdout
    for name in filter(None, listed.split("\0")):
        if (ROOT / name).is_file():
            (tree / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, tree / name)
    (tree / "config/experiment/rerun.yaml").write_text(EXPERIMENT)
    model = (tree / "config/model/tiny_qwen2_vl.yaml").read_text()
    (tree / "config/model/second.yaml").write_text(model.replace("name: tiny_qwen2_vl", "name: second"))
    return tree
