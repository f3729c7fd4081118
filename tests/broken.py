"""Inputs broken in one way each, and what the message about them must say."""

import json
import struct
import zlib
from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
from PIL import Image

from lode.media import encode_image
from lode.table._dense import neuron_columns
from lode.table.dataset import DATASET
from tests.dense_tables import filled_fields

#: What a message must say.
Says = tuple[str, ...]


def safetensors(num_bytes: int = 4) -> bytes:
    """A file of one tensor that holds `num_bytes` of the four that its header promises."""
    header = json.dumps({"a": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}).encode()
    return struct.pack("<Q", len(header)) + header + bytes(num_bytes)


_POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:ab\nsize 12\n"
#: Files of a model folder by its name; None: no folder.
MODELS: dict[str, tuple[dict[str, bytes] | None, Says]] = {
    "absent": (None, ("models/absent is not a folder", "owner/name")),
    "empty": ({}, ("no config.json", "Hugging Face model folder")),
    "weightless": ({"config.json": b"{}"}, ("no weights (*.safetensors)", "holds config.json")),
    "pickled": (
        {"config.json": b"{}", "pytorch_model.bin": b"x"},
        ("no weights (*.safetensors)", "config.json, pytorch_model.bin", "never loaded", "safe_serialization=True"),
    ),
    "pointer": (
        {"config.json": b"{}", "model.safetensors": _POINTER},
        ("model.safetensors", "no safetensors header", "Git LFS", "Fetch it again"),
    ),
    "truncated": (
        {"config.json": b"{}", "model.safetensors": safetensors(3)},
        (f"{len(safetensors(3))} bytes", f"promises {len(safetensors(4))}", "Fetch it again"),
    ),
    "blank": ({"config.json": b"{}", "model.safetensors": b""}, ("no safetensors header", "expected complete weights")),
}


def image_of(value: int) -> bytes:
    """A PNG of one grey, 8 x 8."""
    return encode_image(Image.fromarray(np.full((8, 8), value, dtype=np.uint8))).bytes


def zero_size() -> bytes:
    """A PNG whose header says 0 x 8, with a right checksum."""
    good = image_of(0)
    header = b"IHDR" + struct.pack(">II", 0, 8) + good[24:29]
    return good[:12] + header + struct.pack(">I", zlib.crc32(header)) + good[33:]


def wrong_length() -> bytes:
    """A PNG whose chunk of pixels says another length; Pillow raises a SyntaxError."""
    broken = bytearray(image_of(0))
    broken[36], broken[46] = 5, 201
    return bytes(broken)


def media(*contents: bytes, kind: str = "image") -> list[list[dict[str, Any]]]:
    """One medium a sample."""
    return [[{"kind": kind, "bytes": content, "mime": "image/png"}] for content in contents]


IMAGES = tuple(image_of(value) for value in (10, 20, 30, 40))
COLUMNS: dict[str, list[Any]] = {
    "sample_id": ["s0", "s1", "s2", "s3"],
    "cluster_id": ["c0", "c1", "c2", "c3"],
    "split": ["mine", "mine", "test", "test"],
    "prompt": ["what?", "ß 数字 é 🙂", "who?", "why?"],
    "media": media(*IMAGES),
    "answers": [["1"], ["zwölf", "12"], ["3"], ["4"]],
    "choices": [[], [], ["3", "5"], []],
    "answer_index": [-1, -1, 0, -1],
    "meta": ["{}", '{"a": 1}', "{}", "{}"],
}


def sample_table(**changed: Any) -> pa.Table:
    """Four samples with one image each, two of each split; `changed` replaces columns."""
    types = {field.name: field.type for field in DATASET.schema}
    good = {name: pa.array(values, types[name]) for name, values in COLUMNS.items()}
    return pa.table({**good, **changed})


def second(name: str, value: Any) -> list[Any]:
    """A column of the good table with another value for sample s1."""
    return [COLUMNS[name][0], value, *COLUMNS[name][2:]]


def second_image(content: bytes) -> list[list[dict[str, Any]]]:
    """The good images, but another one for sample s1."""
    return media(IMAGES[0], content, *IMAGES[2:])


