"""The groups of pytest-xdist: tests that share what they set up run in one process."""

import os

import pytest


def test_this_file_is_a_group(request: pytest.FixtureRequest) -> None:
    """In a worker the group stands behind the name of a test; without workers there is nothing to share out."""
    group = "@test_groups.py" if "PYTEST_XDIST_WORKER" in os.environ else ""
    assert request.node.nodeid == f"tests/guard/test_groups.py::test_this_file_is_a_group{group}"
