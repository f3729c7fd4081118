"""Reading the hub: a hub on this machine, folders, everything that can be wrong with either, and how much is read."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from omegaconf import DictConfig

from lode.checks.steps import validate
from lode.dataset import Sample
from lode.dataset._splits import Draw
from lode.engine.errors import UserError
from lode.engine.tables import read_provenance, read_table, write_rows
from lode.hub import datasets as hub
from lode.hub.datasets import Source, drawn, encoded, media_type, records
from lode.stages import prepare_dataset
from lode.study import compose, restrict
from lode.table.dataset import DATASET
from tests.dataset_hub import DatasetHub, DatasetHubHandler
from tests.hub_fixtures import (
    TEXT,
    local_options,
    picture,
    write_coco_caption,
    write_librispeech,
    write_mmlu,
    write_msvd_qa,
    write_split,
    write_textvqa,
)
from tests.local_hub import COMMIT, serving

ROOT = Path(__file__).resolve().parents[3]
MADE_BY = {"code_digest": "unknown"}


# --- a hub on this machine --------------------------------------------------------------------------------------------

#: Runs `prepare_dataset.py` for every case of a JSON list in one process; prints exit code and text of each.
DRIVER = """
import json, runpy, sys
outcomes = {}
for name, arguments in json.load(sys.stdin).items():
    sys.argv = ["prepare_dataset", *arguments]
    try:
        runpy.run_path("scripts/prepare_dataset.py", run_name="__main__")
        outcomes[name] = ""
    except SystemExit as stop:
        outcomes[name] = str(stop.code)
