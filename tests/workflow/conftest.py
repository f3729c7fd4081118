"""One small finished run, shared by all workflow tests."""

from pathlib import Path

import pytest

from tests.project_tree import copy_project, snakemake


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the project in which the experiment has run to its end."""
    tree = copy_project(tmp_path_factory.mktemp("finished"))
    snakemake(tree)
    return tree
