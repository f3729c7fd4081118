"""Small copies of the hub's repositories, written by the tests: the same files, fields and types, invented content."""

import csv
import json
from collections.abc import Mapping, Sequence
from io import BytesIO
from pathlib import Path
from typing import Any
from zipfile import ZIP_STORED, ZipFile

import av
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import soundfile
import yaml
from datasets import Audio, ClassLabel, DatasetInfo, Features, Image, List, SplitDict, SplitInfo, Value
from PIL import Image as Pillow
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import WhitespaceSplit

from lode.media import encode_audio

TEXT, WHOLE = Value("string"), Value("int64")
Columns = dict[str, list[Any]]


def picture(number: int, kind: str = "JPEG") -> dict[str, Any]:
    """An image field whose number is written in 12 black or white squares, which no compression makes equal."""
    buffer = BytesIO()
    squares = np.array([number >> i & 1 for i in range(12)], dtype=np.uint8).reshape(3, 4) * 255
    image = Pillow.fromarray(squares.repeat(4, 0).repeat(4, 1)).convert("RGB")
    image.save(buffer, kind, comment=str(number))
    return {"bytes": buffer.getvalue(), "path": f"{number}.{kind.lower()}"}


def sound(number: int, suffix: str = "flac") -> dict[str, Any]:
    """An audio field at 16 kHz: FLAC or WAV."""
    wave = np.sin(np.arange(1600) * (number + 5) / 90) / 2
    if suffix == "flac":
        return {"bytes": encode_audio(wave, 16_000).bytes, "path": f"{number}.flac"}
    buffer = BytesIO()
    soundfile.write(buffer, wave, 16_000, format="WAV", subtype="PCM_16")
    return {"bytes": buffer.getvalue(), "path": f"{number}.wav"}


def clip(number: int) -> bytes:
    """Two seconds of video in an AVI file."""
    buffer = BytesIO()
    with av.open(buffer, "w", format="avi") as container:
        stream = container.add_stream("mpeg4", rate=2)
        stream.width, stream.height, stream.pix_fmt = 32, 24, "yuv420p"
        for frame in range(4):
            colour = (number * 12 % 256, 60 * frame, 10)  # far enough apart that no compression makes two equal
            image = Pillow.new("RGB", (32, 24), colour)
            container.mux(stream.encode(av.VideoFrame.from_image(image)))
        container.mux(stream.encode(None))
    return buffer.getvalue()


