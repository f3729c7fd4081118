"""The real benchmarks, read from small copies of their hub repositories (`tests/hub_fixtures.py`)."""

import json
import re
import socket
from importlib import import_module
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import pytest

from lode.dataset import Sample
from lode.dataset._splits import Draw, drawn_ids, half_of
from lode.dataset.mmlu import few_shot
from lode.engine.errors import UserError
from lode.stages.prepare_dataset import check_samples
from lode.study import STUDY, compose
from tests import hub_fixtures
from tests.domain_fixtures import DOMAIN_WRITERS
from tests.hub_fixtures import LISTED, SUBJECTS, WRITERS, clip, coco_name, local_options, picture, sound

NAMES = sorted(WRITERS | DOMAIN_WRITERS)
#: Records of each copy that belong to its benchmark.
NUM_RECORDS = {"textvqa": 60, "coco_caption": 29, "mmlu": 60, "msvd_qa": 40, "librispeech": 48, "vocalsound": 48}
NUM_RECORDS |= {"errorradar_step": 48, "errorradar_cate": 48}
#: Of MMNeuron's five, one question of each image, but for LingoQA.
NUM_RECORDS |= {"vqav2": 40, "docvqa": 45, "pmc_vqa": 45, "lingoqa": 60, "rsvqa_hr": 50}
each_dataset = pytest.mark.parametrize("name", NAMES)


