"""Fixtures of the unit tests."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from hydra.core.global_hydra import GlobalHydra

import lode.config
from lode.config import CONFIG_DIR, chosen, fixed
from workflow.recorded import composed, composed_whole


@pytest.fixture
def config_tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A copy of the config tree that may be edited."""
    shutil.copytree(CONFIG_DIR, tmp_path / "config")
    monkeypatch.setattr(lode.config, "CONFIG_DIR", tmp_path / "config")

    def forget() -> None:
        GlobalHydra.instance().clear()
        for cached in (chosen, fixed, composed, composed_whole):
            cached.cache_clear()

    forget()
    yield tmp_path / "config"
    forget()
