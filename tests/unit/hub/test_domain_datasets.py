"""The datasets of MMNeuron's five domains, from small copies of their repositories (`tests/domain_fixtures.py`)."""

import json
import tarfile
from importlib import import_module
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from lode.dataset import Sample, pmc_vqa
from lode.dataset._domains import SHORT, Identity, one_of_each, worded
from lode.dataset.lingoqa import side_by_side
from lode.engine.errors import UserError
from lode.media import Sampling, decode, decode_image
from lode.study import compose
from tests.domain_fixtures import DOMAIN_WRITERS, PMC_WRONG, usgs_entries
from tests.hub_fixtures import local_options, picture

DOMAINS = {"lingoqa": "road", "rsvqa_hr": "aerial", "pmc_vqa": "medical", "docvqa": "document", "vqav2": "common"}


@pytest.fixture(scope="module")
def copies(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a copy of each repository."""
    folder = tmp_path_factory.mktemp("domains")
    for name in DOMAINS:
        DOMAIN_WRITERS[name](folder / name)
    return folder


def everything(folder: Path, name: str, **options: Any) -> dict[str, Sample]:
    """All samples of both splits by id."""
    own = {**compose([f"dataset={name}"]).dataset.options, **local_options(name, folder), **options}
    module = import_module(f"lode.dataset.{name}")
    samples = [sample for split in ("mine", "test") for sample in module.samples(split, 1000, 2024, **own)]
    assert len({sample.sample_id for sample in samples}) == len(samples)
    return {sample.sample_id: sample for sample in samples}


# --- what they have in common -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", DOMAINS)
def test_every_sample_says_its_domain(copies: Path, name: str) -> None:
    assert {sample.meta["domain"] for sample in everything(copies / name, name).values()} == {DOMAINS[name]}


@pytest.mark.parametrize("name", DOMAINS)
def test_the_form_of_the_prompt_can_be_chosen(copies: Path, name: str) -> None:
    """MMNeuron mines on the question alone."""
    alone = everything(copies / name, name, prompt="{question}")
    asked = everything(copies / name, name)
    assert alone.keys() == asked.keys()
    for sample_id, sample in alone.items():
        assert sample.prompt in asked[sample_id].prompt
        assert len(sample.prompt) < len(asked[sample_id].prompt)
    with pytest.raises(UserError, match=r"prompt = 'Say it\.': expected \{question\} where the question goes"):
        everything(copies / name, name, prompt="Say it.")


def test_a_form_is_filled_as_it_is() -> None:
    assert worded(SHORT, " why {x}? ") == "Question: why {x}?\nAnswer the question using a single word or phrase."


@pytest.mark.parametrize(("name", "most"), [("vqav2", 3), ("docvqa", 2), ("pmc_vqa", 2), ("rsvqa_hr", 4)])
def test_one_question_of_each_image_or_all(copies: Path, name: str, most: int) -> None:
    one, every = everything(copies / name, name), everything(copies / name, name, one_per_image=False)
    assert one.keys() < every.keys()
    assert all(every[name].media == sample.media for name, sample in one.items())
    pictures = [sample.media[0].bytes for sample in one.values()]
    assert len(set(pictures)) == len(pictures)
    counts = {data: sum(sample.media[0].bytes == data for sample in every.values()) for data in pictures}
    assert max(counts.values()) == most
    assert counts.keys() == {sample.media[0].bytes for sample in every.values()}


def test_one_of_each_is_fair_whatever_the_order() -> None:
    """Of 900 images with three questions, each place is taken 300 times, standard deviation 14."""
    identities = [Identity(f"{image}-{place}", "c", str(image)) for image in range(900) for place in range(3)]
    taken = one_of_each(identities, 5)
    assert taken == one_of_each(identities[::-1], 5) != one_of_each(identities, 6)
    assert len({name.split("-")[0] for name in taken}) == len(taken) == 900
    assert all(abs(sum(name.endswith(f"-{place}") for name in taken) - 300) < 57 for place in range(3))


# --- one by one -------------------------------------------------------------------------------------------------------


def test_vqav2(copies: Path) -> None:
    """Seven of ten said yes; one was sure of a thing, none of no."""
    sample = everything(copies / "vqav2", "vqav2", one_per_image=False)["vqav2-262144007"]
    assert sample.prompt == "Question: Is there a thing 7?\nAnswer the question using a single word or phrase."
    assert sample.answers == ("yes",) * 6 + ("no", "no", "thing 7", "no idea")
    assert sample.cluster_id == "coco-262146"
    assert sample.media[0].bytes == picture(2)["bytes"]
    assert sample.meta == {
        "revision": "local",
        "domain": "common",
        "question_type": "how many",
        "answer_type": "number",
        "sure": ["thing 7", "yes"],
    }


def test_vqav2_looks_at_the_first_records_only(copies: Path) -> None:
    """Seven records are of three images."""
    samples = everything(copies / "vqav2", "vqav2", first=7, one_per_image=False)
    assert set(samples) == {f"vqav2-{262_144_000 + i}" for i in range(7)}
    assert len(everything(copies / "vqav2", "vqav2", first=7)) == 3
    assert len(everything(copies / "vqav2", "vqav2", first=None)) == 40


def test_docvqa(copies: Path) -> None:
    """Pages 4 and 5, of questions 8 to 11, are of one document, page 3 of another."""
    samples = everything(copies / "docvqa", "docvqa", one_per_image=False)
    sample = samples[f"docvqa-{49_153 + 9}"]
    assert sample.prompt == (
        "Question: What is the date in field 9?\nAnswer the question using a single word or phrase."
    )
    assert sample.answers == ("9 May 1998", "9.5.98")
    assert [(m.kind, m.bytes, m.mime) for m in sample.media] == [("image", picture(4, "PNG")["bytes"], "image/png")]
    clusters = [samples[f"docvqa-{49_153 + i}"].cluster_id for i in range(6, 12)]
    assert clusters == ["pybv0002"] * 2 + ["pybv0003"] * 4
    assert sample.meta["page"] == "documents/pybv0003_2.png"


def test_pmc_vqa(copies: Path) -> None:
    samples = everything(copies / "pmc_vqa", "pmc_vqa", one_per_image=False)
    sample = samples["pmc_vqa-00005"]
    assert sample.prompt == (
        "Question: What does the arrow 5 show?\nOptions:\nA. organ 5\nB. lesion 1 of 5\nC. lesion 2 of 5\n"
        "D. lesion 3 of 5\nAnswer with the letter of the right option only."
    )
    assert (sample.answers, sample.answer_index) == (("B",), 1)
    assert sample.choices == ("organ 5", "lesion 1 of 5", "lesion 2 of 5", "lesion 3 of 5")
    assert sample.cluster_id == samples["pmc_vqa-00004"].cluster_id != samples["pmc_vqa-00006"].cluster_id
    assert sample.meta["answer_is"] == "letter"


def test_pmc_vqa_leaves_out_what_is_of_no_use(copies: Path) -> None:
    """A null or blank option, two that are the same, no right letter, no caption."""
    samples = everything(copies / "pmc_vqa", "pmc_vqa", one_per_image=False)
    left_out = {f"pmc_vqa-{number:05d}" for number in range(90)} - set(samples)
    assert left_out == {f"pmc_vqa-{number:05d}" for number in PMC_WRONG}


def test_pmc_vqa_takes_letters_off_only_where_all_have_them() -> None:
    """Alone, "A. baumannii" is a species."""
    names = ("A. baumannii", "B. cereus", "E. coli", "S. aureus")
    lettered = [f" {letter}: {name}" for letter, name in zip("ABCD", names, strict=True)]
    for said in (names, lettered):
        assert pmc_vqa.options(dict(zip(pmc_vqa.CHOICES, said, strict=True))) == names


def test_lingoqa(copies: Path) -> None:
    samples = everything(copies / "lingoqa", "lingoqa", height=None)
    sample = samples[f"lingoqa-{7:032x}"]
    assert sample.prompt == (
        "You see the road from a camera in the car that you drive; the car itself is not in view. "
        "Question: How many cars are ahead in 7?"
    )
    assert sample.answers == ("There are 7, says person 0.", "There are 7, says person 1.")
    assert samples[f"lingoqa-{0:032x}"].answers == ("There is one.",), "said twice, held once"
    assert sample.cluster_id == "scene002"
    shown = np.asarray(decode_image(sample.media[0].bytes, Sampling()))
    frames = [np.asarray(decode_image(picture(2 * 5 + k)["bytes"], Sampling())) for k in range(5)]
    assert np.array_equal(shown, np.concatenate(frames, axis=1)), "as MMNeuron puts them together"


def test_lingoqa_scales_frames_to_the_height(copies: Path) -> None:
    """Frames of 16 x 12 pixels at 24 rows are 32 wide, and five of them 160."""
    for height, size in ((24, (160, 24)), (12, (80, 12)), (6, (40, 6))):
        sample = next(iter(everything(copies / "lingoqa", "lingoqa", height=height).values()))
        assert decode(sample.sample_id, sample.media[0], Sampling()).size == size
    assert compose(["dataset=lingoqa"]).dataset.options.get("height", 336) == 336


def test_frames_of_unequal_size_stand_on_one_height() -> None:
    """A frame of 10 x 5 pixels at 10 rows is 20 wide, beside one of 10 x 10: 30 x 10."""
    frames = [Image.new("RGB", (10, 10), "red"), Image.new("RGB", (10, 5), "blue")]
    shown = np.asarray(decode_image(side_by_side(frames, None).bytes, Sampling()))
    assert shown.shape == (10, 30, 3)
    assert (shown[:, :10] == [255, 0, 0]).all()
    assert (shown[:, 10:] == [0, 0, 255]).all()


# --- RS-VQA HR: the publishers' files ---------------------------------------------------------------------------------


def test_rsvqa_hr(copies: Path) -> None:
    samples = everything(copies / "rsvqa_hr", "rsvqa_hr", one_per_image=False)
    assert len(samples) == 160
    sample = samples["rsvqa_hr-7"]
    assert sample.prompt == "Question: What of 7?\nAnswer the question using a single word or phrase."
    assert (sample.answers, sample.meta["question_type"]) == (("38m2",), "area")
    assert sample.cluster_id == "usgs-1"
    assert [(m.kind, m.bytes, m.mime) for m in sample.media] == [("image", picture(1, "PNG")["bytes"], "image/png")]
    other = samples["rsvqa_hr-0"].media[0]
    assert (other.bytes, other.mime) == (picture(0, "TIFF")["bytes"], "image/tiff")
    assert "rsvqa_hr-4" not in samples, "not active"


def test_rsvqa_hr_leaves_out_types(copies: Path) -> None:
    samples = everything(copies / "rsvqa_hr", "rsvqa_hr", types=["presence", "comp"], one_per_image=False)
    assert {sample.answers for sample in samples.values()} == {("yes",), ("no",)}
    with pytest.raises(UserError, match=r"unknown dataset\.options\.types.*'counts'.*Did you mean count"):
        everything(copies / "rsvqa_hr", "rsvqa_hr", types=["counts"])
    with pytest.raises(UserError, match=r"unknown dataset\.options\.subset.*'validation'"):
        everything(copies / "rsvqa_hr", "rsvqa_hr", subset="validation")


def test_rsvqa_hr_asks_for_the_publishers_files() -> None:
    """Planning does not need them; the first job does."""
    with pytest.raises(UserError, match=r"source of rsvqa_hr is not set; .*Images\.tar.*zenodo\.org/records/6344367"):
        everything(Path("unused"), "rsvqa_hr", source=None)


def without(kind: str, field: str) -> str:
    """One of the two JSON files whose active entries lack a field."""
    entries = usgs_entries(8)[kind == "answers"]
    return json.dumps({kind: [{key: value for key, value in e.items() if key != field} for e in entries]})


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("USGS_split_val_answers.json", None, r"no file 'USGS_split_val_answers\.json'"),
        ("USGS_split_val_answers.json", "[]", r"USGS_split_val_answers\.json is no list of answers"),
        ("USGS_split_val_answers.json", "{", r"USGS_split_val_answers\.json is no list of answers"),
        ("USGS_split_val_answers.json", '{"answers": []}', "question 0 has no active answer; fetch both files"),
        (
            "USGS_split_val_questions.json",
            without("questions", "type"),
            "questions.json: no field 'type' among id, img_id",
        ),
        ("USGS_split_val_answers.json", without("answers", "answer"), "answers.json: no field 'answer' among"),
        ("Images.tar", None, r"no file 'Images\.tar'"),
        ("Images.tar", "not a tar", r"Images\.tar cannot be read \(truncated header\); fetch it again from https"),
    ],
)
def test_rsvqa_hr_says_what_is_wrong(tmp_path: Path, name: str, content: str | None, says: str) -> None:
    DOMAIN_WRITERS["rsvqa_hr"](tmp_path)
    (tmp_path / name).unlink()
    if content is not None:
        (tmp_path / name).write_text(content)
    with pytest.raises(UserError, match=says):
        everything(tmp_path, "rsvqa_hr")


def test_rsvqa_hr_names_an_image_that_is_not_in_the_archive(tmp_path: Path) -> None:
    DOMAIN_WRITERS["rsvqa_hr"](tmp_path)
    with tarfile.open(tmp_path / "Images.tar", "w") as archive:
        member = tarfile.TarInfo("Data/999.png")
        member.size = 1
        archive.addfile(member, BytesIO(b"x"))
    with pytest.raises(UserError, match=r"Images\.tar has no \d+\.png or \.tif in 1 files"):
        everything(tmp_path, "rsvqa_hr")
