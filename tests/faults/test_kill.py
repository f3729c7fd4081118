"""Kill -9 of a job, of Snakemake, and of a shard while it writes, at random moments; the next call goes on from there.

`make test-faults` kills 30 times on an experiment in shards; `--kills` and `--experiment` say otherwise. Not part of
plain `pytest`: it takes minutes. One tree is run, killed and resumed until it is finished, then compared and emptied.
"""

import os
import random
import shutil
import signal
import subprocess
import time
from base64 import b64encode
from collections import Counter
from pathlib import Path

import pytest

from lode.engine.overrides import results_folder
from lode.engine.seal import damage
from lode.study import STUDY
from tests.project_tree import copy_project, environment, tables

pytestmark = pytest.mark.faults
SHARDS = ["capture.shards=2", "ablation.shards=2"]
KINDS = ("job", "snakemake", "writing")


def folder_of(experiment: str) -> str:
    """The folder of results of these calls."""
    return results_folder(STUDY, experiment, SHARDS).removeprefix("results/")


def command(experiment: str, *arguments: str) -> list[str]:
    """A call of Snakemake on an experiment in shards."""
    config = [f"experiment={experiment}", f"overrides={SHARDS!r}"]
    return ["snakemake", "--profile", "workflow/profiles/local", *arguments, "--config", *config]


def scripts(tree: Path) -> dict[int, str]:
    """The command lines of the scripts that run in a tree, by process id."""
    found = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            words = (folder / "cmdline").read_text().split("\0")
            if words[1:2] and words[1].startswith("scripts/") and (folder / "cwd").resolve() == tree:
                found[int(folder.name)] = " ".join(words)
        except OSError:  # it ended meanwhile
            continue
    return found


def kill(pid: int) -> bool:
    """Kill -9; whether the process was still there."""
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return False
    return True


def kill_writer(tree: Path) -> bool:
    """Kill a shard that has a table half written; whether there was one."""
    for partial in tree.glob("results/*/[cb]*/**/.*.partial"):
        name = partial.name.split(".parquet")[0].removeprefix(".")
        for pid, line in scripts(tree).items():
            if f"={partial.relative_to(tree).parent}/{name}.parquet" in line:
                return kill(pid)
    return False


def strike(kind: str, run: subprocess.Popen[bytes], tree: Path, pause: float) -> bool:
    """After a pause [s], kill what there is to kill first; False where the run comes to its end before."""
    time.sleep(pause)
    while run.poll() is None:
        if kind == "snakemake":
            run.kill()
            run.wait()
            return True
        if kind == "writing" and kill_writer(tree):
            return True
        if kind == "job" and any(map(kill, list(scripts(tree))[:1])):
            return True
        time.sleep(0.001)
    return False


def finished_shards(tree: Path) -> dict[Path, int]:
    """The shards that Snakemake knows to be finished, and the inode of each: another one after it was made again."""
    shards = [
        *tree.glob("results/*/capture_activations/**/*.parquet"),
        *tree.glob("results/*/benchmark_ablation/**/*.parquet"),
    ]
    marks = {path.name for path in tree.glob(".snakemake/incomplete/*")}
    whole = [p for p in shards if b64encode(str(p.relative_to(tree)).encode(), b"+-").decode() not in marks]
    return {path: path.stat().st_ino for path in whole}


def resume(tree: Path, experiment: str) -> subprocess.Popen[bytes]:
    """The next call; first the lock of a killed one is taken away, as its message says."""
    with (tree / "said.txt").open("wb") as said:
        if any(tree.glob(".snakemake/locks/*")):
            subprocess.run(command(experiment, "--unlock"), cwd=tree, env=environment(tree), check=True, stderr=said)
        return subprocess.Popen(command(experiment), cwd=tree, env=environment(tree), stdout=said, stderr=said)


@pytest.fixture(scope="module")
def undisturbed(trees: dict[str, Path], experiment: str) -> tuple[dict[str, bytes], float]:
    """The tables of a run that nothing happens to, and how long it takes [s]."""
    tree = trees["undisturbed"]
    started = time.perf_counter()
    subprocess.run(command(experiment), cwd=tree, env=environment(tree), check=True, capture_output=True)
    return tables(tree, folder_of(experiment)), time.perf_counter() - started


def test_whatever_is_killed_the_next_calls_end_in_the_same_tables(
    trees: dict[str, Path],
    undisturbed: tuple[dict[str, bytes], float],
    experiment: str,
    request: pytest.FixtureRequest,
) -> None:
    expected, seconds = undisturbed
    pauses = random.Random(20240611)
    wanted = int(request.config.getoption("--kills"))
    tree, killed, runs = trees["disturbed"], Counter[str](), 0
    known: dict[Path, int] = {}
    while killed.total() < wanted or runs == 0:
        assert runs < wanted + 3, f"only {killed} were hit in {runs} runs"
        before = killed.total()
        run = resume(tree, experiment)
        while killed.total() < wanted and run.poll() is None:
            kind = KINDS[killed.total() % len(KINDS)]
            killed[kind] += strike(kind, run, tree, pauses.uniform(0.01, 0.08) * seconds)
        code = run.wait()
        print(f"{killed.total()} of {wanted} killed, {runs} runs finished", flush=True)
        now = finished_shards(tree)
        redone = [path for path in known if now.get(path) != known[path]]
        assert not redone, f"finished before, and made again: {redone}"
        assert [path for path in tree.glob("results/**/*.parquet") if damage(path)] == []
        known = now
        assert code == 0 or killed.total() > before, (tree / "said.txt").read_text()[-3000:]
        if code == 0:
            assert tables(tree, folder_of(experiment)) == expected
            runs += 1
            known = {}
            shutil.rmtree(tree / "results")
            shutil.rmtree(tree / ".snakemake")
    print(f"\nkilled {dict(killed)}, {runs} runs finished, each of {seconds:.0f} s where nothing happens")


def test_the_message_of_a_lock_says_what_to_do(tmp_path: Path, experiment: str) -> None:
    """Snakemake killed: its next call is refused, and names --unlock; the lock alone is what refuses it."""
    tree = copy_project(tmp_path)
    run = resume(tree, experiment)
    while not any(tree.glob(".snakemake/locks/*")):
        time.sleep(0.01)
    run.kill()
    run.wait()
    again = subprocess.run(
        command(experiment), cwd=tree, env=environment(tree), text=True, capture_output=True, check=False
    )
    assert again.returncode == 1
    assert "--unlock" in again.stdout + again.stderr
    for pid in scripts(tree):
        kill(pid)
