"""A domain of one's own: the two YAMLs of README, as they stand there, and a Parquet file; no Python."""

import re
from pathlib import Path

from lode.engine.tables import write_table
from lode.stages.prepare_dataset import rows
from lode.study import compose
from lode.table.dataset import DATASET
from tests.project_tree import ROOT, copy_project, snakemake


def blocks(title: str) -> list[str]:
    """The YAML blocks of a section of README."""
    section = (ROOT / "README.md").read_text().split(f"### {title}\n")[1].split("\n## ")[0]
    return re.findall(r"```yaml\n(.*?)```", section, re.DOTALL)


def test_a_domain_in_two_yamls(tmp_path: Path) -> None:
    dataset, experiment = blocks("A domain of my own")
    tree = copy_project(tmp_path)
    (tree / "config/dataset/leaves.yaml").write_text(dataset)
    (tree / "config/experiment/leaves.yaml").write_text(experiment)
    (tree / "data").mkdir()
    scenes = rows(compose(["dataset=toy_scene"]).dataset, 5, "disjoint")
    write_table(tree / "data/leaves.parquet", DATASET, list(scenes), {})
    said = snakemake(tree, "--dry-run", experiment="leaves")
    counts = dict(re.findall(r"^(\w+) +(\d+)$", said.split("Job stats:")[1], re.MULTILINE))
    assert counts["prepare_dataset"] == "6"
    assert int(counts["capture_activations"]) == 2 * 6, "models, datasets"
    assert int(counts["capture_nulls"]) == 2 * 6 * 2, "models, datasets, nulls"
