"""Small copies of the repositories of MMNeuron's five domains, as `tests/hub_fixtures.py` writes the others."""

import json
import tarfile
from io import BytesIO
from pathlib import Path
from typing import Any

from datasets import Image, List, Value

from tests.hub_fixtures import TEXT, WHOLE, Columns, picture, write_card, write_split


def write_vqav2(folder: Path, num: int = 120) -> None:
    """120 questions about 40 images in two shards, sorted by image; of ten answers, three people were not sure."""
    given = [
        [("no", "maybe"), ("yes", "yes"), ("yes", "yes"), (f"thing {i}", "yes"), ("no idea", "no")]
        + [("yes", "yes")] * 4
        + [("no", "maybe")]
        for i in range(num)
    ]
    columns: Columns = {
        "question_type": ["is there", "how many", "none of the above"] * (num // 3),
        "multiple_choice_answer": ["yes"] * num,
        "answers": [
            [{"answer": a, "answer_confidence": c, "answer_id": k} for k, (a, c) in enumerate(people, 1)]
            for people in given
        ],
        "image_id": [262_144 + i // 3 for i in range(num)],
        "answer_type": ["yes/no", "number", "other"] * (num // 3),
        "question_id": [262_144_000 + i for i in range(num)],
        "question": [f" Is there a thing {i}?" for i in range(num)],
        "image": [picture(i // 3) for i in range(num)],
    }
    people = {"answer": TEXT, "answer_confidence": TEXT, "answer_id": WHOLE}
    features = {**dict.fromkeys(columns, TEXT), "answers": List(people), "image": Image()}
    features |= {"image_id": WHOLE, "question_id": WHOLE}
    write_split(folder, "validation", columns, features, shards=2)
    write_card(folder, {"default": {"validation": "data/validation-*"}})


def write_docvqa(folder: Path, num: int = 90) -> None:
    """90 questions about 45 pages of 30 documents."""
    columns: Columns = {
        "image": [picture(i // 2, "PNG") for i in range(num)],
        "question_id": [49_153 + i for i in range(num)],
        "question": [f"What is the date in field {i}? " for i in range(num)],
        "answers": [[f"{i} May 1998", f"{i}.5.98"] for i in range(num)],
        "data_split": ["val"] * num,
        "ocr_results": [{"page": 1, "width": 16, "height": 12}] * num,
        "other_metadata": [
            {
                "ucsf_document_id": f"pybv{page // 3 * 2 + (page % 3 > 0):04d}",  # of one page, of two pages, ...
                "ucsf_document_page_no": str(page % 3 + 1),
                "doc_id": 14_465 + page,
                "image": f"documents/pybv{page // 3 * 2 + (page % 3 > 0):04d}_{page % 3 + 1}.png",
            }
            for page in (i // 2 for i in range(num))
        ],
    }
    metadata = {"ucsf_document_id": TEXT, "ucsf_document_page_no": TEXT, "doc_id": WHOLE, "image": TEXT}
    features = {**dict.fromkeys(columns, TEXT), "image": Image(), "question_id": Value("int32"), "answers": List(TEXT)}
    features |= {"ocr_results": {"page": WHOLE, "width": WHOLE, "height": WHOLE}, "other_metadata": metadata}
    write_split(folder, "validation", columns, features, shards=2)
    write_split(folder, "train", {name: values[:2] for name, values in columns.items()}, features)
    write_card(folder, {"default": {"train": "data/train-*", "validation": "data/validation-*"}})


#: What is wrong with a record of the copy of PMC-VQA, by its number.
PMC_WRONG: dict[int, tuple[str, str | None]] = {
    3: ("choice d", None),
    10: ("choice b", " B: "),
    17: ("choice c", "C: organ 17"),
    24: ("answer label", "E"),
    31: ("answer label", None),
    38: ("caption", None),
}


def write_pmc_vqa(folder: Path, num: int = 90) -> None:
    """90 questions about 45 figures, of which six are of no use (`PMC_WRONG`)."""
    columns: Columns = {
        "image": [picture(i // 2) for i in range(num)],
        "caption": [f"Axial scan {i // 2}." for i in range(num)],
        "question": [f"What does the arrow {i} show?" for i in range(num)],
        "answer": [f"organ {i}" for i in range(num)],
        **{
            f"choice {letter}": [
                f" {letter.upper()}:{'organ' if k == 0 else f'lesion {k} of'} {i} " for i in range(num)
            ]
            for k, letter in enumerate("abcd")
        },
        "answer label": ["ABCD"[i % 4] for i in range(num)],
    }
    for number, (name, value) in PMC_WRONG.items():
        columns[name][number] = value
    features = {**dict.fromkeys(columns, TEXT), "image": Image()}
    write_split(folder, "test", columns, features, shards=2)
    write_split(folder, "train", {name: values[:2] for name, values in columns.items()}, features)
    write_card(folder, {"default": {"train": "data/train-*", "test": "data/test-*"}})


def write_lingoqa(folder: Path, num: int = 120) -> None:
    """60 questions with two answers each, two of the same words in question 0; 20 scenes of five frames."""
    frames = {f"image_{k + 1}": [picture(i // 6 * 5 + k) for i in range(num)] for k in range(5)}
    columns: Columns = {
        "question_id": [f"{i // 2:032x}" for i in range(num)],
        "segment_id": [f"scene{i // 6:03d}" for i in range(num)],
        "question": [f"How many cars are ahead in {i // 2}?" for i in range(num)],
        "answer": ["There is one." if i < 2 else f"There are {i // 2}, says person {i % 2}." for i in range(num)],
        **frames,
    }
    features = {name: Image() if name in frames else TEXT for name in columns}
    write_split(folder, "test", columns, features)
    write_card(folder, {"default": {"test": "data/test-*"}})


def usgs_entries(num: int) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Questions and answers of the copy of RS-VQA: every fifth of each list belongs to another split, as published."""
    kinds = [("presence", "yes"), ("comp", "no"), ("count", "7"), ("area", "38m2")]
    questions, answers = [], []
    for i in range(num):
        kind, answer = kinds[i % 4]
        if i % 5 == 4:
            questions.append({"id": i, "active": False})
            answers.append({"id": 5000 + i, "active": False})
            continue
        common = {"date_added": 1_560_000_000, "people_id": 0, "active": True}
        questions.append(
            {"id": i, "img_id": i // 4, "type": kind, "question": f"What of {i}?", "answers_ids": [5000 + i], **common}
        )
        answers.append({"id": 5000 + i, "question_id": i, "answer": answer, **common})
    return questions, answers


def write_rsvqa_hr(folder: Path, num: int = 200) -> None:
    """160 active questions about 50 images in the publishers' files; the archive holds PNG and TIFF files."""
    folder.mkdir(parents=True, exist_ok=True)
    for kind, entries in zip(("questions", "answers"), usgs_entries(num), strict=True):
        (folder / f"USGS_split_val_{kind}.json").write_text(json.dumps({kind: entries}))
    with tarfile.open(folder / "Images.tar", "w") as archive:
        for number in range(num // 4):
            form, ending = ("PNG", "png") if number % 2 else ("TIFF", "tif")
            data = picture(number, form)["bytes"]
            member = tarfile.TarInfo(f"Data/{number}.{ending}")
            member.size = len(data)
            archive.addfile(member, BytesIO(data))


DOMAIN_WRITERS = {
    "vqav2": write_vqav2,
    "docvqa": write_docvqa,
    "pmc_vqa": write_pmc_vqa,
    "lingoqa": write_lingoqa,
    "rsvqa_hr": write_rsvqa_hr,
}
