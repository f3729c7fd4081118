"""What a user counts on: equal runs give equal bytes, printed lines run by hand, plans need no hub."""

import os
import re
import shlex
import shutil
import subprocess
from hashlib import sha256
from pathlib import Path

import pytest
from omegaconf import OmegaConf
from snakemake.cli import parse_config

from lode.engine.verify import forced
from tests.project_tree import ROOT, environment, snakemake
from workflow.check import open_experiment

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
        "python", "scripts/select_neurons.py", "expect_digest=d123", "io.neurons=x",
        "io.importance=results/rerun/aggregate_importance/second.parquet",
    ]  # fmt: skip
    done = subprocess.run(command, cwd=tree, env=environment(tree), text=True, capture_output=True, check=False)
    assert done.returncode == 1
    assert "changed since the jobs were planned" in done.stderr
    assert not (tree / "x").exists()


#: What Snakemake asks of an executor that it only plans for.
EXECUTOR = """\
from dataclasses import field, make_dataclass
from snakemake_interface_executor_plugins.executors.remote import RemoteExecutor
from snakemake_interface_executor_plugins.settings import CommonSettings, ExecutorSettingsBase
common_settings = CommonSettings(non_local_exec=True, implies_no_shared_fs=False, job_deploy_sources=False)
fields = [(name, kind, field(default=None, metadata={"help": name})) for name, kind in OPTIONS]
ExecutorSettings = make_dataclass("ExecutorSettings", fields, bases=(ExecutorSettingsBase,))
class Executor(RemoteExecutor): pass
"""


def test_both_profiles_print_the_line_of_each_job(tmp_path: Path) -> None:
    """By a dry run with that of Slurm, in whose place stands an executor that can do nothing but be planned for.

    A real run with the local one is in test_swapped_table.py. `--logger rich` would print none.
    """
    settings = [OmegaConf.load(ROOT / f"workflow/profiles/{name}/profile.yaml") for name in ("local", "slurm")]
    assert all(of.printshellcmds is True for of in settings)
    assert "--logger" not in (ROOT / "Makefile").read_text()
    own = {
        key.removeprefix("slurm-").replace("-", "_"): value for key, value in settings[1].items() if key[:6] == "slurm-"
    }
    options = ", ".join(f"({name!r}, {type(value).__name__})" for name, value in own.items())
    plugin = tmp_path / "snakemake_executor_plugin_slurm/__init__.py"
    plugin.parent.mkdir()
    plugin.write_text(EXECUTOR.replace("OPTIONS", f"[{options}]"))
    variables = environment(ROOT)
    variables["PYTHONPATH"] += f"{os.pathsep}{tmp_path}"
    command = ["snakemake", "--dry-run", "--forceall", "--profile", "workflow/profiles/slurm"]
    asked = [*command, "--config", "experiment=smoke"]
    done = subprocess.run(asked, cwd=ROOT, env=variables, text=True, capture_output=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    said = done.stdout + done.stderr
    (num_jobs,) = set(re.findall(r"^total +(\d+)$", said, re.MULTILINE))  # said before and after
    assert said.count("\nShell command: python scripts/") == int(num_jobs) - 1 > 20  # but for the rule `all`
    assert "note: controls.num_draws = 2: no set can be called specific" in said, "the Snakefile asks what to say"


#: Of experiments; most read as numbers or truth values.
NAMES = ("2024", "12", "0.10", "202401", "2024_01", "007", "1e3", "infinity", "true", "my exp", "team/x", "a+b")


@pytest.mark.parametrize("name", NAMES)
def test_make_hands_over_what_was_typed(name: str) -> None:
    words = ["seed=7", "+selections.can=['selection=can']", "models=[a,b]"]
    asked = ["reproduce", "verify", f"EXPERIMENT={name}", f"OVERRIDES={' '.join(words)}"]
    command = ["make", "--no-print-directory", "--dry-run", *asked]  # `make test` may be what runs this test
    said = subprocess.run(command, cwd=ROOT, text=True, capture_output=True, check=True).stdout
    run, where, verify = map(shlex.split, said.splitlines())
    assert parse_config(run[run.index("--config") + 1 :]) == {"experiment": name, "overrides": words}
    assert where[-5:] == ["--where", name, *words]
    assert verify[-4:] == [name, *words]


@pytest.mark.parametrize("name", NAMES)
def test_what_verify_prints_asks_for_the_same_run(name: str) -> None:
    overrides = ["seed=7", "+selections.can=['selection=can']", 'title="it\'s a\\"b"']
    words = shlex.split(forced(["results/x/report.html"], name, overrides))
    assert words[words.index("--forcerun") + 1] == "results/x/report.html"
    assert parse_config(words[words.index("--config") + 1 :]) == {"experiment": name, "overrides": overrides}


@pytest.mark.parametrize("name", sorted(path.stem for path in (ROOT / "config/experiment").glob("*.yaml")))
def test_every_experiment_plans_without_a_hub(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert open_experiment({"experiment": name}).plan.files("effects")
