"""Hub models from a hub on this machine: what arrives, what is kept of a broken download, and every refusal."""

import hashlib
import json
import os
import shutil
import struct
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from huggingface_hub.constants import DOWNLOAD_CHUNK_SIZE

from lode.engine.errors import UserError
from lode.engine.paths import ROOT
from lode.stages import download_model
from tests.local_hub import COMMIT, serving
from tests.model_hub import ModelHub, ModelHubHandler, Repository


def weights(num_bytes: int) -> bytes:
    """A safetensors file of one tensor."""
    header = json.dumps({"a": {"dtype": "U8", "shape": [num_bytes], "data_offsets": [0, num_bytes]}}).encode()
    return struct.pack("<Q", len(header)) + header + bytes(num_bytes)


NAME = "owner/tiny"
WEIGHTS = weights(3000)
FILES = {
    "config.json": b"{}",
    "preprocessor_config.json": b'{"size": 1}',
    "chat_template.jinja": b"{{ messages }}",
    "tokenizer.json": b'{"tokens": 1}',
    "model.safetensors": WEIGHTS,
    "README.md": b"not needed",
    "pytorch_model.bin": b"pickle",
    "original/model.safetensors": WEIGHTS,
}
FETCHED = ["chat_template.jinja", "config.json", "model.safetensors", "preprocessor_config.json", "tokenizer.json"]

#: Fetches in a process of its own, since huggingface_hub reads its environment on import.
DRIVER = """
import json, sys
from lode.engine.errors import UserError
from lode.stages import download_model
download_model.free_space = lambda folder: {free}
try:
    print(json.dumps(str(download_model.fetch({source!r}, {revision!r}))))
except UserError as error:
    sys.exit("error: " + str(error))
"""

Fetch = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def hub() -> Iterator[ModelHub]:
    with serving(ModelHub({NAME: Repository(dict(FILES))}), ModelHubHandler) as running:
        yield running


@pytest.fixture
def environment(hub: ModelHub, tmp_path: Path) -> dict[str, str]:
    """Only this hub, and a cache of its own."""
    ours = {name: value for name, value in os.environ.items() if not name.startswith(("HF_", "HUGGING"))}
    return {**ours, "HF_ENDPOINT": hub.url, "HF_HOME": str(tmp_path / "cache"), "HF_HUB_DISABLE_XET": "1"}


@pytest.fixture
def fetch(environment: dict[str, str]) -> Fetch:
    """Run `fetch`; the environment can be changed by keywords."""

    def run(
        source: str = NAME, revision: str | None = "main", free: int = 10**12, **changes: str
    ) -> "subprocess.CompletedProcess[str]":
        program = DRIVER.format(source=source, revision=revision, free=free)
        return subprocess.run(
            [sys.executable, "-W", "error", "-c", program],
            cwd=ROOT, env=environment | changes, text=True, capture_output=True, check=False,
        )  # fmt: skip

    return run


def folder_of(done: "subprocess.CompletedProcess[str]") -> Path:
    assert done.returncode == 0, done.stderr
    return Path(json.loads(done.stdout))


def refused(done: "subprocess.CompletedProcess[str]", *says: str) -> None:
    """One clear message and no traceback."""
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert done.stderr.count("error: ") == 1
    message = done.stderr[done.stderr.index("error: ") :]
    for part in says:
        assert part in message


def test_only_what_is_needed_arrives(fetch: Fetch, hub: ModelHub) -> None:
    folder = folder_of(fetch())
    assert sorted(p.name for p in folder.iterdir()) == FETCHED
    assert all((folder / name).read_bytes() == FILES[name] for name in FETCHED)
    assert folder.name == COMMIT
    assert dict(hub.sent) == {name: len(FILES[name]) for name in FETCHED}


@pytest.mark.parametrize("revision", ["main", COMMIT, None])
def test_a_second_run_fetches_nothing(fetch: Fetch, hub: ModelHub, revision: str | None) -> None:
    first = folder_of(fetch(revision=revision))
    hub.sent.clear()
    assert folder_of(fetch(revision=revision)) == first
    assert not hub.sent