def write_split(
    folder: Path, split: str, columns: Columns, features: Mapping[str, Any], shards: int = 1, name: str = ""
) -> None:
    """Write a split as the hub does: Parquet shards with the features in their metadata, small row groups."""
    table = pa.table(columns, schema=Features(features).arrow_schema)  # the schema holds the features
    size = -(-table.num_rows // shards)
    for index in range(shards):
        path = folder / (name or f"data/{split}-{index:05d}-of-{shards:05d}.parquet")
        path.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(table.slice(index * size, size), path, row_group_size=10)


def write_card(folder: Path, configs: Mapping[str, Mapping[str, str]]) -> None:
    """Write README.md, which names the files, the features and the number of records, as the hub's cards do."""
    card: dict[str, list[Any]] = {"dataset_info": [], "configs": []}
    for config, patterns in configs.items():
        tables = {split: [pq.read_table(path) for path in folder.glob(pattern)] for split, pattern in patterns.items()}
        features = Features.from_arrow_schema(next(iter(tables.values()))[0].schema)
        counts = {split: SplitInfo(split, 0, sum(map(len, parts))) for split, parts in tables.items()}
        info = DatasetInfo(features=features, splits=SplitDict(counts))._to_yaml_dict()
        card["dataset_info"].append({"config_name": config, **info})
        files = [{"split": split, "path": pattern} for split, pattern in patterns.items()]
        card["configs"].append({"config_name": config, "data_files": files})
    (folder / "README.md").write_text(f"---\n{yaml.safe_dump(card)}---\n# A copy for tests\n")


def write_textvqa(folder: Path, num: int = 60, **changed: Any) -> None:
    """60 questions about 20 images in two shards, sorted by image; `changed` replaces columns, None drops one."""
    columns: Columns = {
        "image_id": [f"{i // 3:016x}" for i in range(num)],
        "question_id": [34_602 + i for i in range(num)],
        "question": [f"what is written on sign {i}? " for i in range(num)],
        "question_tokens": [["what", "is"]] * num,
        "image": [picture(i // 3) for i in range(num)],
        "image_width": [16] * num,
        "image_height": [12] * num,
        "flickr_original_url": ["https://farm.example/a.jpg"] * num,
        "flickr_300k_url": ["https://farm.example/b.jpg"] * num,
        "answers": [["stop"] * 7 + ["stop sign", "halt", f"answer {i}"] for i in range(num)],
        "image_classes": [["Sign"]] * num,
        "set_name": ["val"] * num,
        "ocr_tokens": [["STOP"]] * num,
    }
    features = {
        **dict.fromkeys(columns, TEXT),
        **dict.fromkeys(("question_tokens", "answers", "image_classes", "ocr_tokens"), List(TEXT)),
        **dict.fromkeys(("question_id", "image_width", "image_height"), Value("int32")),
        "image": Image(),
    }
    columns = {name: values for name, values in {**columns, **changed}.items() if values is not None}
    features = {name: features[name] for name in columns}
    write_split(folder, "validation", columns, features, shards=2)
    write_split(folder, "train", {name: values[:2] for name, values in columns.items()}, features)
    write_card(folder, {"default": {"train": "data/train-*", "validation": "data/validation-*"}})


def coco_name(number: int) -> str:
    """The file name of an image of val2014."""
    return f"COCO_val2014_{number:012d}.jpg"


COCO_NUMBERS = [391_895, *range(101, 140)]
LISTED = [coco_name(number) for number in COCO_NUMBERS[:30]]


def write_coco_caption(folder: Path) -> None:
    """40 images with five captions each; Karpathy's list (in the folder `karpathy`) has 30 of them."""
    num = len(COCO_NUMBERS)
    columns: Columns = {
        "question_id": [coco_name(number) for number in COCO_NUMBERS],
        "image": [picture(number) for number in COCO_NUMBERS],
        "question": ["Please carefully observe the image and come up with a caption for the image"] * num,
        "answer": [[f"A man with object {number} in place {k}." for k in range(5)] for number in COCO_NUMBERS],
        "id": list(range(num)),
        "license": [3] * num,
        "file_name": [coco_name(number) for number in COCO_NUMBERS],
        "coco_url": ["http://images.cocodataset.org/val2014/a.jpg"] * num,
        "height": [12] * num,
        "width": [16] * num,
        "date_captured": ["2013-11-14 11:18:45"] * num,
    }
    features = {
        **dict.fromkeys(columns, TEXT),
        "image": Image(),
        "answer": List(TEXT),
        "license": Value("int8"),
        **dict.fromkeys(("id", "height", "width"), WHOLE),
    }
    write_split(folder, "val", columns, features, shards=2)
    write_card(folder, {"default": {"val": "data/val-*"}})
    listed = {"filename": LISTED, "filepath": ["val2014"] * 30, "sentences": [["A man."]] * 30, "cocoid": [1] * 30}
    fields = {"filename": TEXT, "filepath": TEXT, "sentences": List(TEXT), "cocoid": WHOLE}
    write_split(folder / "karpathy", "test", listed, fields)
    write_card(folder / "karpathy", {"default": {"test": "data/test-*"}})


SUBJECTS = ("abstract_algebra", "anatomy", "high_school_us_history")
MMLU_FEATURES = {
    "question": TEXT,
    "subject": TEXT,
    "choices": List(TEXT),
    "answer": ClassLabel(names=["A", "B", "C", "D"]),
}


def mmlu_columns(num_each: int, long: str = "") -> Columns:
    """Questions sorted by subject; those of the last one begin with a long passage."""
    rows = [(subject, i) for subject in SUBJECTS for i in range(num_each)]
    return {
        "question": [f"{long if subject == SUBJECTS[-1] else ''}{subject} question {i}?" for subject, i in rows],
        "subject": [subject for subject, _ in rows],
        "choices": [[f"{letter}{i}" for letter in "wxyz"] for _, i in rows],
        "answer": [i % 4 for _, i in rows],
    }


def write_tokenizer(folder: Path) -> None:
    """A tokenizer for which what blanks separate is one token each."""
    tokenizer = Tokenizer(WordLevel({"?": 0}, unk_token="?"))
    tokenizer.pre_tokenizer = WhitespaceSplit()
    folder.mkdir(parents=True)
    tokenizer.save(str(folder / "tokenizer.json"))


def write_mmlu(folder: Path, passage: str = "A passage. " * 130) -> None:
    """Three subjects: 5 solved questions each in `dev`, 20 in `test`; beside them a tokenizer (`tokenizer`)."""
    write_tokenizer(folder / "tokenizer")
    write_split(folder, "dev", mmlu_columns(5, passage), MMLU_FEATURES, name="all/dev-00000-of-00001.parquet")
    write_split(folder, "test", mmlu_columns(20), MMLU_FEATURES, name="all/test-00000-of-00001.parquet")
    write_split(folder, "test", mmlu_columns(1), MMLU_FEATURES, name="anatomy/test-00000-of-00001.parquet")
    splits = {split: f"all/{split}-*" for split in ("test", "dev")}
    write_card(folder, {"all": splits, "anatomy": {"test": "anatomy/test-*"}})


def write_librispeech(folder: Path) -> None:
    """48 utterances of 8 speakers, sorted by speaker, and one of another configuration."""
    rows = [(61 + speaker, 70_968 + speaker, i) for speaker in range(8) for i in range(6)]
    columns: Columns = {
        "file": [f"{s}-{c}-{i:04d}.flac" for s, c, i in rows],
        "audio": [sound(s * 10 + i) for s, c, i in rows],
        "text": [f"HE HOPED FOR STEW NUMBER {i} OF {s}" for s, c, i in rows],
        "speaker_id": [s for s, c, i in rows],
        "chapter_id": [c for s, c, i in rows],
        "id": [f"{s}-{c}-{i:04d}" for s, c, i in rows],
    }
    features = {**dict.fromkeys(columns, TEXT), "audio": Audio(sampling_rate=16_000), "speaker_id": WHOLE}
    features["chapter_id"] = WHOLE
    write_split(folder, "test", columns, features, name="clean/test/0000.parquet")
    write_split(folder, "test", {k: v[:1] for k, v in columns.items()}, features, name="other/test/0000.parquet")
    write_card(folder, {name: {"test": f"{name}/test/*.parquet"} for name in ("clean", "other")})


def write_vocalsound(folder: Path, labels: Sequence[str] = ("Laughter", "Sigh", "Throat clearing")) -> None:
    """48 recordings of 16 speakers."""
    num = 48
    columns: Columns = {
        "audio": [sound(i, "wav") for i in range(num)],
        "spk_id": [f"{'fm'[i // 3 % 2]}{i // 3:04d}" for i in range(num)],
        "answer": [labels[i % 3] for i in range(num)],
        "age_group": [1 + i % 3 for i in range(num)],
    }
    features = {"audio": Audio(sampling_rate=16_000), "spk_id": TEXT, "answer": TEXT, "age_group": WHOLE}
    write_split(folder, "test", columns, features)
    write_split(folder, "val", {k: v[:2] for k, v in columns.items()}, features)
    write_card(folder, {"default": {"test": "data/test-*", "val": "data/val-*"}})


def write_msvd_qa(folder: Path) -> None:
    """40 questions about 10 clips of 8 videos, in the zip of questions; the clips in a zip of their own (`videos`)."""
    names = [f"{'-_AbC12'[i % 7]}video{i % 8:03d}_x_{i}_{i + 9}" for i in range(10)]
    found = [
        {"id": 36_000 + i, "video_id": 1301 + i // 4, "question": f"what is done in {i}?", "answer": f"run{i}"}
        for i in range(40)
    ]
    folder.mkdir(parents=True, exist_ok=True)
    with ZipFile(folder / "MSVD-QA.zip", "w") as archive:
        archive.writestr("MSVD-QA/test_qa.json", json.dumps(found))
        archive.writestr("MSVD-QA/train_qa.json", "[]")
    lines = [f"{name} vid{1301 + i}" for i, name in enumerate(names)]
    (folder / "youtube_mapping.txt").write_text("\n".join(["zzz_1_2 vid1", *lines]) + "\n")
    (folder / "videos").mkdir()
    with ZipFile(folder / "videos" / "MSVD_Videos.zip", "w", ZIP_STORED) as archive:
        archive.writestr("YouTubeClips/", "")
        for i, name in enumerate(names):
            archive.writestr(f"YouTubeClips/{name}.avi", clip(i))


#: Columns of a made-up ErrorRadar: what theirs are called is not public.
ERRORRADAR_COLUMNS = {
    "question": "Problem Text",
    "image": "img",
    "correct_answer": "gold",
    "student_answer": "wrong",
    "steps": "solution",
    "gold_step": "where",
    "category": "kind",
    "problem_type": "topic",
}
ERRORRADAR_KINDS = {"visual perception": "VIS", "calculation": "CAL", "reasoning": "REAS"}


def errorradar_records(num: int = 48) -> list[dict[str, Any]]:
    """Problems of two to an image, with three to twelve steps."""
    kinds, topics = list(ERRORRADAR_KINDS), ("plane geometry", "algebra")
    return [
        {
            "Problem Text": f"How long is side {i}, in cm? ",
            "img": f"{i // 2:03d}.png",
            "gold": f"{i}.0",
            "wrong": f"{i + 1}",
            "solution": json.dumps([f"side {i} is {k}, so on" for k in range(3 + i % 10)]),
            "where": str(i % 3 + 1),
            "kind": kinds[i % 3],
            "topic": topics[i % 2],
            "note": "",
        }
        for i in range(num)
    ]


def write_errorradar(folder: Path) -> None:
    """48 problems in a CSV file, and 24 images in a folder beside it."""
    records = errorradar_records()
    (folder / "images").mkdir(parents=True)
    for i in range(len(records) // 2):
        (folder / "images" / f"{i:03d}.png").write_bytes(picture(i, "PNG")["bytes"])
    with (folder / "items.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, list(records[0]))
        writer.writeheader()
        writer.writerows(records)


WRITERS = {
    "textvqa": write_textvqa,
    "coco_caption": write_coco_caption,
    "mmlu": write_mmlu,
    "msvd_qa": write_msvd_qa,
    "librispeech": write_librispeech,
    "vocalsound": write_vocalsound,
    "errorradar_step": write_errorradar,
    "errorradar_cate": write_errorradar,
}


ERRORRADAR_OPTIONS = {
    "table": "items.csv",
    "images": "images",
    "columns": ERRORRADAR_COLUMNS,
    "categories": ERRORRADAR_KINDS,
}


def local_options(name: str, folder: Path) -> dict[str, Any]:
    """Options of a dataset that read its copy in a folder."""
    extra = {
        "coco_caption": {"karpathy": f"{folder}/karpathy"},
        "mmlu": {"tokenizer": f"{folder}/tokenizer"},
        "msvd_qa": {"videos": f"{folder}/videos"},
        **dict.fromkeys(("errorradar_step", "errorradar_cate"), ERRORRADAR_OPTIONS),
    }
    return {"source": str(folder), **extra.get(name, {})}
