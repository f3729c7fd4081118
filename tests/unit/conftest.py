"""Fixtures of the unit tests."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

import lode.study


@pytest.fixture
def config_tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the config tree that may be edited; what is composed of one study is not that of another."""
    shutil.copytree(lode.study.STUDY.config_dir, tmp_path / "config")
    monkeypatch.setattr(lode.study, "STUDY", replace(lode.study.STUDY, config_dir=tmp_path / "config"))
    return tmp_path / "config"
