"""ErrorRadar's own table, by a map from our names of its columns to theirs: nothing of it is guessed.

Neither its columns nor the layout of its files is public. So the map is asked for, the columns of the file are shown to
whoever has to write it, and a value that is not of the expected form is refused by record.
"""

import csv
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from lode.dataset._errorradar import CATEGORIES, Solution
from lode.dataset._splits import Draw, drawn_ids
from lode.engine.errors import UserError, unknown_name
from lode.engine.paths import user_path
from lode.hub.datasets import Record, Source, commit_of, fetch, media_type
from lode.media import Medium, Sampling, decode, shown_digest

#: What a record is made of, by our names.
FIELDS = ("question", "image", "correct_answer", "student_answer", "steps", "gold_step", "category", "problem_type")
ENDINGS = (".csv", ".json", ".jsonl", ".parquet")
#: Records of a Parquet file that are held at once.
BATCH = 16


@dataclass(frozen=True)
class Place:
    """Where the table and its images are, and what its columns mean.

    Attributes:
        source: the repository, or the folder that holds the table.
        table: name of the file within it.
        images: where the names of image files start from.
        columns: their names by ours; None: not said yet.
        categories: ours (VIS, ...) by theirs; empty: they use ours.
        first_step: the number of the first step in their gold steps.
        separator: what stands between steps in a text; None: steps are a list, or a list in JSON.
    """

    source: Source
    table: str
    images: Source
    image_folder: str = ""
    columns: Mapping[str, str | None] = field(default_factory=dict)
    categories: Mapping[str | int, str] = field(default_factory=dict)
    first_step: int = 1
    separator: str | None = None

    def __str__(self) -> str:
        return f"{self.table} of {self.source}"


def place_of(
    path: str | None, source: str | None, revision: str | None, table: str | None, images: str | None
) -> tuple[Source, str, Source, str]:
    """Repository, table, where images are, and their folder there, from the options of a dataset.

    Raises:
        UserError: no table is named.
    """
    if path is not None:
        file = user_path(path)
        return Source(str(file.parent)), file.name, Source(str(user_path(images) if images else file.parent)), ""
    if source is None or table is None:
        raise UserError(
            f"dataset.options: source = {source}, table = {table}; expected the name of a table of the repository "
            f"({', '.join(ENDINGS)}) in `table`, or the path of a copy here in `path`"
        )
    return Source(source, revision), table, Source(source, revision), images or ""


def rows_of(file: Path) -> Iterator[Record]:
    """The records of a table, in its order: CSV (all values are texts), JSON (a list), JSON lines, or Parquet.

    Raises:
        UserError: it is none of them.
    """
    if file.suffix not in ENDINGS:
        raise unknown_name(f"ending of the table {file.name}", file.suffix, ENDINGS)
    try:
        yield from _READERS[file.suffix](file)
    except (ValueError, OSError, csv.Error, pa.ArrowException) as error:
        raise UserError(f"{file}: not a readable table ({error}); expected a {file.suffix} file of records") from error


def _csv(file: Path) -> Iterator[Record]:
    with file.open(newline="", encoding="utf-8-sig") as opened:
        reader = csv.DictReader(opened, strict=True)
        names = list(reader.fieldnames or ())
        if len(set(names)) < len(names):
            raise ValueError(f"two columns of {', '.join(names)} have one name")
        for number, row in enumerate(reader, 1):
            if None in row:
                raise ValueError(f"record {number} has more than the {len(names)} cells of the header")
            yield row


def _json(file: Path) -> Iterator[Record]:
    yield from (_mapping(record) for record in json.loads(file.read_text("utf-8-sig")))


def _json_lines(file: Path) -> Iterator[Record]:
    with file.open(encoding="utf-8-sig") as opened:
        yield from (_mapping(json.loads(line)) for line in opened if line.strip())


def _parquet(file: Path) -> Iterator[Record]:
    with pq.ParquetFile(file) as opened:
        for batch in opened.iter_batches(batch_size=BATCH):
            yield from batch.to_pylist()


_READERS = {".csv": _csv, ".json": _json, ".jsonl": _json_lines, ".parquet": _parquet}


def _mapping(record: Any) -> Record:
    """A record, which must be an object."""
    if not isinstance(record, dict):
        raise ValueError(f"a record is {str(record)[:40]!r}, and no object")
    return record


def columns_of(place: Place, have: Iterable[str]) -> dict[str, str]:
    """The map from `FIELDS` to columns of the table; refused where it leaves one out, has another, or does not fit.

    Args:
        place: with the map.
        have: the columns of the table.

    Raises:
        UserError: names the columns of the table, and asks for the map.
    """
    for name in place.columns:
        if name not in FIELDS:
            raise unknown_name("name in dataset.options.columns", name, FIELDS)
    columns = list(have)
    said = {name: column for name in FIELDS if (column := place.columns.get(name)) is not None}
    unsaid = [name for name in FIELDS if name not in said]
    absent = [column for column in said.values() if column not in columns]
    twice = sorted({column for column in said.values() if list(said.values()).count(column) > 1})
    if twice:
        raise UserError(
            f"{place}: dataset.options.columns names {', '.join(twice)} for two of {', '.join(FIELDS)}; expected a "
            "column of its own for each"
        )
    if unsaid or absent:
        wrong = f"say nothing of {', '.join(unsaid)}" if unsaid else f"name {', '.join(absent)}, which it lacks"
        raise UserError(
            f"{place}: dataset.options.columns {wrong}. Its columns are {', '.join(columns) or '(none)'}; expected a "
            f"map of {', '.join(FIELDS)} to them, such as dataset.options.columns.question='<column>'"
        )
    return said


