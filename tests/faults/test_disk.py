"""A full disk and a read-only folder: one clear message, no half-written table, and the next call goes on from there.

On a small file system of their own, which only root can mount: part of `make test-faults`.
"""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from lode.engine.seal import damage
from tests.project_tree import copy_project, environment, snakemake, tables

pytestmark = pytest.mark.faults


def mount(folder: Path, options: str) -> None:
    """Mount, or mount anew, a file system in memory."""
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)], check=True)


@pytest.fixture
def tree(tmp_path: Path) -> Iterator[Path]:
    """A project whose results lie on a disk of 1 MB."""
    tree = copy_project(tmp_path)
    (tree / "results").mkdir()
    mount(tree / "results", "size=1m")
    yield tree
    subprocess.run(["umount", str(tree / "results")], check=True)


def refused(tree: Path) -> str:
    """What a run says that cannot come to its end."""
    command = ["snakemake", "--profile", "workflow/profiles/local", "--config", "experiment=rerun"]
    done = subprocess.run(command, cwd=tree, env=environment(tree), text=True, capture_output=True, check=False)
    assert done.returncode == 1
    return done.stdout + done.stderr


def test_a_full_disk(tree: Path) -> None:
    said = refused(tree)
    assert "cannot be written: No space left on device. Nothing half-written was left; free some space" in said
    assert "Traceback" not in said
    assert [path for path in tree.glob("results/**/*.parquet") if damage(path)] == []
    assert not list(tree.glob("results/**/.*.partial"))
    mount(tree / "results", "remount,size=500m")
    snakemake(tree)
    assert len(tables(tree, "rerun")) > 20


def test_a_read_only_folder(tree: Path) -> None:
    mount(tree / "results", "remount,ro")
    said = refused(tree)
    assert "error: results/rerun cannot be written: Read-only file system. Make the folder writable, then run" in said
    assert "Traceback" not in said
    assert not list(tree.glob("results/*"))