def test_a_lost_connection_goes_on_where_it_stopped(fetch: Fetch, hub: ModelHub) -> None:
    """No byte of the file is sent twice; what was written before the break is kept."""
    content = weights(2 * DOWNLOAD_CHUNK_SIZE)
    hub.repositories[NAME].files["model.safetensors"] = content
    hub.cut["model.safetensors"] = DOWNLOAD_CHUNK_SIZE  # what is less than a chunk is not written
    folder = folder_of(fetch())
    assert (folder / "model.safetensors").read_bytes() == content
    assert hub.ranges["model.safetensors"] == [None, f"bytes={DOWNLOAD_CHUNK_SIZE}-"]
    assert hub.sent["model.safetensors"] == len(content)


def test_a_later_run_fetches_only_the_files_that_lack(fetch: Fetch, hub: ModelHub) -> None:
    gone = hub.repositories[NAME].files.pop("model.safetensors")
    where = {"a": "model-1.safetensors", "b": "model-2.safetensors"}
    hub.repositories[NAME].files["model.safetensors.index.json"] = json.dumps({"weight_map": where}).encode()
    hub.repositories[NAME].files["model-1.safetensors"] = gone
    hub.repositories[NAME].files["model-2.safetensors"] = gone[:-8] + b"otherend"
    folder = folder_of(fetch())
    second = folder / "model-2.safetensors"
    second.resolve().unlink()  # as if the run had been killed before this file
    second.unlink()
    hub.sent.clear()
    assert folder_of(fetch()) == folder
    assert dict(hub.sent) == {"model-2.safetensors": len(gone)}


def test_the_manifest_says_what_arrived(environment: dict[str, str], tmp_path: Path) -> None:
    """The whole script, as the workflow runs it: size and SHA-256 of every file."""
    output = tmp_path / "out" / "manifest.json"
    script = [sys.executable, "scripts/download_model.py", f"model.source={NAME}", "model.revision=main"]
    command = [*script, f"io.manifest={output}"]
    done = subprocess.run(command, cwd=ROOT, env=environment, text=True, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    manifest: dict[str, Any] = json.loads(output.read_text())
    made_by = manifest.pop("made_by")
    assert manifest.pop("seal")
    facts = {"name": "tiny_qwen2_vl", "source": NAME, "revision": "main", "parts": None}
    tokens = {"image": "<|image_pad|>", "video": "<|video_pad|>"}
    assert made_by["config"] == {"model": {**facts, "media_tokens": tokens}}
    folder = tmp_path / "cache" / "hub" / "models--owner--tiny" / "snapshots" / COMMIT
    files = [
        {"name": name, "size": len(FILES[name]), "sha256": hashlib.sha256(FILES[name]).hexdigest()} for name in FETCHED
    ]
    assert manifest == {
        "name": "tiny_qwen2_vl",
        "source": NAME,
        "requested_revision": "main",
        "revision": COMMIT,
        "folder": str(folder),
        "files": files,
        "trained_on": None,
    }


@pytest.mark.parametrize("how", ["HF_HUB_OFFLINE", "no network", "hub is down"])
@pytest.mark.parametrize("revision", ["main", COMMIT])
def test_without_network_the_cached_copy_is_used(fetch: Fetch, hub: ModelHub, how: str, revision: str) -> None:
    online = folder_of(fetch(revision="main"))
    hub.down = how == "hub is down"
    changes = {"HF_HUB_OFFLINE": {"HF_HUB_OFFLINE": "1"}, "no network": {"HF_ENDPOINT": "http://127.0.0.1:9"}}
    assert folder_of(fetch(revision=revision, **changes.get(how, {}))) == online


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"HF_HUB_OFFLINE": "1"}, "HF_HUB_OFFLINE is set"),
        ({"HF_ENDPOINT": "http://127.0.0.1:9"}, "http://127.0.0.1:9 cannot be reached"),
    ],
    ids=["HF_HUB_OFFLINE", "no network"],
)
@pytest.mark.parametrize("partial", [False, True])
def test_without_network_and_cache(fetch: Fetch, changes: dict[str, str], says: str, partial: bool) -> None:
    """Nothing, or a snapshot that lacks a file."""
    if partial:
        (folder_of(fetch()) / "tokenizer.json").unlink()
    refused(
        fetch(**changes),
        f"model '{NAME}' at revision 'main'", "not wholly, in the cache", says, "download_model.py", "HF_HOME",
    )  # fmt: skip


def test_a_hub_that_is_down(fetch: Fetch, hub: ModelHub) -> None:
    hub.down = True
    refused(fetch(), f"model '{NAME}' at revision 'main'", f"{hub.url} cannot be reached", "503")


