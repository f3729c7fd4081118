"""The tables that flow between steps: the only reader and writer of results.

What its tables are, a study says itself. Every file carries its provenance: digests of config and code, and versions of
libraries; and a seal (`lode/engine/seal.py`), by which `make verify` finds what was changed since.
"""

import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from glob import escape as glob_escape
from hashlib import sha256
from importlib.metadata import version
from itertools import islice
from pathlib import Path
from typing import Any
from uuid import uuid4

import pyarrow as pa
import pyarrow.parquet as pq

from lode.engine.errors import UserError, writing
from lode.engine.seal import BLANK, seal

#: What a result is recorded to be made with, where a study does not say otherwise.
LIBRARIES = ("lode", "torch", "transformers", "numpy", "pyarrow")
PROVENANCE_KEY = b"lode"
SEAL_KEY = b"lode_seal"
COMPRESSION = "zstd"
#: Rows of a column of one value that are in memory; further rows are the same ones.
REPEATED = 2**16


@dataclass(frozen=True)
class Table:
    """What a table is.

    Attributes:
        name: as its files record it.
        schema: the columns that a step makes, each a `field` (`lode/engine/fields.py`).
        keys: text columns in front of them, whose values the path of a file says: no step makes them.
        path: what the last parts of that path stand for, folders first; all `keys`, and what is no column.
    """

    name: str
    schema: pa.Schema
    keys: tuple[pa.Field, ...] = ()
    path: tuple[str, ...] = ()

    @property
    def columns(self) -> pa.Schema:
        """All columns of its files."""
        return pa.schema([*self.keys, *self.schema])

    def said_by(self, path: str | Path) -> dict[str, str]:
        """The values of `keys`, by name: `.../m/s.parquet` of a table with `path` (x, y) says x = m, y = s.

        Raises:
            UserError: the path has too few parts.
        """
        parts = Path(path).with_suffix("").parts[bool(Path(path).anchor) :]
        if len(parts) < len(self.path):
            raise UserError(
                f"{path}: a {self.name} table takes its columns {', '.join(key.name for key in self.keys)} from its "
                f"path; expected one that ends in {'/'.join(f'<{part}>' for part in self.path)}.parquet"
            )
        said = dict(zip(reversed(self.path), reversed(parts), strict=False))
        return {key.name: said[key.name] for key in self.keys}


def provenance(semantic: str, code_digest: str, libraries: Sequence[str] = LIBRARIES) -> dict[str, Any]:
    """What a table records about its making: no time, no host, so that equal runs give equal bytes.

    Args:
        semantic: the config of the step as sorted JSON.
        code_digest: digest of the code of the step.
        libraries: names of distributions whose versions are recorded.
    """
    return {
        "config": json.loads(semantic),
        "config_digest": f"d{sha256(semantic.encode()).hexdigest()[:16]}",
        "code_digest": code_digest,
        "versions": {name: version(name) for name in libraries},
    }


def write_table(
    path: str | Path, table: Table, columns: Mapping[str, Any] | Sequence[Mapping[str, Any]], made_by: Mapping[str, Any]
) -> None:
    """Write a table under its schema: checked, to a temporary name, then renamed.

    Args:
        path: where the file goes; it says the `keys` of the table.
        table: what it is.
        columns: columns by name, or rows as mappings; what may be null may be left out.
        made_by: the result of `provenance`; further keys are kept.

    Raises:
        ValueError: a column is missing, unknown or of the wrong type.
        UserError: the path does not say the keys.
    """
    said = table.said_by(path)
    data = (
        pa.Table.from_pydict(with_nulls(columns, table), schema=table.schema)
        if isinstance(columns, Mapping)
        else pa.Table.from_pylist(list(columns), schema=table.schema)
    )
    refuse_nulls(data, table)
    sealed = with_keys(data, table, said).replace_schema_metadata(_metadata(table, made_by))
    with replacing(path) as temporary, parquet_writer(temporary, sealed.schema) as writer:
        writer.write_table(sealed)


def write_rows(
    path: str | Path, table: Table, rows: Iterable[Mapping[str, Any]], made_by: Mapping[str, Any], group_size: int = 50
) -> None:
    """Write a table row by row, for tables that need not fit in memory; otherwise as `write_table`.

    Args:
        path: where the file goes; nothing is left there when `rows` or a check raises.
        table: what it is.
        rows: rows as mappings, read once.
        made_by: the result of `provenance`; further keys are kept.
        group_size: rows that are held in memory, and in one row group of the file.

    Raises:
        ValueError: a column is missing, unknown or of the wrong type.
        UserError: the path does not say the keys.
    """
    said, schema = table.said_by(path), table.columns.with_metadata(_metadata(table, made_by))
    left = iter(rows)
    with replacing(path) as temporary, parquet_writer(temporary, schema) as writer:
        while group := list(islice(left, group_size)):
            data = pa.Table.from_pylist(group, schema=table.schema)
            refuse_nulls(data, table)
            writer.write_table(with_keys(data, table, said).cast(schema))