print(json.dumps(outcomes))
"""


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DatasetHub]:
    folder = tmp_path_factory.mktemp("served")
    write_textvqa(folder / "textvqa")
    write_msvd_qa(folder / "msvd")
    write_mmlu(folder / "mmlu")
    (folder / "empty").mkdir()
    names = {"lmms-lab/textvqa": "textvqa", "morpheushoc/msvd-qa": "msvd", "a/empty": "empty", "a/gated": "textvqa"}
    names |= {"a/v": "msvd/videos", "cais/mmlu": "mmlu", "openai-community/gpt2": "mmlu/tokenizer"}
    repositories = {name: folder / path for name, path in names.items()}
    with serving(DatasetHub(repositories, gated={"a/gated"}), DatasetHubHandler) as running:
        yield running


def prepared(served: DatasetHub, home: Path, cases: dict[str, list[str]], **environment: str) -> dict[str, str]:
    """Run cases against the hub; empty where a case succeeds, else its message. Outputs are `<case>.parquet`."""
    own = {"HF_ENDPOINT": served.url, "HF_HOME": str(home), "HF_HUB_DISABLE_XET": "1", "HF_HUB_DISABLE_TELEMETRY": "1"}
    full = {name: [*arguments, f"io.dataset={home}/{name}.parquet"] for name, arguments in cases.items()}
    done = subprocess.run(
        [sys.executable, "-c", DRIVER], input=json.dumps(full), text=True, capture_output=True, check=False, cwd=ROOT,
        env={**os.environ, **own, **environment},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def textvqa(source: str = "lmms-lab/textvqa", revision: str = COMMIT) -> list[str]:
    return ["dataset=textvqa", f"dataset.options.source={source}", f"dataset.options.revision={revision}"]


MSVD = ["dataset=msvd_qa", "dataset.options.videos=a/v"]
MMLU = ["dataset=mmlu", *(f"dataset.options.{key}={COMMIT}" for key in ("revision", "tokenizer_revision"))]
TROUBLE = {
    "no_revision": (
        textvqa(revision="v9"),
        ("(revision v9, split validation): no such revision", "/datasets/lmms-lab/"),
    ),
    "no_repository": (textvqa("a/none"), ("'a/none'", "no such repository", "hf auth login", "dataset.options")),
    "gated": (textvqa("a/gated"), ("'a/gated'", "gated, and you have no access", "hf auth login", "HF_TOKEN")),
    "empty": (textvqa("a/empty"), ("'a/empty'", "not readable", "README.md")),
    "no_tokenizer": (
        [*MMLU, "dataset.options.tokenizer=a/none"],
        ("model 'a/none'", "no such repository", "dataset.options"),
    ),
    "no_zip": ([*MSVD, "dataset.options.source=a/empty"], ("'a/empty'", "no file 'MSVD-QA.zip'")),
}


def test_hub_datasets_over_http(served: DatasetHub, tmp_path: Path) -> None:
    """Branches and commits give the same table, which names the commit; no other split is touched."""
    good = {"commit": textvqa(), "branch": textvqa(revision="main"), "clips": MSVD, "counted": MMLU}
    told = prepared(served, tmp_path, good | {name: case for name, (case, _) in TROUBLE.items()})
    for name in good:
        assert told[name] == ""
        rows = read_table(tmp_path / f"{name}.parquet", DATASET).to_pylist()
        assert {json.loads(row["meta"])["revision"] for row in rows} == {COMMIT}
        assert {row["split"] for row in rows} == {"mine", "test"}
    tables = [read_table(tmp_path / f"{name}.parquet", DATASET) for name in ("commit", "branch")]
    assert tables[0].num_rows == 60
    assert tables[0].drop_columns("dataset").equals(tables[1].drop_columns("dataset"))
    for name, (_, says) in TROUBLE.items():
        assert told[name].startswith("error: ")
        for part in says:
            assert part in told[name], name
        assert not (tmp_path / f"{name}.parquet").exists()
    assert any("validation-00001" in request for request in served.requests)
    assert not [request for request in served.requests if "/train-" in request]


@pytest.mark.parametrize("variable", ["HF_HUB_OFFLINE", "HF_DATASETS_OFFLINE"])
def test_offline_reads_the_cache_or_says_how_to_fill_it(served: DatasetHub, tmp_path: Path, variable: str) -> None:
    from huggingface_hub import HfApi

    before = len(served.requests)
    says = ("not in the cache", "offline mode is set", "hf download lmms-lab/textvqa --repo-type dataset --revision")
    told = prepared(served, tmp_path, {"none": textvqa(), "clips": MSVD}, **{variable: "1"})
    assert all(part in told["none"] for part in says)
    assert "not in the cache" in told["clips"]
    assert len(served.requests) == before, "offline asks nothing"
    HfApi(endpoint=served.url).snapshot_download("lmms-lab/textvqa", repo_type="dataset", cache_dir=tmp_path / "hub")
    before = len(served.requests)
    told = prepared(served, tmp_path, {"kept": textvqa(), "other": textvqa(revision="v9")}, **{variable: "1"})
    assert told["kept"] == ""
    assert "not in the cache" in told["other"], "another revision is no stand-in"
    assert len(served.requests) == before
    assert read_table(tmp_path / "kept.parquet", DATASET).num_rows == 60


def test_a_hub_that_does_not_answer(served: DatasetHub, tmp_path: Path) -> None:
    told = prepared(served, tmp_path, {"none": textvqa(), "clips": MSVD}, HF_ENDPOINT="http://127.0.0.1:9")
    for text in told.values():
        assert "the hub is not reached" in text
        assert "hf download" in text
        assert text.count("error: ") == 1


# --- what is wrong with a folder --------------------------------------------------------------------------------------


def samples_of(folder: Path, name: str = "textvqa") -> list[Sample]:
    from importlib import import_module

    plugin = import_module(f"lode.dataset.{name}")
    return [s for split in ("mine", "test") for s in plugin.samples(split, 99, 1, **local_options(name, folder))]


def test_a_missing_field_is_named_with_those_that_are_there(tmp_path: Path) -> None:
    write_textvqa(tmp_path, image_id=None, answers=None)
    with pytest.raises(
        UserError, match=r"split validation\): no field 'image_id'; its fields are question_id, question,"
    ):
        samples_of(tmp_path)


def test_a_missing_value_a_path_and_a_missing_record_are_named(tmp_path: Path) -> None:
    write_textvqa(tmp_path / "null", question=["what?"] * 59 + [None])
    with pytest.raises(UserError, match="record 59 has no 'question'"):
        samples_of(tmp_path / "null")
    write_textvqa(tmp_path / "path", image=[{"bytes": None, "path": "a.jpg"}] * 60)
    with pytest.raises(UserError, match=r"sample textvqa-\d+: its image is a path, 'a\.jpg', without bytes"):
        samples_of(tmp_path / "path")
    write_textvqa(tmp_path / "half")
    (tmp_path / "half/data/validation-00001-of-00002.parquet").unlink()
    with pytest.raises(UserError, match="30 of 60 records; the copy is not whole, fetch it again"):
        samples_of(tmp_path / "half")


def test_a_damaged_shard_is_named(tmp_path: Path) -> None:
    write_textvqa(tmp_path)
    path = tmp_path / "data/validation-00001-of-00002.parquet"
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(UserError, match=r"split validation\): not readable: .*[Pp]arquet"):
        samples_of(tmp_path)


def test_a_missing_split_config_or_folder_is_named(tmp_path: Path) -> None:
    write_coco_caption(tmp_path / "coco")
    with pytest.raises(UserError, match=r"split validation\): not readable: .*Available splits: \['val'\]"):
        samples_of(tmp_path / "coco")
    write_librispeech(tmp_path / "speech")
    card = tmp_path / "speech/README.md"
    card.write_text(card.read_text().replace("config_name: clean", "config_name: tidy"))
    with pytest.raises(UserError, match=r"config clean, split test\): not readable: .*'clean' not found.*'tidy'"):
        samples_of(tmp_path / "speech", "librispeech")
    with pytest.raises(UserError, match=r"nowhere is not a folder, and a hub id has the form owner/name"):
        samples_of(tmp_path / "nowhere")


@pytest.mark.parametrize("key", ["source", "videos"])
def test_a_missing_folder_stops_the_plan(key: str) -> None:
    with pytest.raises(UserError, match=rf"dataset\.options\.{key} of msvd_qa: '/no/such' is not a folder"):
        validate(compose(["dataset=msvd_qa", f"dataset.options.{key}=/no/such"]), "prepare_dataset")


# --- how much is read -------------------------------------------------------------------------------------------------


def test_the_draw_reads_keys_first_and_stops_after_the_last_record(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_textvqa(tmp_path)
    passes: list[tuple[list[str], int]] = []

    def counted(
        source: Source, columns: list[str], parquet: bool = True, nullable: Sequence[str] = ()
    ) -> Iterator[Any]:
        passes.append((list(columns), 0))
        for record in records(source, columns, parquet, nullable):
            assert set(record) == set(columns), "no other column is fetched"
            passes[-1] = (passes[-1][0], passes[-1][1] + 1)
            yield record

    monkeypatch.setattr(hub, "records", counted)

    def identity(number: int, record: Any) -> tuple[str, str]:
        return f"{record['question_id']}", record["image_id"]

    origin = Source(str(tmp_path), None, "validation")
    found = list(drawn(origin, ["question_id", "image_id"], ["question_id", "image"], identity, Draw("mine", 3, 5)))
    last = int(found[-1][0]) - 34_602
    assert passes[0] == (["question_id", "image_id"], 60)
    assert passes[1][0] == ["question_id", "image"]
    assert last < passes[1][1] <= last + 2 < 60


def test_a_missing_value_is_refused_but_where_it_may_be(tmp_path: Path) -> None:
    write_split(tmp_path, "test", {"key": ["a", "b"], "option": ["x", None]}, {"key": TEXT, "option": TEXT})
    origin = Source(str(tmp_path), None, "test")
    assert [record["option"] for record in records(origin, ("key", "option"), nullable=("option",))] == ["x", None]
    for nullable in ((), ("key",)):
        with pytest.raises(UserError, match="record 1 has no 'option'; choose a split with every field filled in"):
            list(records(origin, ("key", "option"), nullable=nullable))


def test_columns_that_are_not_asked_for_are_not_fetched_from_parquet(tmp_path: Path) -> None:
    """A column whose pages are damaged does no harm to another one."""
    write_split(tmp_path, "test", {"key": ["a", "b"], "large": ["x" * 999, "y" * 999]}, {"key": TEXT, "large": TEXT})
    path = next(tmp_path.glob("data/*.parquet"))
    place = pq.ParquetFile(path).metadata.row_group(0).column(1)
    content = bytearray(path.read_bytes())
    start = place.dictionary_page_offset or place.data_page_offset
    content[start : start + 40] = bytes(40)
    path.write_bytes(content)
    assert [record["key"] for record in records(Source(str(tmp_path), None, "test"), ["key"])] == ["a", "b"]
    with pytest.raises(UserError, match="not readable"):
        list(records(Source(str(tmp_path), None, "test"), ["key", "large"]))


def config(folder: Path, *overrides: str) -> DictConfig:
    own = ("dataset=textvqa", f"dataset.options.source={folder}", f"io.dataset={folder}/out/table.parquet", *overrides)
    return restrict(compose(own), "prepare_dataset", ("io", "runtime"))


def test_prepare_writes_while_it_draws(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """When the 300th sample is asked for, 288 are on disk; never more than a row group is held."""
    cfg = config(tmp_path, "dataset.num_samples={mine: 300, test: 500}")
    sizes = []

    def samples(split: str, num_samples: int, seed: int, **_: Any) -> Iterator[Sample]:
        for i in range(num_samples):
            (partial,) = (tmp_path / "out").glob(".table.parquet.*.partial")
            sizes.append(partial.stat().st_size)
            image = encoded("image", picture(i + (1000 if split == "test" else 0), "PNG"), "a")
            yield Sample(f"{split}{i}", f"{split}{i}", split, "what?", ("x",), (image,))

    monkeypatch.setattr("lode.dataset.textvqa.samples", samples)
    prepare_dataset.run(cfg, MADE_BY)
    assert sizes[0] == sizes[15] < sizes[17] == sizes[31] < sizes[33] < sizes[299]
    file = pq.ParquetFile(tmp_path / "out/table.parquet")
    assert {file.metadata.row_group(i).num_rows for i in range(file.num_row_groups)} == {16}
    assert file.metadata.num_rows == 800
    options = {"source": str(tmp_path), "revision": cfg.dataset.options.revision}  # the stand-in has no defaults
    data = {"options": options, "held_out": "clusters"}
    assert read_provenance(tmp_path / "out/table.parquet") == {"table": "dataset", "data": data, **MADE_BY}


@pytest.mark.parametrize("after", [0, 10, 120])
def test_a_draw_that_fails_leaves_nothing_new(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, after: int) -> None:
    def samples(split: str, num_samples: int, seed: int, **_: Any) -> Iterator[Sample]:
        for i in range(after):
            yield Sample(f"{split}{i}", "c", split, "what?", ("x",), (encoded("image", picture(i), "a"),))
        raise UserError("the hub is gone")

    monkeypatch.setattr("lode.dataset.textvqa.samples", samples)
    (tmp_path / "out").mkdir()
    (tmp_path / "out/table.parquet").write_bytes(b"before")
    with pytest.raises(UserError, match="the hub is gone"):
        prepare_dataset.run(config(tmp_path), MADE_BY)
    assert [p.name for p in (tmp_path / "out").iterdir()] == ["table.parquet"]
    assert (tmp_path / "out/table.parquet").read_bytes() == b"before"


def test_rows_are_checked_as_tables_are(tmp_path: Path) -> None:
    row = prepare_dataset.row(Sample("a", "a", "mine", "p", ("x",)))
    write = partial(write_rows, tmp_path / "t.parquet", DATASET)
    with pytest.raises(ValueError, match="'prompt' holds nulls"):
        write([row] * 60 + [{**row, "prompt": None}], MADE_BY)
    with pytest.raises((ValueError, TypeError)):
        write([{**row, "answer_index": "x"}], MADE_BY)
    assert list(tmp_path.iterdir()) == []
    write([row] * 3, MADE_BY, group_size=2)
    assert read_table(tmp_path / "t.parquet", DATASET).num_rows == 3
    write([], MADE_BY)
    assert read_table(tmp_path / "t.parquet", DATASET).num_rows == 0


@pytest.mark.parametrize(
    ("start", "expected"),
    [
        (b"\xff\xd8\xff\xe0", "image/jpeg"),
        (b"RIFF\x00\x00\x00\x00WEBPVP8", "image/webp"),
        (b"RIFF\x00\x00\x00\x00WAVEfmt ", "audio/wav"),
        (b"RIFF\x00\x00\x00\x00AVI LIST", "video/x-msvideo"),
        (b"\x00\x00\x00\x18ftypmp42", "video/mp4"),
        (b"fLaC\x00", "audio/flac"),
        (b"", "application/octet-stream"),
        (b"hello", "application/octet-stream"),
    ],
)
def test_media_types(start: bytes, expected: str) -> None:
    assert media_type(start) == expected
