"""Your own data: a Parquet file with the record schema of the dataset table.

Columns: sample_id, cluster_id, split (`mine` / `report`), prompt, media (list of {kind, bytes, mime}),
answers, choices, answer_index (-1 where there are no choices), meta (JSON).
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa

from lode.artifacts import SCHEMAS, read_table
from lode.config import ROOT
from lode.dataset import Sample
from lode.errors import UserError
from lode.media import Medium

#: Columns that every record must fill; the others may be null, which means: none.
REQUIRED = ("sample_id", "cluster_id", "split", "prompt")


def read_records(file: Path) -> list[dict[str, Any]]:
    """The records of the file, in the types of the dataset table.

    Raises:
        UserError: a column is missing, of another type, or null where a value is needed.
    """
    table = read_table(file, "dataset")
    columns = {}
    for field in SCHEMAS["dataset"]:
        try:
            columns[field.name] = table[field.name].cast(field.type)
            columns[field.name].validate(full=True)  # a damaged file may hold bytes that are no text
        except pa.ArrowException as error:
            kind = table[field.name].type
            raise UserError(f"{file}: column {field.name!r} is {kind}; expected {field.type} ({error})") from error
        if field.name in REQUIRED and columns[field.name].null_count:
            raise UserError(f"{file}: column {field.name!r} holds nulls; every record must have a value")
    return pa.table(columns).to_pylist()


def to_sample(file: Path, row: dict[str, Any]) -> Sample:
    """One record as a sample; raises `UserError` naming it when its `meta` is no JSON object or a list holds null."""
    answers, choices, media = (tuple(row[name] or ()) for name in ("answers", "choices", "media"))
    if None in answers + choices + media:
        raise UserError(
            f"{file}: sample {row['sample_id']} holds a null answer, choice or medium; drop it or fill it in"
        )
    try:
        meta = dict(json.loads(row["meta"] or "{}"))
    except (ValueError, TypeError) as error:
        raise UserError(
            f"{file}: sample {row['sample_id']}: meta {row['meta']!r} is no JSON object ({error})"
        ) from error
    return Sample(
        **{name: row[name] for name in REQUIRED},
        answers=answers,
        media=tuple(Medium(**medium) for medium in media),
        choices=choices,
        answer_index=-1 if row["answer_index"] is None else row["answer_index"],
        meta=meta,
    )


def samples(split: str, num_samples: int, seed: int, path: str) -> Iterator[Sample]:
    """Yield the first `num_samples` records of the split.

    Args:
        split: `mine` or `report`.
        num_samples: at most this many.
        seed: not used; the file's order counts.
        path: the Parquet file, relative to the project or absolute.

    Raises:
        UserError: no such file, or records that do not fit the schema.
    """
    del seed
    file = ROOT / path
    if not file.is_file():
        raise UserError(f"dataset.options.path: {file} is not a file; expected a Parquet table of samples")
    rows = [row for row in read_records(file) if row["split"] == split]
    for row in rows[:num_samples]:
        yield to_sample(file, row)