@contextmanager
def parquet_writer(path: Path, schema: pa.Schema) -> Iterator[pq.ParquetWriter]:
    """A writer whose file carries a blank seal, for `replacing` to fill in."""
    with pq.ParquetWriter(path, schema, compression=COMPRESSION) as writer:
        writer.add_key_value_metadata({SEAL_KEY: BLANK})
        yield writer


def _metadata(table: Table, made_by: Mapping[str, Any]) -> dict[bytes, bytes]:
    return {PROVENANCE_KEY: json.dumps({"table": table.name, **made_by}, sort_keys=True).encode()}


def refuse_nulls(data: pa.Table, table: Table) -> None:
    """Raise `ValueError` naming the first column that must have a value in every row and has not."""
    for column in table.schema:
        if not column.nullable and data[column.name].null_count:
            raise ValueError(f"table {table.name!r}: column {column.name!r} holds nulls; every row must have a value")


def with_nulls(columns: Mapping[str, Any], table: Table) -> dict[str, Any]:
    """The columns, and nulls for those that may be null and are left out, as rows are read too."""
    length = len(next(iter(columns.values()))) if columns else 0
    left_out = [field for field in table.schema if field.nullable and field.name not in columns]
    return {**columns, **{field.name: pa.nulls(length, field.type) for field in left_out}}


def with_keys(data: pa.Table, table: Table, said: Mapping[str, str]) -> pa.Table:
    """What a step made, with the columns in front that the path of its file says; these share a few rows of memory."""
    columns = [repeated(said[key.name], data.num_rows) for key in table.keys]
    return pa.table([*columns, *data.columns], schema=table.columns)


def repeated(value: str, length: int) -> pa.ChunkedArray:
    """A text column of one value."""
    rows = pa.repeat(value, min(length, REPEATED))
    whole, rest = divmod(length, REPEATED)
    return pa.chunked_array([rows] * whole + [rows.slice(0, rest)], pa.string())


@contextmanager
def replacing(path: str | Path, sealed: bool = True) -> Iterator[Path]:
    """Give a temporary name beside `path`; seal and rename on success, remove on failure.

    The name is one of its own, and what a killed job of the same output left is removed: a job that outlived its
    workflow can spoil no file.

    Args:
        path: where the file goes.
        sealed: whether the file holds a blank seal (`lode/engine/seal.py`), to be filled in.

    Raises:
        UserError: the disk is full, or the folder may not be written to.
    """
    path = Path(path)
    temporary = path.with_name(f".{path.name}.{uuid4().hex[:8]}.partial")
    try:
        with writing(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            for left in path.parent.glob(f".{glob_escape(path.name)}.*.partial"):
                left.unlink(missing_ok=True)
            yield temporary
            if sealed:
                seal(temporary)
            os.replace(temporary, path)
    finally:
        if temporary.exists():
            temporary.unlink()


def read_table(path: str | Path, table: Table) -> pa.Table:
    """Read a file and check that it is the table asked for; its keys as dictionaries, of 4 bytes a row.

    Raises:
        UserError: the file is no Parquet table, or lacks a column.
    """
    try:
        data = pq.read_table(path, read_dictionary=[key.name for key in table.keys])
        check_columns(data, table.name, table.columns.names, path)
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:  # damaged names of columns are no text
        raise UserError(f"{path}: not a readable Parquet table ({error}); delete it and run again") from error
    return data


def check_columns(data: pa.Table, kind: str, names: Sequence[str], origin: object) -> None:
    """Raise `UserError` naming every column of a kind of table that the data lack."""
    missing = [name for name in names if name not in data.column_names]
    if missing:
        raise UserError(
            f"{origin}: missing column {', '.join(map(repr, missing))}; a {kind} table has {', '.join(names)} "
            f"and this one has {', '.join(data.column_names)}"
        )


def read_provenance(path: str | Path) -> dict[str, Any]:
    """The provenance that `write_table` stored."""
    record: dict[str, Any] = json.loads(pq.read_schema(path).metadata[PROVENANCE_KEY])
    return record


def meaning(table: Table, column: str) -> str:
    """What a column says: its description."""
    return str(table.schema.field(column).metadata[b"description"], "utf-8")


def label(table: Table, column: str) -> str:
    """An axis label from the schema: the description with its unit."""
    return f"{meaning(table, column)} [{table.schema.field(column).metadata[b'unit'].decode()}]"
