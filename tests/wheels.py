"""Wheels made up in a test, in a folder that pip is told to look into, and a cache of their own."""

import base64
import hashlib
from collections.abc import Mapping
from pathlib import Path
from zipfile import ZipFile

import pytest

from lode.hub import wheels
from lode.hub.wheels import Wheel
from lode.model import parts


def write_wheel(
    folder: Path, files: Mapping[str, bytes], name: str = "made-up", version: str = "1.2.3", needs: str = ""
) -> Wheel:
    """A wheel of these files, as pip takes it.

    Args:
        folder: where it goes.
        files: content by path within the wheel.
        name: of the package.
        version: of the package.
        needs: a package that it depends on.
    """
    stem = f"{name.replace('-', '_')}-{version}"
    metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
    metadata += f"Requires-Dist: {needs}\n" if needs else ""
    held = {
        **files,
        f"{stem}.dist-info/METADATA": metadata.encode(),
        f"{stem}.dist-info/WHEEL": b"Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    lines = [f"{path},sha256={digest_of(content)},{len(content)}" for path, content in held.items()]
    record = f"{stem}.dist-info/RECORD"
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{stem}-py3-none-any.whl"
    with ZipFile(path, "w") as file:
        for inner, content in {**held, record: "\n".join([*lines, f"{record},,"]).encode()}.items():
            file.writestr(inner, content)
    return Wheel(name, version, hashlib.sha256(path.read_bytes()).hexdigest())


def digest_of(content: bytes) -> str:
    """A digest as RECORD has it."""
    return base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()


def look_into(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """pip knows this folder and no index, and nothing of its settings on this machine."""
    folder.mkdir(parents=True, exist_ok=True)
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.delenv("PIP_EXTRA_INDEX_URL", raising=False)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))


def keep_in(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """Wheels and assembled models go to this folder."""
    monkeypatch.setattr(wheels, "HF_HOME", str(folder))
    monkeypatch.setattr(parts, "HF_HOME", str(folder))
