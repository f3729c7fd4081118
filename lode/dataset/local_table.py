"""Your own data: a Parquet file with the record schema of the dataset table.

Columns: sample_id, cluster_id, split (`mine` / `test`), prompt, media (list of {kind, bytes, mime}),
answers, choices, answer_index (-1 where there are no choices), meta (JSON). An answer to a choice is its text in every
record, or its letter (A for the first) in every record; which of the two, the table as a whole tells.

The file is read twice, a few records at a time: first all columns but `media`, then the records that are asked for. A
cluster is in one split, and so is a medium.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from string import ascii_uppercase
from typing import Any
from unicodedata import normalize

import pyarrow as pa
import pyarrow.parquet as pq

from lode.dataset import BY_LETTER, Sample
from lode.engine.errors import UserError, unknown_name
from lode.engine.paths import user_path
from lode.engine.tables import check_columns
from lode.media import Medium
from lode.scoring._diagnostics import canonical
from lode.table.dataset import DATASET

HELD_OUT = "clusters"
SPLITS = ("mine", "test")
#: Columns that every record must fill; the others may be null, which means: none.
REQUIRED = ("sample_id", "cluster_id", "split", "prompt")
#: Records that are held at once, with media and without; a column may hold more bytes than one array of its type can.
BATCH, TEXT_BATCH = 8, 1024


@contextmanager
def opened(file: Path) -> Iterator[pq.ParquetFile]:
    """The file, open.

    Raises:
        UserError: here and while it is read: it is no Parquet table, or lacks a column.
    """
    try:
        with pq.ParquetFile(file, buffer_size=2**20, pre_buffer=False) as table:
            check_columns(table.schema_arrow.empty_table(), DATASET.name, DATASET.schema.names, file)
            yield table
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:  # damaged names of columns are no text
        raise UserError(f"{file}: not a readable Parquet table ({error}); write it again") from error


def typed(array: pa.Array, kind: pa.DataType) -> pa.Array:
    """An array in the type of the dataset table, every value looked at: a damaged file may hold bytes that are no text.

    Raises:
        pa.ArrowException: the type, or a value, does not go.
    """
    array = array.cast(kind)
    array.validate(full=True)
    return array


def read_records(file: Path, columns: Sequence[str]) -> Iterator[dict[str, Any]]:
    """The records of the file in these columns, in the types of the dataset table.

    Raises:
        UserError: a column is missing, of another type, or null where a value is needed; or a value does not go.
    """
    fields = [DATASET.schema.field(name) for name in columns]
    with opened(file) as table:
        for field in fields:
            check_type(file, table.schema_arrow.field(field.name), field.type)
        first, size = 0, BATCH if "media" in columns else TEXT_BATCH
        for batch in table.iter_batches(batch_size=size, columns=list(columns)):
            yield from pa.table({field.name: values(file, batch, field, first) for field in fields}).to_pylist()
            first += batch.num_rows


def check_type(file: Path, given: pa.Field, expected: pa.DataType) -> None:
    """Refuse a column whose type cannot become the expected one, whatever its values."""
    try:
        typed(pa.array([], given.type), expected)
    except pa.ArrowException as error:
        raise UserError(f"{file}: column {given.name!r} is {given.type}; expected {expected} ({error})") from error


def values(file: Path, batch: pa.RecordBatch, field: pa.Field, first: int) -> pa.Array:
    """A column of some records, the first of which is number `first` of the file; raises as `read_records` does."""
    try:
        array = typed(batch[field.name], field.type)
    except pa.ArrowException as error:
        raise UserError(
            f"{file}: column {field.name!r}, rows {first} to {first + batch.num_rows - 1}: {error}; expected "
            f"{field.type}, and at most 2 GB in these rows"
        ) from error
    if field.name in REQUIRED and array.null_count:
        raise UserError(f"{file}: column {field.name!r} holds nulls; every record must have a value")
    return array


def check_split(file: Path, row: Mapping[str, Any]) -> str:
    """The split of a record; raises `UserError` naming the record when there is no such split."""
    if row["split"] not in SPLITS:
        raise unknown_name(f"split of sample {row['sample_id']} in {file}", row["split"], SPLITS)
    return str(row["split"])


def split_sizes(file: Path) -> dict[str, int]:
    """How many records each split holds; raises `UserError` as `read_records` and `check_split` do."""
    sizes = dict.fromkeys(SPLITS, 0)
    for row in read_records(file, ("sample_id", "split")):
        sizes[check_split(file, row)] += 1
    return sizes


def answers_by_letter(file: Path) -> bool:
    """Whether the answers are letters of choices: all are, and not all are texts of choices.

    All records are looked at, so that what one split is does not depend on the other.

    Raises:
        UserError: as `read_records` and `check_split`, for every column but `media`.
    """
    letter = text = True
    for row in read_records(file, [name for name in DATASET.schema.names if name != "media"]):
        check_split(file, row)
        choices, index = row["choices"] or (), row["answer_index"]
        if index is not None and 0 <= index < len(choices):
            letter &= index < len(ascii_uppercase) and ascii_uppercase[index] in (row["answers"] or ())
            text &= choices[index] in (row["answers"] or ())
    return letter and not text


def check_choices(file: Path, row: Mapping[str, Any], by_letter: bool) -> None:
    """Refuse choices of which one is blank, or which no reply could tell apart.

    Args:
        file: whose record it is.
        row: the record; no choice is null.
        by_letter: a reply is a letter, so texts may differ in capitals alone.

    Raises:
        UserError: names the record, its choices and the one to fix.
    """
    seen: set[str] = set()
    for choice in row["choices"] or ():
        text = normalize("NFC", choice.strip()) if by_letter else canonical(choice)
        if not text or text in seen:
            wrong = "occurs twice" if text else "is blank"
            apart = "" if by_letter else " (blanks around them and capitals do not count)"
            raise UserError(
                f"{file}: sample {row['sample_id']}: choices {row['choices']}, of which {choice!r} {wrong}; expected "
                f"texts that all differ{apart}. Correct the choice or drop the sample"
            )
        seen.add(text)


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
        split: `mine` or `test`.
        num_samples: at most this many.
        seed: not used; the file's order counts.
        path: the Parquet file, relative to the project, absolute, or from the home folder (`~`).

    Raises:
        UserError: no such file, or records that do not fit the schema.
    """
    del seed
    file = user_path(path)
    if not file.is_file():
        raise UserError(f"dataset.options.path: {file} is not a file; expected a Parquet table of samples")
    by_letter = answers_by_letter(file)
    further = BY_LETTER if by_letter else {}
    left = num_samples
    for row in read_records(file, DATASET.schema.names):
        if not left:
            return
        if row["split"] == split:
            left -= 1
            sample = to_sample(file, row)
            check_choices(file, row, by_letter)
            yield replace(sample, meta=sample.meta | further) if sample.choices else sample
