"""A new step touches three files and adds three; no finished result of another step becomes stale by it."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.project_tree import environment, snakemake

CARD = """    Card(
        "count_layers",
        "count the neurons of each set in each layer",
        over=SETS,
        sections=("counting",),
        reads=(Read("neurons"),),
        writes={"layer_counts": "{model}/{selection}.parquet"},
    ),
    Card(
        "plot_figures","""
CONFIG = '''@dataclass
class CountingConfig:
    """What is counted."""

    first_layer: int = 0


@dataclass
class Config:'''
FIELD = "    counting: CountingConfig = field(default_factory=CountingConfig)\n    title: str"
TABLE = '''"""How many neurons of each set lie in each layer."""

import pyarrow as pa

from lode.engine.fields import field
from lode.engine.tables import Table

LAYER_COUNTS = Table(
    "layer_counts",
    pa.schema(
        [field("set_name", pa.string(), "name", "the set"), field("num_neurons", pa.int64(), "neurons", "in the set")]
    ),
)
'''
STAGE = '''"""Count the neurons of each set from a layer on."""

from collections import Counter
from typing import Any

from lode.engine.tables import read_table, write_table
from lode.table.layer_counts import LAYER_COUNTS
from lode.table.neurons import NEURONS


def run(cfg: Any, made_by: dict[str, Any]) -> None:
    """Read `io.neurons`; write `io.layer_counts`."""
    rows = [row for row in read_table(cfg.io.neurons, NEURONS).to_pylist() if row["layer"] >= cfg.counting.first_layer]
    counts = Counter(row["set_name"] for row in rows)
    found = [{"set_name": name, "num_neurons": count} for name, count in counts.items()]
    write_table(cfg.io.layer_counts, LAYER_COUNTS, found, made_by)
'''
ADDED = {
    "lode/table/layer_counts.py": TABLE,
    "lode/stages/count_layers.py": STAGE,
    "scripts/count_layers.py": ("scripts/select_neurons.py", "select_neurons", "count_layers"),
}


def rule(tree: Path) -> str:
    """The rule of another step of the same wildcards, under the names of this one."""
    text = (tree / "workflow/rules/4_select.smk").read_text()
    other = re.search(r"\n\nrule retest_selections:\n(?:[ \t]+.*\n)+", text)
    assert other
    return other[0].replace("retest_selections", "count_layers").replace("retests", "layer_counts")


def put(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert text.count(old) == 1, f"{path}: {old!r}"
    path.write_text(text.replace(old, new))


@pytest.fixture
def tree(finished: Path, tmp_path: Path) -> Path:
    """A finished run, and the project with one more step."""
    tree = tmp_path / "tree"
    shutil.copytree(finished, tree)
    put(tree / "lode/cards/__init__.py", '    Card(\n        "plot_figures",', CARD)
    put(tree / "lode/config.py", "@dataclass\nclass Config:", CONFIG)
    put(tree / "lode/config.py", "    title: str", FIELD)
    rules = tree / "workflow/rules/4_select.smk"
    rules.write_text(rules.read_text() + rule(tree))
    for name, text in ADDED.items():
        if isinstance(text, tuple):
            other, old, new = text
            text = (tree / other).read_text().replace(old, new)
        (tree / name).write_text(text)
    return tree


def jobs(said: str) -> dict[str, int]:
    return {rule: int(count) for rule, count in re.findall(r"^(\w+) +(\d+)$", said, re.MULTILINE) if rule != "total"}


def test_nothing_else_is_planned(tree: Path) -> None:
    assert "Nothing to be done" in snakemake(tree, "--dry-run")
    targets = [f"results/rerun/count_layers/{model}/wide.parquet" for model in ("second", "tiny_qwen2_vl")]
    assert jobs(snakemake(tree, *targets, "--dry-run")) == {"count_layers": 2}
    snakemake(tree, *targets)
    assert "Nothing to be done" in snakemake(tree, *targets, "--dry-run")
    changed = snakemake(tree, *targets, "--dry-run", overrides=None)
    assert "Nothing to be done" in changed
    verify = [sys.executable, "-m", "workflow.verify", "rerun"]
    done = subprocess.run(verify, cwd=tree, env=environment(tree), text=True, capture_output=True, check=False)
    assert done.returncode == 0, done.stdout
    assert "; 2 more are not made yet" in done.stdout, "those of the other selection"


def test_a_value_of_its_section_plans_it_alone(tree: Path) -> None:
    targets = ["results/rerun/count_layers/second/wide.parquet", "results/rerun/report.html"]
    snakemake(tree, *targets)
    with (tree / "config/experiment/rerun.yaml").open("a") as file:
        file.write("counting: {first_layer: 1}\n")
    assert jobs(snakemake(tree, *targets, "--dry-run")) == {"count_layers": 1}


def test_a_field_of_a_section_plans_the_steps_that_read_it(tree: Path) -> None:
    put(tree / "lode/config.py", "    num_draws: int = 20", "    further: int = 1\n    num_draws: int = 20")
    planned = jobs(snakemake(tree, "--dry-run"))
    assert planned["select_neurons"] == 4
    assert not {"download_model", "prepare_dataset", "capture_activations", "aggregate_importance"} & set(planned)
