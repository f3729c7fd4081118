"""The package as `pip install .` makes it, away from the project: all files are there, and the library works."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.project_tree import copy_project
from tests.tables import write_run

INSTALL = ["install", "--quiet", "--no-deps", "--no-build-isolation", "--no-index", "--disable-pip-version-check"]
PROGRAM = """
import json, sys
import lode, lode.study
results, folder = sys.argv[1:]
effects = lode.load(results)["effects"]
model = lode.open(folder, "runtime.device=cpu", facts="tiny_qwen2_vl")
with lode.switched(model, [(0, 3)], "constant"):
    answer = lode.answer(model, "what?", gold="ab", max_new_tokens=4)
experiments = sorted(path.stem for path in (lode.study.STUDY.config_dir / "experiment").glob("*.yaml"))
print(json.dumps([lode.__file__, effects.num_rows, answer.content < 0, experiments]))
"""


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return copy_project(tmp_path_factory.mktemp("project"))


@pytest.fixture(scope="module")
def installed(tree: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the package is; a copy of the project is built, since pip leaves a folder `build` there."""
    target = tmp_path_factory.mktemp("installed")
    subprocess.run([sys.executable, "-m", "pip", *INSTALL, "--target", str(target), "."], cwd=tree, check=True)
    return target


def files(folder: Path) -> set[str]:
    found = (path for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    return {path.relative_to(folder).as_posix() for path in found}


def test_every_file_of_the_library_and_of_the_config_tree_is_in_it(tree: Path, installed: Path) -> None:
    held = files(installed / "lode")
    configs = {name for name in held if name.startswith("config_tree/")}
    assert held - configs == files(tree / "lode")
    assert configs == {f"config_tree/{name}" for name in files(tree / "config")}
    assert {path.name for path in installed.iterdir()} - {"bin"} == {"lode", "lode-0.1.0.dist-info"}


def test_the_library_works_away_from_the_project(tree: Path, installed: Path, tiny_manifest: Path) -> None:
    write_run(installed.parent / "run")
    command = [sys.executable, "-c", PROGRAM, str(installed.parent / "run"), str(tiny_manifest.with_suffix(""))]
    environment = {**os.environ, "PYTHONPATH": str(installed)}
    done = subprocess.run(command, cwd=installed, env=environment, text=True, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    place, num_rows, is_likelihood, experiments = json.loads(done.stdout)
    assert place == str(installed / "lode" / "__init__.py")
    assert num_rows
    assert is_likelihood
    assert experiments == sorted(Path(name).stem for name in files(tree / "config" / "experiment"))
