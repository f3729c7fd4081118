"""The tables that flow between stages: the only reader and writer of results.

Their schemas are in `lode/schemas.py`. Every table carries its provenance: digests of config and code, and library
versions; and a seal (`lode/engine/seal.py`), by which `make verify` finds what was changed since.
"""

import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from glob import escape as glob_escape
from hashlib import sha256
from importlib.metadata import version
from itertools import islice
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from lode.engine.errors import UserError, writing
from lode.engine.seal import BLANK, seal
from lode.schemas import SCHEMAS

LIBRARIES = ("torch", "transformers", "numpy", "pyarrow")
PROVENANCE_KEY = b"lode"
SEAL_KEY = b"lode_seal"
COMPRESSION = "zstd"


def provenance(semantic: str, code_digest: str) -> dict[str, Any]:
    """What a table records about its making: no time, no host, so that equal runs give equal bytes.

    Args:
        semantic: the config of the step as sorted JSON.
        code_digest: digest of the code of the step.
    """
    return {
        "config": json.loads(semantic),
        "config_digest": f"d{sha256(semantic.encode()).hexdigest()[:16]}",
        "code_digest": code_digest,
        "versions": {name: version(name) for name in ("lode", *LIBRARIES)},
    }


def write_table(
    path: str | Path, kind: str, columns: Mapping[str, Any] | Sequence[Mapping[str, Any]], made_by: Mapping[str, Any]
) -> None:
    """Write a table under its schema: checked, to a temporary name, then renamed.

    Args:
        path: where the table goes.
        kind: a key of `SCHEMAS`.
        columns: columns by name, or rows as mappings; what may be null may be left out.
        made_by: the result of `provenance`; further keys are kept.

    Raises:
        ValueError: a column is missing, unknown or of the wrong type.
    """
    table = (
        pa.Table.from_pydict(with_nulls(columns, SCHEMAS[kind]), schema=SCHEMAS[kind])
        if isinstance(columns, Mapping)
        else pa.Table.from_pylist(list(columns), schema=SCHEMAS[kind])
    )
    refuse_nulls(table, kind)
    sealed_table = table.replace_schema_metadata(_metadata(kind, made_by))
    with replacing(path) as temporary, parquet_writer(temporary, sealed_table.schema) as writer:
        writer.write_table(sealed_table)


def write_rows(
    path: str | Path, kind: str, rows: Iterable[Mapping[str, Any]], made_by: Mapping[str, Any], group_size: int = 50
) -> None:
    """Write a table row by row, for tables that need not fit in memory; otherwise as `write_table`.

    Args:
        path: where the table goes; nothing is left there when `rows` or a check raises.
        kind: a key of `SCHEMAS`.
        rows: rows as mappings, read once.
        made_by: the result of `provenance`; further keys are kept.
        group_size: rows that are held in memory, and in one row group of the file.

    Raises:
        ValueError: a column is missing, unknown or of the wrong type.
    """
    schema = SCHEMAS[kind].with_metadata(_metadata(kind, made_by))
    left = iter(rows)
    with replacing(path) as temporary, parquet_writer(temporary, schema) as writer:
        while group := list(islice(left, group_size)):
            table = pa.Table.from_pylist(group, schema=schema)
            refuse_nulls(table, kind)
            writer.write_table(table)


@contextmanager
def parquet_writer(path: Path, schema: pa.Schema) -> Iterator[pq.ParquetWriter]:
    """A writer whose file carries a blank seal, for `replacing` to fill in."""
    with pq.ParquetWriter(path, schema, compression=COMPRESSION) as writer:
        writer.add_key_value_metadata({SEAL_KEY: BLANK})
        yield writer


def _metadata(kind: str, made_by: Mapping[str, Any]) -> dict[bytes, bytes]:
    return {PROVENANCE_KEY: json.dumps({"table": kind, **made_by}, sort_keys=True).encode()}


def refuse_nulls(table: pa.Table, kind: str) -> None:
    """Raise `ValueError` naming the first column that must have a value in every row and has not."""
    for column in SCHEMAS[kind]:
        if not column.nullable and table[column.name].null_count:
            raise ValueError(f"table {kind!r}: column {column.name!r} holds nulls; every row must have a value")


def with_nulls(columns: Mapping[str, Any], schema: pa.Schema) -> dict[str, Any]:
    """The columns, and nulls for those that may be null and are left out, as rows are read too."""
    length = len(next(iter(columns.values()))) if columns else 0
    left_out = [field for field in schema if field.nullable and field.name not in columns]
    return {**columns, **{field.name: pa.nulls(length, field.type) for field in left_out}}


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