@pytest.fixture(scope="module")
def copies(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a copy of every repository."""
    folder = tmp_path_factory.mktemp("copies")
    for name, write in (WRITERS | DOMAIN_WRITERS).items():
        write(folder / name)
    return folder


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        pytest.fail("a copy in a folder needs no network")

    monkeypatch.setattr(socket.socket, "connect", refuse)


def draw(
    folder: Path, name: str, split: str, num_samples: int = 1000, seed: int = 2024, **options: Any
) -> list[Sample]:
    """Samples of the copy in a folder, with the other options of the YAML."""
    own = {**compose([f"dataset={name}"]).dataset.options, **local_options(name, folder), **options}
    return list(import_module(f"lode.dataset.{name}").samples(split, num_samples, seed, **own))


def everything(folder: Path, name: str, **options: Any) -> dict[str, Sample]:
    """All samples of both splits by id."""
    samples = [sample for split in ("mine", "test") for sample in draw(folder, name, split, **options)]
    return {sample.sample_id: sample for sample in samples}


# --- all of them ------------------------------------------------------------------------------------------------------


def test_every_hub_dataset_has_a_copy_and_every_yaml_a_licence() -> None:
    for path in (STUDY.config_dir / "dataset").glob("*.yaml"):
        cfg = compose([f"dataset={path.stem}"]).dataset
        assert cfg.citation, path.stem
        assert cfg.licence, path.stem
        assert ("source" in cfg.options) == (path.stem in NAMES)
        if cfg.options.get("source"):
            assert cfg.options.revision == "main" or re.fullmatch("[0-9a-f]{40}", cfg.options.revision)


@each_dataset
def test_samples_are_good(copies: Path, name: str) -> None:
    cfg = compose([f"dataset={name}"]).dataset
    for split in ("mine", "test"):
        samples = draw(copies / name, name, split, 5)
        assert [sample.split for sample in samples] == [split] * 5
        check_samples(samples, cfg.modalities)
        for sample in samples:
            assert sample.prompt == sample.prompt.strip()
            assert all(answer.strip() for answer in sample.answers)
            assert sample.meta["revision"] == "local"


@each_dataset
def test_a_draw_depends_on_the_seed_and_a_larger_one_holds_it(copies: Path, name: str) -> None:
    few, again, more = (draw(copies / name, name, "mine", count) for count in (6, 6, 9))
    assert few == again
    assert len(few) == 6
    assert len(more) == 9
    assert [sample for sample in more if sample in few] == few
    assert {s.sample_id for s in draw(copies / name, name, "mine", 6, seed=1)} != {s.sample_id for s in few}


@each_dataset
def test_both_splits_together_are_the_whole_and_share_no_content(copies: Path, name: str) -> None:
    mine, report = (draw(copies / name, name, split) for split in ("mine", "test"))
    assert len(mine) + len(report) == NUM_RECORDS[name] == len({s.sample_id for s in mine + report})
    parts = [{s.prompt if name == "mmlu" else s.cluster_id for s in part} for part in (mine, report)]
    assert not parts[0] & parts[1]
    if name == "mmlu":
        assert {s.cluster_id for s in mine} == {s.cluster_id for s in report} == set(SUBJECTS)
    media = [{medium.bytes for s in part for medium in s.media} for part in (mine, report)]
    assert not media[0] & media[1]


@each_dataset
def test_the_share_of_mine_can_be_chosen(copies: Path, name: str) -> None:
    most = draw(copies / name, name, "test", mine_frac=0.01)
    assert len(most) > 0.8 * NUM_RECORDS[name]
    with pytest.raises(UserError, match=r"mine_frac = 1.0: expected a share in \(0, 1\)"):
        draw(copies / name, name, "test", mine_frac=1.0)


def test_half_of_is_fair_and_a_draw_is_uniform_whatever_the_order() -> None:
    """1000 contents: 500 of them in `mine`, standard deviation 16; of 900 sorted in 3 groups, 100 each, deviation 8."""
    assert abs(sum(half_of(f"{i}", 7) == "mine" for i in range(1000)) - 500) < 64
    assert abs(sum(half_of(f"{i}", 7, 0.2) == "mine" for i in range(1000)) - 200) < 50
    identities = [(f"{group}{i}", f"{i}") for group in "abc" for i in range(600)]
    taken = drawn_ids(identities, Draw("mine", 300, 3))
    assert taken == drawn_ids(identities[::-1], Draw("mine", 300, 3))
    assert all(abs(sum(name[0] == group for name in taken) - 100) < 33 for group in "abc")


# --- one by one -------------------------------------------------------------------------------------------------------


def test_textvqa(copies: Path) -> None:
    sample = everything(copies / "textvqa", "textvqa")["textvqa-34609"]
    assert sample.prompt == "what is written on sign 7?"
    assert sample.cluster_id == "0000000000000002"
    assert sample.answers == ("stop",) * 7 + ("stop sign", "halt", "answer 7")
    assert [(m.kind, m.bytes, m.mime) for m in sample.media] == [("image", picture(2)["bytes"], "image/jpeg")]


def test_coco_caption(copies: Path) -> None:
    samples = everything(copies / "coco_caption", "coco_caption")
    assert {sample.cluster_id for sample in samples.values()} == {*LISTED} - {coco_name(391_895)}
    sample = samples[f"coco_caption-{coco_name(105)}"]
    assert sample.prompt == (
        "Describe this image with one short caption in the style of COCO. Examples of such captions: "
        "1. A man with a red helmet on a small moped on a dirt road. "
        "2. Man riding a motor bike on a dirt road on the countryside. "
        "3. A man riding on the back of a motorcycle. "
        "4. A man in a red shirt and a red hat is on a motorcycle on a hill side. "
        "Caption of this image:"
    )
    assert sample.answers == tuple(f"A man with object 105 in place {k}." for k in range(5))
    assert sample.media[0].bytes == picture(105)["bytes"]


def test_coco_caption_takes_karpathys_list_from_a_text_file(copies: Path, tmp_path: Path) -> None:
    names = tmp_path / "karpathy_test_images.txt"
    names.write_text(f"{coco_name(103)} 103\n\n{coco_name(110)} 110\nCOCO_val2014_000000999999.jpg 999999\n")
    samples = everything(copies / "coco_caption", "coco_caption", karpathy=str(names), prompt="Caption?")
    assert {(s.cluster_id, s.prompt) for s in samples.values()} == {(coco_name(n), "Caption?") for n in (103, 110)}
    with pytest.raises(UserError, match=r"karpathy: .*none\.txt is not a file; expected one image file name a line"):
        everything(copies / "coco_caption", "coco_caption", karpathy=str(tmp_path / "none.txt"))
    hub_fixtures.write_split(tmp_path, "test", {"question_id": ["a"]}, {"question_id": hub_fixtures.TEXT})
    with pytest.raises(UserError, match=r"split test\): no field 'filename'; its fields are question_id"):
        everything(copies / "coco_caption", "coco_caption", karpathy=str(tmp_path))


MMLU_PROMPT = """\
The following are multiple choice questions (with answers) about abstract algebra.

abstract_algebra question 0?
A. w0
B. x0
C. y0
D. z0
Answer: A

abstract_algebra question 1?
A. w1
B. x1
C. y1
D. z1
Answer: B

abstract_algebra question 6?
A. w6
B. x6
C. y6
D. z6
Answer:"""


def test_mmlu(copies: Path) -> None:
    sample = everything(copies / "mmlu", "mmlu", num_shots=2)["mmlu-00006"]
    assert sample.prompt == MMLU_PROMPT
    assert (sample.answers, sample.choices, sample.answer_index) == (("C",), ("w6", "x6", "y6", "z6"), 2)
    assert sample.cluster_id == "abstract_algebra"
    with pytest.raises(UserError, match="5 examples of abstract_algebra in split dev; expected 6"):
        everything(copies / "mmlu", "mmlu", num_shots=6)


def test_mmlu_drops_shots_from_long_prompts(copies: Path) -> None:
    """Tokens are words here. A solved question of the history subject has 260 of the passage and 13 more, the header
    and the question 25: three examples fit into 844, which hold the prompt exactly, and two into 843."""
    for most, num_long in ((844, 3), (843, 2)):
        for sample in everything(copies / "mmlu", "mmlu", max_prompt_tokens=most).values():
            long = sample.cluster_id == SUBJECTS[-1]
            assert sample.prompt.count("Answer:") == (num_long if long else 5) + 1
            assert len(sample.prompt.split()) <= most
    alone = {"question": "q?", "subject": "anatomy", "choices": ["1", "2", "3", "4"], "answer": 0}
    header = "The following are multiple choice questions (with answers) about anatomy."
    bare = f"{header}\n\nq?\nA. 1\nB. 2\nC. 3\nD. 4\nAnswer:"
    with_one = f"{header}\n\n{bare[len(header) + 2 :]} A{bare[len(header) :]}"
    for room, prompt in ((-50, bare), (0, bare), (33, bare), (34, with_one)):
        assert few_shot(alone, [alone] * 5, len, len(bare) + room) == prompt


def test_a_tokenizer_that_is_none_is_named(copies: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"model '.*'.*: no file 'tokenizer.json'"):
        everything(copies / "mmlu", "mmlu", tokenizer=str(tmp_path))
    (tmp_path / "tokenizer.json").write_text("{}")
    with pytest.raises(UserError, match=r"tokenizer.json is no tokenizer \(.*fetch it again"):
        everything(copies / "mmlu", "mmlu", tokenizer=str(tmp_path))


def test_librispeech(copies: Path) -> None:
    sample = everything(copies / "librispeech", "librispeech")["librispeech-63-70970-0004"]
    assert sample.prompt == "Transcribe the speech in this audio. Answer with the plain transcription only."
    assert sample.answers == ("HE HOPED FOR STEW NUMBER 4 OF 63",)
    assert sample.cluster_id == "speaker-63"
    assert [(m.kind, m.bytes, m.mime) for m in sample.media] == [("audio", sound(634)["bytes"], "audio/flac")]


def test_librispeech_leaves_out_what_is_too_long(copies: Path) -> None:
    """Every utterance lasts 0.1 s."""
    folder = copies / "librispeech"
    assert len(everything(folder, "librispeech", max_seconds=0.1)) == len(everything(folder, "librispeech"))
    assert not everything(folder, "librispeech", max_seconds=0.099)
    assert compose(["dataset=librispeech"]).dataset.options.max_seconds == 30


def test_vocalsound(copies: Path, tmp_path: Path) -> None:
    sample = everything(copies / "vocalsound", "vocalsound")["vocalsound-00005"]
    assert sample.prompt == (
        "Classify the sound in this audio as one of: "
        "1. Laughter 2. Sigh 3. Cough 4. Throat clearing 5. Sneeze 6. Sniff. Answer with the name of the category only."
    )
    assert (sample.answers, sample.answer_index) == (("Throat clearing",), 3)
    assert sample.cluster_id == "speaker-m0001"
    assert [(m.kind, m.bytes, m.mime) for m in sample.media] == [("audio", sound(5, "wav")["bytes"], "audio/wav")]
    hub_fixtures.write_vocalsound(tmp_path, ("laughter", "Sigh", "Cough"))
    with pytest.raises(
        UserError, match=r"unknown label of sample vocalsound-\d+ in .*'laughter'.*Did you mean Laughter"
    ):
        everything(tmp_path, "vocalsound")


# --- MSVD-QA: zips ----------------------------------------------------------------------------------------------------


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The members that are read of any zip; unpacking fails."""
    names: list[str] = []
    read = ZipFile.read

    def counted(archive: ZipFile, name: str, *rest: Any) -> bytes:
        names.append(name)
        return read(archive, name, *rest)

    def refuse(*_: Any) -> None:
        pytest.fail("unpacked")

    monkeypatch.setattr(ZipFile, "read", counted)
    monkeypatch.setattr(ZipFile, "extract", refuse)
    monkeypatch.setattr(ZipFile, "extractall", refuse)
    return names


def test_msvd_qa_reads_one_clip_at_a_time(copies: Path, reads: list[str]) -> None:
    samples = draw(copies / "msvd_qa", "msvd_qa", "mine")
    sample = next(s for s in samples if s.sample_id == "msvd_qa-36006")
    assert sample.prompt == "what is done in 6?\nAnswer the question using a single word or phrase."
    assert sample.answers == ("run6",)
    assert sample.meta["clip"] == "_video001_x_1_10"
    assert sample.cluster_id == "_video001_x", "the video, not the clip"
    assert [(m.kind, m.bytes, m.mime) for m in sample.media] == [("video", clip(1), "video/x-msvideo")]
    clips = [name for name in reads if name.endswith(".avi")]
    assert len(clips) == len(set(clips)) == len({s.meta["clip"] for s in samples})


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"youtube_mapping.txt": None}, r"no file 'youtube_mapping\.txt'"),
        ({"youtube_mapping.txt": "a_1_2 vid7\n"}, r"youtube_mapping\.txt has no line for vid1301 of question 36000"),
        ({"MSVD-QA.zip": b"PK"}, r"MSVD-QA\.zip: not a readable zip .*Fetch it again"),
        ({"MSVD-QA.zip": {"a.json": "[]"}}, r"MSVD-QA\.zip: no 'test_qa\.json' among its 1 files \(a\.json"),
        (
            {"MSVD-QA.zip": {"test_qa.json": json.dumps([{"id": 1, "video_id": 1301, "q": "x", "answer": "y"}])}},
            "no field 'question'; its fields are id, video_id, q, answer",
        ),
        ({"videos/MSVD_Videos.zip": {"x/other.avi": "a"}}, r"MSVD_Videos\.zip: no '.*\.avi' among its 1 files"),
        ({"videos/MSVD_Videos.zip": None}, r"no file 'MSVD_Videos\.zip'"),
    ],
    ids=["no mapping", "no line", "no zip", "no questions", "no field", "no clip", "no clips"],
)
def test_msvd_qa_says_what_is_missing(tmp_path: Path, changes: dict[str, Any], says: str) -> None:
    WRITERS["msvd_qa"](tmp_path)
    for name, content in changes.items():
        (tmp_path / name).unlink()
        if isinstance(content, dict):
            with ZipFile(tmp_path / name, "w") as archive:
                for member, text in content.items():
                    archive.writestr(member, text)
        elif content is not None:
            (tmp_path / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(UserError, match=says):
        everything(tmp_path, "msvd_qa")


def test_a_damaged_clip_is_named(tmp_path: Path) -> None:
    WRITERS["msvd_qa"](tmp_path)
    path = tmp_path / "videos" / "MSVD_Videos.zip"
    with ZipFile(path) as archive:
        place = next(info.header_offset for info in archive.infolist() if info.filename.endswith("_4_13.avi")) + 300
    content = bytearray(path.read_bytes())
    content[place] ^= 255
    path.write_bytes(content)
    with pytest.raises(UserError, match=r"MSVD_Videos\.zip: '.*_4_13\.avi' cannot be read \(Bad CRC"):
        everything(tmp_path, "msvd_qa")
