"""docs/library.md runs word for word and prints what it says; the run that it reads is a made-up one."""

import doctest
from pathlib import Path

import pytest

from tests.tables import write_run

PAGE = Path(__file__).resolve().parents[2] / "docs" / "library.md"


def test_the_page_of_the_library_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_run(tmp_path / "results" / "default", num_controls=1)
    monkeypatch.chdir(tmp_path)
    found = doctest.testfile(str(PAGE), module_relative=False, optionflags=doctest.ELLIPSIS, encoding="utf-8")
    assert found.attempted > 30
    assert found.failed == 0