_DECODE = ("sample s1", "image/png", "does not decode", "Remove the sample or replace the file")
_ARROW = {name: DATASET.schema.field(name).type for name in COLUMNS}
#: A broken dataset table by name: itself, what to do to the bytes of the good one, or None: no file.
TABLES: dict[str, tuple[pa.Table | Callable[[bytes], bytes] | None, Says]] = {
    "absent": (None, ("absent.parquet is not a file", "dataset.options.path")),
    "truncated": (lambda good: good[: len(good) // 2], ("truncated.parquet", "not a readable Parquet table")),
    "text": (lambda good: b"sample_id,prompt\n1,x\n", ("text.parquet", "not a readable Parquet table")),
    "blank": (lambda good: b"", ("blank.parquet", "not a readable Parquet table")),
    "pages": (
        lambda good: good[:300] + bytes(200) + good[500:],
        ("pages.parquet", "not a readable Parquet table"),
    ),
    "missing column": (
        sample_table().drop_columns(["prompt", "meta"]),
        ("missing column 'prompt', 'meta'", "a dataset table has sample_id, cluster_id, split, prompt", "this one has"),
    ),
    "column type": (sample_table(answers=["1", "2", "3", "4"]), ("'answers' is string", "expected list<")),
    "media as paths": (sample_table(media=[["a.png"]] * 4), ("'media'", "expected list<", "bytes: binary")),
    "medium without bytes": (
        sample_table(media=[[{"kind": "image", "bytes": None, "mime": "image/png"}]] * 4),
        ("'media'", "bytes", "expected list<"),
    ),
    "null prompt": (sample_table(prompt=second("prompt", None)), ("'prompt' holds nulls", "must have a value")),
    "null answer": (sample_table(answers=second("answers", [None])), ("sample s1", "null answer", "fill it in")),
    "meta is no JSON": (sample_table(meta=second("meta", "{a")), ("sample s1", "'{a'", "no JSON object")),
    "meta is a number": (sample_table(meta=second("meta", "3")), ("sample s1", "'3'", "no JSON object")),
    "same id": (sample_table(sample_id=second("sample_id", "s0")), ("sample s0", "twice", "unique")),
    "no answer": (
        sample_table(answers=pa.array(second("answers", []), _ARROW["answers"])),
        ("sample s1", "answers []", "expected a prompt and an answer"),
    ),
    "blank prompt": (sample_table(prompt=second("prompt", " \n")), ("sample s1", "prompt ' \\n'", "expected a prompt")),
    "choice": (sample_table(answer_index=[-1, -1, 2, -1]), ("sample s2", "answer_index 2 of 2 choices", "-1")),
    "no choice": (sample_table(answer_index=[0, -1, 0, -1]), ("sample s0", "answer_index 0 of 0 choices", "-1")),
    "choice without its index": (sample_table(answer_index=[-1] * 4), ("sample s2", "answer_index -1 of 2 choices")),
    "choice twice": (
        sample_table(choices=[[], [], ["3", "three", " Three"], []]),
        ("sample s2", "['3', 'three', ' Three']", "' Three' occurs twice", "texts that all differ", "capitals"),
    ),
    "blank choice": (
        sample_table(choices=[[], [], ["3", " "], []]),
        ("sample s2", "choices ['3', ' ']", "' ' is blank", "Correct the choice or drop the sample"),
    ),
    "answer of another choice": (
        sample_table(answer_index=[-1, -1, 1, -1]),
        ("sample s2", "answers ['3']", "answer_index 1 (from 0)", "is '5'", "Correct one of them"),
    ),
    "answers of two choices": (
        sample_table(answers=[["1"], ["2"], ["3", "5"], ["4"]]),
        ("sample s2", "no other choice"),
    ),
    "letter of another choice": (
        sample_table(answers=[["1"], ["2"], ["B"], ["4"]]),
        ("sample s2", "answers ['B']", "answer_index 0", "is '3'"),
    ),
    "split with a blank": (
        sample_table(split=["mine", "mine ", "test", "test"]),
        ("split of sample s1", "'mine '", "expected one of mine, test", "Did you mean mine"),
    ),
    "another split": (sample_table(split=["mine", "train", "test", "test"]), ("split of sample s1", "'train'")),
    "cluster in both splits": (
        sample_table(cluster_id=["c0", "c1", "c1", "c3"]),
        ("sample s2 of split 'test'", "the cluster 'c1' of sample s1 of split 'mine'", "split=paper"),
    ),
    "image in both splits": (
        sample_table(media=media(*IMAGES[:3], IMAGES[0])),
        ("sample s3 of split 'test'", "the image of sample s0 of split 'mine'", "Put both in one split"),
    ),
    "one split": (sample_table(split=["mine"] * 4), ("dataset mine", "no sample in split 'test'", "`mine`")),
    "no image": (
        sample_table(media=pa.array(second("media", []), _ARROW["media"])),
        ("sample s1", "holds no medium", "`modalities` say image"),
    ),
    "another medium": (
        sample_table(media=media(*IMAGES, kind="audio")),
        ("sample s0", "holds audio", "`modalities` say image"),
    ),
    "not an image": (sample_table(media=second_image(b"hello")), (*_DECODE, "5 bytes")),
    "image of no bytes": (sample_table(media=second_image(b"")), (*_DECODE, "0 bytes")),
    "truncated image": (sample_table(media=second_image(IMAGES[1][:-25])), _DECODE),
    "zero-size image": (sample_table(media=second_image(zero_size())), _DECODE),
    "broken chunk": (sample_table(media=second_image(wrong_length())), _DECODE),
}


def importance_columns(last: float) -> dict[str, Any]:
    """An importance table of two layers with eight neurons; `last` is the `max` of the last neuron."""
    columns = neuron_columns(("text", "image"), 2, 8)
    for field in filled_fields("importance"):
        columns.setdefault(field.name, np.linspace(0, 1, 32).round(3).astype(field.type.to_pandas_dtype()) + 1)
    columns["max"][-1] = last
    return columns
