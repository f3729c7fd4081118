"""What a user counts on: equal runs give equal bytes, printed lines run by hand, plans need no hub."""

import re
import shlex
import shutil
import subprocess
from hashlib import sha256
from pathlib import Path

import pytest
from omegaconf import OmegaConf
from snakemake.cli import parse_config

from tests.project_tree import ROOT, environment, snakemake
from workflow.pipeline import Pipeline

OUTPUTS = ("*.parquet", "*.json", "*.html", "*.svg", "*.png")


def digests(tree: Path) -> dict[str, str]:
    """SHA-256 of every output of a run."""
    results = tree / "results/rerun"
    files = [path for pattern in OUTPUTS for path in results.rglob(pattern)]
    return {str(path.relative_to(results)): sha256(path.read_bytes()).hexdigest() for path in files}


def test_equal_runs_give_equal_bytes(finished: Path, tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    shutil.copytree(finished, tree)
    shutil.rmtree(tree / "results")
    snakemake(tree, "--forceall")
    first = digests(finished)
    assert len(first) > 20
    assert digests(tree) == first


def test_the_printed_line_of_every_script_runs_by_hand(finished: Path, tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    shutil.copytree(finished, tree)
    printed = snakemake(tree, "--dry-run", "--printshellcmds", "--forceall")
    lines = re.findall(r"^Shell command: (python (scripts/\w+\.py) .*)$", printed, re.MULTILINE)
    one_of_each = {script: line for line, script in lines}
    assert len(one_of_each) == 11
    before = digests(tree)
    for line in one_of_each.values():
        subprocess.run(line, shell=True, cwd=tree, env=environment(tree), check=True)
    assert digests(tree) == before


def test_a_job_refuses_a_config_other_than_the_planned_one(finished: Path, tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    shutil.copytree(finished, tree)
    command = [
        "python", "scripts/select_neurons.py", "expect_digest=d123", "io.output=x",
        "io.importance=results/rerun/importance/second.parquet",
    ]  # fmt: skip
    done = subprocess.run(command, cwd=tree, env=environment(tree), text=True, capture_output=True, check=False)
    assert done.returncode == 1
    assert "changed since the jobs were planned" in done.stderr
    assert not (tree / "x").exists()


@pytest.mark.parametrize("profile", ["local", "slurm"])
def test_both_profiles_print_the_line_of_each_job(profile: str) -> None:
    """A real run with the local one is in test_swapped_table.py. `--logger rich` would print none."""
    assert OmegaConf.load(ROOT / f"workflow/profiles/{profile}/profile.yaml").printshellcmds is True
    assert "--logger" not in (ROOT / "Makefile").read_text()


@pytest.mark.parametrize("name", ["2024_01", "007", "1e3", "true", "my exp", "team/x", "a+b"])
def test_make_hands_over_what_was_typed(name: str) -> None:
    words = ["seed=7", "+selections.can=['selection=can']", "models=[a,b]"]
    asked = ["reproduce", "verify", f"EXPERIMENT={name}", f"OVERRIDES={' '.join(words)}"]
    command = ["make", "--no-print-directory", "--dry-run", *asked]  # `make test` may be what runs this test
    said = subprocess.run(command, cwd=ROOT, text=True, capture_output=True, check=True).stdout
    run, where, verify = map(shlex.split, said.splitlines())
    assert parse_config(run[run.index("--config") + 1 :]) == {"experiment": name, "overrides": words}
    assert where[-5:] == ["--where", name, *words]
    assert verify[-4:] == [name, *words]


@pytest.mark.parametrize("name", sorted(path.stem for path in (ROOT / "config/experiment").glob("*.yaml")))
def test_every_experiment_plans_without_a_hub(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    pipeline = Pipeline({"experiment": name})
    assert pipeline.tables("effects", "results")