def test_a_gated_model(fetch: Fetch, hub: ModelHub) -> None:
    hub.repositories[NAME].gated = True
    refused(fetch(), f"model '{NAME}' at revision 'main' is gated", f"{hub.url}/{NAME}", "hf auth login", "HF_TOKEN")


@pytest.mark.parametrize(
    ("source", "revision", "says"),
    [
        ("owner/tinny", "main", ("model 'owner/tinny'", "no such repository", "owner/name", "model.source")),
        ("owner/ti ny", "main", ("model 'owner/ti ny'", "no such repository", "owner/name", "model.source")),
        (NAME, "v2", (f"model '{NAME}' at revision 'v2'", "no such revision", "branch, tag or commit")),
    ],
)
def test_a_name_that_is_not_there(fetch: Fetch, source: str, revision: str, says: tuple[str, ...]) -> None:
    refused(fetch(source, revision), *says)


def test_no_safetensors(fetch: Fetch, hub: ModelHub) -> None:
    """Found out before anything is fetched; weights in a folder of the repository do not count."""
    del hub.repositories[NAME].files["model.safetensors"]
    held = "README.md, chat_template.jinja, config.json, original/model.safetensors, preprocessor_config.json"
    refused(fetch(), f"model '{NAME}'", "no weights (*.safetensors)", held, "never loaded")
    assert not hub.sent


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("tokenizer.json", "no tokenizer"),
        ("preprocessor_config.json", "no processor"),
        ("config.json", "no config.json"),
    ],
)
def test_a_repository_that_lacks_a_part(fetch: Fetch, hub: ModelHub, name: str, says: str) -> None:
    """Found out before anything is fetched."""
    del hub.repositories[NAME].files[name]
    refused(fetch(), f"model '{NAME}' at revision 'main'", says)
    assert not hub.sent


def test_weights_that_are_not_whole(fetch: Fetch, hub: ModelHub) -> None:
    hub.repositories[NAME].files["model.safetensors"] = WEIGHTS[:-1]
    refused(fetch(), "model.safetensors", f"{len(WEIGHTS) - 1} bytes, and its header promises {len(WEIGHTS)}")


def test_a_small_disk_is_found_out_before(fetch: Fetch, hub: ModelHub) -> None:
    """What the three files need and what is free, to the byte."""
    needed = sum(len(FILES[name]) for name in FETCHED)
    done = fetch(free=needed - 1)
    refused(done, f"model '{NAME}'", "not enough space in the cache", "0.000 GB are still to be fetched", "HF_HOME")
    assert not hub.sent
    folder_of(fetch(free=needed))


def test_both_sizes_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A model of 16 GB for a disk with 3."""

    class Api:
        def model_info(self, *_: Any, **__: Any) -> SimpleNamespace:
            sizes = {"config.json": 10**9, "model.safetensors": 15 * 10**9, "model.bin": 15 * 10**9}
            sizes |= {"tokenizer.json": 0, "processor_config.json": 0}
            return SimpleNamespace(
                sha=COMMIT, siblings=[SimpleNamespace(rfilename=n, size=s) for n, s in sizes.items()]
            )

    monkeypatch.setattr("huggingface_hub.HfApi", Api)
    monkeypatch.setattr(download_model, "free_space", lambda folder: 3 * 10**9)
    with pytest.raises(UserError, match=r"16\.000 GB are still to be fetched, and 3\.000 GB are free.*HF_HOME"):
        download_model.check_offer(NAME, "main", tmp_path)


def test_free_space_of_a_folder_to_be_made(tmp_path: Path) -> None:
    assert 0 < download_model.free_space(tmp_path / "a" / "b") <= shutil.disk_usage(tmp_path).total


def test_what_is_cached_needs_no_space(fetch: Fetch) -> None:
    folder = folder_of(fetch())
    assert folder_of(fetch(free=0)) == folder


def test_a_disk_that_fills_up(environment: dict[str, str]) -> None:
    """The system's own error in the middle of a file."""
    program = DRIVER.format(source=NAME, revision="main", free=123_000_000).replace(
        "try:",
        "import errno, huggingface_hub.file_download as files\n"
        "def fail(*args, **options): raise OSError(errno.ENOSPC, 'No space left on device')\n"
        "files.http_get = fail\ntry:",
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, env=environment, text=True, capture_output=True, check=False
    )
    refused(done, "not enough space in the cache", "the disk is full, 0.123 GB are free", "HF_HOME")
