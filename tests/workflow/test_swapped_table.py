"""A table of one's own that is swapped under an older time stamp: the plan, the job and `make verify` see it."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from tests.broken import sample_table
from tests.project_tree import environment, snakemake

OUTPUT = "results/rerun/prepare_dataset/own.parquet"


def own_table(tree: Path) -> Path:
    """Give the experiment a dataset of one's own."""
    table = tree / "own.parquet"
    pq.write_table(sample_table(), table)
    (tree / "config/dataset/own.yaml").write_text(
        "name: own\nplugin: local_table\nmodalities: [text, special, image]\nnum_samples: {mine: 2, test: 2}\n"
        "scores: [begins_with_answer]\noptions: {path: own.parquet}\n"
    )
    experiment = tree / "config/experiment/rerun.yaml"
    experiment.write_text(experiment.read_text().replace("[toy_mmlu]", "[toy_mmlu, own]"))
    return table


def test_a_table_of_ones_own(finished: Path, tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    shutil.copytree(finished, tree)
    table = own_table(tree)
    said = snakemake(tree, OUTPUT)
    (line,) = re.findall(
        r"^Shell command: (python scripts/prepare_dataset.py .*)$", said, re.MULTILINE
    )  # of a real run
    assert "Nothing to be done" in snakemake(tree, OUTPUT, "--dry-run")
    os.utime(table)
    assert "Nothing to be done" in snakemake(tree, OUTPUT, "--dry-run")

    old = table.stat().st_mtime - 1e6
    prompts = pa.array(["which?", *sample_table()["prompt"].to_pylist()[1:]])
    pq.write_table(sample_table().set_column(sample_table().column_names.index("prompt"), "prompt", prompts), table)
    os.utime(table, (old, old))
    assert re.search(r"^prepare_dataset +1$", snakemake(tree, OUTPUT, "--dry-run"), re.MULTILINE)
    by_hand = subprocess.run(line, shell=True, cwd=tree, env=environment(tree), check=False)
    assert by_hand.returncode == 1
    assert "a file of yours that it reads, changed" in (tree / "results/rerun/logs/prepare_dataset/own.log").read_text()
    verify = [sys.executable, "-m", "workflow.verify", "rerun"]
    found = subprocess.run(verify, cwd=tree, env=environment(tree), text=True, capture_output=True, check=False)
    assert found.returncode == 1
    assert re.search(rf"^{OUTPUT}: stale: .*sources\.path was '\w+' and is now '\w+'", found.stdout, re.MULTILINE)

    snakemake(tree, OUTPUT)
    assert pq.read_table(tree / OUTPUT)["prompt"][0].as_py() == "which?"
