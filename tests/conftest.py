"""Fixtures that several files share."""

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.project_tree import copy_project

if TYPE_CHECKING:
    from lode.model.adapter import Adapter

WORKFLOW = Path(__file__).parent / "workflow"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Which experiment the tests of clusters and faults run."""
    parser.addoption("--kills", default="30", help="how often tests/faults kills a process")
    parser.addoption("--experiment", default="smoke", help="of tests/slurm and tests/faults: smoke, default, ...")


@pytest.hookimpl(tryfirst=True)  # before pytest-xdist reads the groups
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let one worker of pytest-xdist have all tests of a file, and of the finished run: they share what they set up.

    The finished run comes first: it is the longest group, and the other worker takes all files meanwhile.
    """
    items.sort(key=lambda item: (not of_finished_run(item), item.path.parent != WORKFLOW))
    for item in items:
        item.add_marker(pytest.mark.xdist_group("finished" if of_finished_run(item) else item.path.name))


def of_finished_run(item: pytest.Item) -> bool:
    """Whether a test takes the run that `tests/workflow/conftest.py` makes."""
    return "finished" in getattr(item, "fixturenames", ())


@pytest.fixture(scope="session")
def tiny_manifest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The manifest of a tiny random model."""
    from tests.tiny_model import build_folder  # imports torch, which most tests do without

    return build_folder(tmp_path_factory.mktemp("tiny_model"))


@pytest.fixture(scope="session")
def tiny(tiny_manifest: Path) -> "Adapter":
    """A tiny random model; a test that changes it must put it back."""
    from tests.tiny_model import load_tiny

    return load_tiny(tiny_manifest)


@pytest.fixture(scope="session")
def experiment(request: pytest.FixtureRequest) -> str:
    """The experiment that the tests of Slurm and of kills run."""
    return request.config.getoption("--experiment")


@pytest.fixture(scope="module")
def trees(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Two copies of the project, made together: whoever edits it meanwhile disturbs neither."""
    return {name: copy_project(tmp_path_factory.mktemp(name)) for name in ("undisturbed", "disturbed")}
