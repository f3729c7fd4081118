"""What is loaded is known by content: no time stamp decides."""

import json
import os
from hashlib import sha256
from pathlib import Path

import pytest

from lode.engine import sources as module
from lode.engine.recorded import recorded, sources
from lode.engine.sources import content_digest, tree_digest
from lode.study import STUDY, compose


def swap(path: Path, content: bytes) -> None:
    """Put another file in the place of one, with its time stamp, as `cp -p` of a file just as old does."""
    status = path.stat()
    path.write_bytes(content)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


@pytest.fixture
def known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A place for digests; every file is large and none is young."""
    (tmp_path / "records").mkdir()
    monkeypatch.setattr(module, "KNOWN", tmp_path / "records" / "digests")
    monkeypatch.setattr(module, "LARGE", 1)
    monkeypatch.setattr(module, "YOUNG", -(10**12))
    return tmp_path / "records" / "digests"


def test_a_large_file_is_read_once(known: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "weights"
    file.write_bytes(b"one")
    assert content_digest(file) == sha256(b"one").hexdigest()
    assert len(list(known.iterdir())) == 1
    monkeypatch.setattr(module, "file_sha256", lambda path: pytest.fail("read again"))
    assert content_digest(file) == sha256(b"one").hexdigest()


def test_another_content_of_one_size_and_time_is_seen(known: Path, tmp_path: Path) -> None:
    file = tmp_path / "weights"
    file.write_bytes(b"one")
    content_digest(file)
    before = file.stat()
    while file.stat().st_ctime_ns == before.st_ctime_ns:
        swap(file, b"two")
    after = file.stat()
    assert (after.st_size, after.st_mtime_ns, after.st_ino) == (before.st_size, before.st_mtime_ns, before.st_ino)
    assert content_digest(file) == sha256(b"two").hexdigest()


def test_a_young_or_a_small_file_is_read_again(known: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "weights"
    file.write_bytes(b"one")
    monkeypatch.setattr(module, "YOUNG", 10**12)
    content_digest(file)
    monkeypatch.setattr(module, "YOUNG", -(10**12))
    monkeypatch.setattr(module, "LARGE", 4)
    content_digest(file)
    assert not known.exists()


def test_a_folder_is_the_names_and_contents_of_its_files(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "one.wav").write_bytes(b"1")
    (tmp_path / ".cache").mkdir()
    (tmp_path / ".cache" / "when").write_bytes(b"yesterday")
    expected = sha256(f"{sha256(b'1').hexdigest()} a/one.wav\n".encode()).hexdigest()
    assert tree_digest(tmp_path) == expected
    (tmp_path / ".cache" / "when").write_bytes(b"today")
    os.utime(tmp_path / "a" / "one.wav", (1, 1))
    assert tree_digest(tmp_path) == expected
    swap(tmp_path / "a" / "one.wav", b"2")
    assert tree_digest(tmp_path) != expected


def test_sources_of_the_steps(tmp_path: Path) -> None:
    (tmp_path / "t.parquet").write_bytes(b"t")
    local = compose(["dataset=toy_mmlu", "dataset.plugin=local_table", f"+dataset.options.path={tmp_path}/t.parquet"])
    assert sources(STUDY, local, "prepare_dataset") == {"path": sha256(b"t").hexdigest()}
    assert set(sources(STUDY, local, "download_model")) >= {"config.json", "model.safetensors"}
    assert sources(STUDY, local, "capture_activations") == {}
    assert json.loads(recorded(STUDY, local, "prepare_dataset"))["sources"] == sources(STUDY, local, "prepare_dataset")
    assert "sources" not in json.loads(recorded(STUDY, local, "capture_activations"))
    generated = compose(["dataset=toy_speech"])
    assert sources(STUDY, generated, "prepare_dataset") == {}
    assert sources(STUDY, compose(["model=qwen2_vl_2b"]), "download_model") == {}


def test_a_folder_that_a_dataset_is_read_from_is_a_source(tmp_path: Path) -> None:
    """Each file in it counts, also below."""
    file = tmp_path / "speaker_1" / "one.wav"
    file.parent.mkdir()
    file.write_bytes(b"1")
    cfg = compose(["dataset=toy_mmlu", "dataset.plugin=local_table", f"+dataset.options.path={tmp_path}"])
    before = sources(STUDY, cfg, "prepare_dataset")
    assert set(before) == {"path"}
    swap(file, b"2")
    assert sources(STUDY, cfg, "prepare_dataset")["path"] != before["path"]
    swap(file, b"1")
    assert sources(STUDY, cfg, "prepare_dataset") == before


def test_a_planted_model_is_no_source() -> None:
    planted = ["experiment=scoreboard", "model.name=hidden_1", "model.source=results/no/such/model"]
    assert sources(STUDY, compose(planted), "download_model") == {}