def read(place: Place) -> Iterator[tuple[str, Record]]:
    """Every record of the table with its id, by our names; raises `UserError` as `columns_of` and `rows_of` do."""
    file = fetch(place.source, place.table)
    number = 0
    for number, row in enumerate(rows_of(file), 1):
        record = {name: row[column] for name, column in columns_of(place, row).items()}
        empty = [name for name, value in record.items() if is_empty(value)]
        if empty:
            raise UserError(
                f"{place}: record {number} has no {', '.join(empty)}; expected a value in every column of the map. "
                "Drop the record or fill it in"
            )
        yield f"errorradar-{number:05d}", record
    if not number:
        raise UserError(f"{place}: no record; expected the items of ErrorRadar. Fetch it again")


def is_empty(value: Any) -> bool:
    """Whether there is nothing in a cell: null, not a number, or blanks."""
    return value is None or value != value or (isinstance(value, str) and not value.strip())


def picture(place: Place, sample_id: str, value: Any) -> Medium:
    """The image of a record: bytes, a mapping that holds them, or the name of a file within the folder of images.

    Raises:
        UserError: it is none of them, there is no such file, or it lies outside.
    """
    data = value.get("bytes") if isinstance(value, dict) else value
    if isinstance(data, str):
        if PurePosixPath(data).is_absolute() or ".." in PurePosixPath(data).parts:
            raise UserError(
                f"{place}: the image of {sample_id} is {data[:60]!r}; expected a name within the folder of images "
                "(dataset.options.images)"
            )
        data = fetch(place.images, "/".join(filter(None, (place.image_folder, data)))).read_bytes()
    if not isinstance(data, bytes):
        raise UserError(
            f"{place}: the image of {sample_id} is {str(value)[:60]!r}; expected the name of a file (from "
            "dataset.options.images on), or its bytes"
        )
    return Medium("image", data, media_type(data))


def steps_of(place: Place, sample_id: str, value: Any) -> tuple[str, ...]:
    """The steps of a record: a list, a list in JSON, or a text that is cut at the separator.

    Raises:
        UserError: it is none of them, or holds no step.
    """
    found = value
    if isinstance(value, str):
        try:
            found = json.loads(value) if place.separator is None else value.split(place.separator)
        except ValueError:
            found = None
    texts = (
        [step.strip() for step in found] if isinstance(found, list) and all(isinstance(s, str) for s in found) else []
    )
    if not texts or not all(texts):
        raise UserError(
            f"{place}: the steps of {sample_id} are {str(value)[:60]!r}; expected a list of texts, a list in JSON, or "
            "a text with dataset.options.separator between the steps"
        )
    return tuple(texts)


def gold_step_of(place: Place, sample_id: str, value: Any, num_steps: int) -> int:
    """The first wrong step, from 1 on.

    Raises:
        UserError: it is no number of a step.
    """
    text = str(value).strip()
    step = int(text) - place.first_step + 1 if re.fullmatch(r"-?[0-9]+", text) else 0
    if not 1 <= step <= num_steps:
        raise UserError(
            f"{place}: the gold step of {sample_id} is {text!r}; expected a whole number from {place.first_step} to "
            f"{place.first_step + num_steps - 1}, as it has {num_steps} steps (dataset.options.first_step is the "
            "number of the first)"
        )
    return step


def category_of(place: Place, sample_id: str, value: Any) -> str:
    """Our name of a category.

    Raises:
        UserError: it is not in the map, the map names none of ours for it, or without a map it is none of ours.
    """
    known = {str(theirs): ours for theirs, ours in place.categories.items()} or {name: name for name in CATEGORIES}
    text = str(value).strip()
    if text not in known:
        remedy = f"Say in dataset.options.categories which of {', '.join(CATEGORIES)} each of theirs is."
        raise unknown_name(f"category of {sample_id} in {place}", text, known, remedy)
    if known[text] not in CATEGORIES:
        raise unknown_name(f"category in dataset.options.categories for {text!r}", known[text], CATEGORIES)
    return known[text]


def solutions(place: Place, draw: Draw) -> Iterator[Solution]:
    """A uniform draw of the split, in the table's order; one image is in one split.

    The table is read twice: images first, to decide.

    Args:
        place: of the table.
        draw: which to take.

    Raises:
        UserError: as everything above.
    """
    images = {name: _shown(place, name, record) for name, record in read(place)}
    wanted = drawn_ids(images.items(), draw)
    for name, record in read(place):
        if name in wanted:
            steps = steps_of(place, name, record["steps"])
            yield Solution(
                sample_id=name,
                cluster_id=images[name],
                split=draw.split,
                question=str(record["question"]).strip(),
                image=picture(place, name, record["image"]),
                correct=str(record["correct_answer"]).strip(),
                said=str(record["student_answer"]).strip(),
                steps=steps,
                gold_step=gold_step_of(place, name, record["gold_step"], len(steps)),
                category=category_of(place, name, record["category"]),
                problem_type=str(record["problem_type"]).strip(),
                meta={"revision": commit_of(place.source)},
            )


def _shown(place: Place, sample_id: str, record: Record) -> str:
    """The cluster of a record: what its image shows."""
    return f"image-{shown_digest(decode(sample_id, picture(place, sample_id, record['image']), Sampling()))[:16]}"
