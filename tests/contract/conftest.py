"""Fixtures of the library for notebooks; what is imported here would go unchecked, so nothing of it is."""

from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from PIL import Image

if TYPE_CHECKING:
    from lode.library.opening import Model


@pytest.fixture(scope="session")
def folder(tiny_manifest: Path) -> Path:
    """That of the tiny random model."""
    return tiny_manifest.with_suffix("")


@pytest.fixture(scope="session")
def model(folder: Path) -> "Model":
    """The tiny random model, open; a test that changes it must put it back."""
    import lode
    from tests.notebook import FACTS

    return lode.open(folder, "runtime.device=cpu", facts=FACTS)


@pytest.fixture(scope="session")
def picture() -> Image.Image:
    """That of the record of seed 1, which is what an image of the file becomes again."""
    from tests.tiny_model import record

    return Image.open(BytesIO(record("a", "what is this?", image=1)["media"][0]["bytes"]))