def read_table(path: str | Path, kind: str) -> pa.Table:
    """Read a table and check that it is of the kind asked for.

    Raises:
        UserError: the file is no Parquet table, or lacks a column of its kind.
    """
    try:
        table = pq.read_table(path)
        check_columns(table, kind, path)
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:  # damaged names of columns are no text
        raise UserError(f"{path}: not a readable Parquet table ({error}); delete it and run again") from error
    return table


def read_importance(importance: str | Path, gradients: str | Path | None) -> pa.Table:
    """An importance table, with the columns of the gradients of the same model where their path is given.

    Raises:
        UserError: they are not of the same neurons and samples.
    """
    table = read_table(importance, "importance")
    if gradients is None:
        return table
    further = read_table(gradients, "gradients")
    for name in ("modality", "layer", "neuron", "num_samples", "num_tokens"):
        if not table[name].equals(further[name]):
            raise UserError(
                f"{gradients} and {importance} differ in {name!r}; expected the same neurons and samples. "
                "Delete both and run again"
            )
    return with_gradients(table, further)


def with_gradients(importance: pa.Table, gradients: pa.Table) -> pa.Table:
    """An importance table with the attributions of a gradients table of the same neurons beside its own columns."""
    for name in SCHEMAS["gradients"].names[5:]:
        importance = importance.append_column(gradients.schema.field(name), gradients[name])
    return importance


def check_columns(table: pa.Table, kind: str, origin: object) -> None:
    """Raise `UserError` naming every column of the kind that the table lacks."""
    missing = [name for name in SCHEMAS[kind].names if name not in table.column_names]
    if missing:
        raise UserError(
            f"{origin}: missing column {', '.join(map(repr, missing))}; a {kind} table has "
            f"{', '.join(SCHEMAS[kind].names)} and this one has {', '.join(table.column_names)}"
        )


def read_provenance(path: str | Path) -> dict[str, Any]:
    """The provenance that `write_table` stored."""
    return json.loads(pq.read_schema(path).metadata[PROVENANCE_KEY])


def label(kind: str, column: str) -> str:
    """An axis label from the schema: the description with its unit."""
    meta = SCHEMAS[kind].field(column).metadata
    return f"{meta[b'description'].decode()} [{meta[b'unit'].decode()}]"


def neuron_columns(modalities: Sequence[str], num_layers: int, num_neurons: int) -> dict[str, Any]:
    """The three key columns of a dense (modality, layer, neuron) table, in C order."""
    names = pa.DictionaryArray.from_arrays(
        np.repeat(np.arange(len(modalities), dtype=np.int8), num_layers * num_neurons), pa.array(list(modalities))
    )
    layers = np.tile(np.repeat(np.arange(num_layers, dtype=np.int16), num_neurons), len(modalities))
    neurons = np.tile(np.arange(num_neurons, dtype=np.int32), len(modalities) * num_layers)
    return {"modality": names.cast(pa.string()), "layer": layers, "neuron": neurons}


def dense(table: pa.Table, columns: Sequence[str]) -> tuple[tuple[str, ...], np.ndarray]:
    """Read columns of a dense table back as one array.

    Returns:
        The modality names, and an array (column, modality, layer, neuron).
    """
    modalities, shape = dense_shape(table)
    return modalities, np.stack([table[c].to_numpy().reshape(shape) for c in columns])


def dense_lists(table: pa.Table, column: str) -> np.ndarray:
    """Read a column of lists, all of one length, as an array (modality, layer, neuron, item)."""
    _, shape = dense_shape(table)
    lists = table[column].combine_chunks()
    return lists.flatten().to_numpy().reshape(*shape, -1)


def dense_shape(table: pa.Table) -> tuple[tuple[str, ...], tuple[int, int, int]]:
    """The modalities of a dense table and its shape (modality, layer, neuron).

    Raises:
        UserError: rows are missing, or in another order.
    """
    modalities = tuple(table["modality"].unique().to_pylist())
    num_layers = int(np.max(table["layer"].to_numpy())) + 1 if table.num_rows else 0
    num_neurons = int(np.max(table["neuron"].to_numpy())) + 1 if table.num_rows else 0
    expected = neuron_columns(modalities, num_layers, num_neurons)
    for key in ("layer", "neuron"):
        if not np.array_equal(table[key].to_numpy(), expected[key]):
            raise UserError("a table of neurons must be dense in (modality, layer, neuron) order")
    return modalities, (len(modalities), num_layers, num_neurons)


def list_column(values: np.ndarray) -> pa.Array:
    """A column of lists from an array (modality, layer, neuron, item), in C order."""
    offsets = np.arange(0, values.size + 1, values.shape[-1], dtype=np.int32)
    return pa.ListArray.from_arrays(offsets, pa.array(values.ravel()))
