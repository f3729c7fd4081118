"""The workflow on a real Slurm: every job through sbatch; one cancelled, one out of time, one requeued; equal tables.

`make test-slurm` runs the default experiment, `--experiment=smoke` a small one. Not part of plain `pytest`: it installs
Slurm and takes minutes.
"""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.project_tree import ROOT, environment, tables
from tests.slurm.one_node_slurm import jobs, one_node, restarts

pytestmark = pytest.mark.slurm

#: Faster than for a real cluster; and one rule that has a minute for its first attempt, and more for later ones.
OPTIONS = [
    "--slurm-init-seconds-before-status-checks=1",
    "--seconds-between-status-checks=2",
    "--latency-wait=10",
    "--set-resources",
    "capture_activations:runtime=1 + 9 * (attempt - 1)",
]


@pytest.fixture(scope="session")
def plugin(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The executor plug-in, in a folder of its own: it slows down every start of Snakemake where it is installed."""
    folder = tmp_path_factory.mktemp("plugin")
    pins = ROOT / "workflow/profiles/slurm/requirements.txt"
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, "--no-deps", "--target", str(folder), "--requirement", str(pins)], check=True)
    return folder


@pytest.fixture(scope="module")
def locally(trees: dict[str, Path], experiment: str) -> dict[str, bytes]:
    """The tables of a run on this machine."""
    tree = trees["undisturbed"]
    command = ["snakemake", "--profile", "workflow/profiles/local", "--config", f"experiment={experiment}"]
    subprocess.run(command, cwd=tree, env=environment(tree), check=True)
    return tables(tree, experiment)


def stop_script(tree: Path, script: str) -> bool:
    """Halt a running script of a tree, so that its job runs out of time; say whether one was running."""
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        words = path.read_bytes().split(b"\0") if path.exists() else []
        if words[1:2] == [f"scripts/{script}.py".encode()] and Path(f"{path.parent}/cwd").resolve() == tree:
            os.kill(int(path.parent.name), signal.SIGSTOP)
            return True
    return False


def running(rule: str) -> list[str]:
    """The ids of the jobs of a rule that run now."""
    return [job["id"] for job in jobs(["running"]) if job["comment"].startswith(f"rule_{rule}")]


def disturb(run: subprocess.Popen[bytes], tree: Path) -> dict[str, str]:
    """Halt a capture until its time is out, cancel a job, requeue another; return the ids of those two."""
    done: dict[str, str] = {}
    while run.poll() is None and len(done) < 3:
        if "halted" not in done and stop_script(tree, "capture_activations"):
            done["halted"] = "yes"
        if "cancelled" not in done and (found := running("prepare_dataset")):
            subprocess.run(["scancel", found[0]], check=True)
            done["cancelled"] = found[0]
        if "requeued" not in done and (found := running("benchmark_ablation")):
            subprocess.run(["scontrol", "requeue", found[0]], check=True)
            done["requeued"] = found[0]
        time.sleep(0.2)
    return done


def test_a_disturbed_run_through_sbatch_gives_the_tables_of_a_local_run(
    tmp_path_factory: pytest.TempPathFactory,
    plugin: Path,
    trees: dict[str, Path],
    locally: dict[str, bytes],
    experiment: str,
) -> None:
    tree = trees["disturbed"]
    variables = environment(tree)
    variables["PYTHONPATH"] += f"{os.pathsep}{plugin}"
    base = ["snakemake", "--profile", "workflow/profiles/slurm", *OPTIONS]
    command = [*base, "--config", f"experiment={experiment}"]
    with one_node(tmp_path_factory.mktemp("node")):
        started = time.perf_counter()
        with subprocess.Popen(command, cwd=tree, env=variables) as run:
            try:
                done = disturb(run, tree)
            except BaseException:  # an interrupted test leaves nothing running
                run.terminate()
                run.wait(timeout=60)
                raise
        assert run.returncode == 0
        print(f"\n{len(jobs())} Slurm jobs, {time.perf_counter() - started:.0f} s")
        ended = {job["id"]: job for job in jobs()}
        assert set(done) == {"halted", "cancelled", "requeued"}
        assert ended[done["cancelled"]]["state"] == "CANCELLED"
        timed_out = [job["comment"] for job in ended.values() if job["state"] == "TIMEOUT"]
        assert [comment[:24] for comment in timed_out] == ["rule_capture_activations"]
        assert restarts(done["requeued"]) == 1
        assert ended[done["requeued"]]["state"] == "COMPLETED"
        assert {job["state"] for job in ended.values()} == {"COMPLETED", "CANCELLED", "TIMEOUT"}
        again = subprocess.run(command, cwd=tree, env=variables, text=True, capture_output=True, check=True)
    assert "Nothing to be done" in again.stdout + again.stderr
    found = tables(tree, experiment)
    assert set(found) == set(locally)
    assert [name for name in found if found[name] != locally[name]] == []
