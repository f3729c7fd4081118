"""Whose neurons a table is about: a stage that runs a model takes none of another model."""

from pathlib import Path

import pyarrow as pa

from lode.engine.errors import UserError
from lode.engine.tables import Table, read_table
from lode.table._run import MODEL


def owners_of(rows: pa.Table) -> list[str]:
    """The models that the rows of a table are of, in order of their names."""
    return sorted(rows.unify_dictionaries()[MODEL.name].unique().to_pylist())


def read_of(path: str | Path, table: Table, model: str) -> pa.Table:
    """Read a table of the neurons of one model: neuron 7 of another is another neuron.

    Args:
        path: of the file.
        table: one with the key `model`.
        model: that is run; a planted model goes by the name of its planting.

    Raises:
        UserError: a row is of another model; or as `read_table`.
    """
    rows = read_table(path, table)
    owners = owners_of(rows)
    if any(owner != model for owner in owners):
        written = "/".join(f"<{part}>" for part in table.path)
        raise UserError(
            f"{path}: {table.name} of model {', '.join(owners)}, and model {model} is run; expected rows of "
            f"{model} alone. Hand over the {table.name} table of {model}, or run the model of this one; whose a table "
            f"is says the path that it was written to, .../{written}.parquet"
        )
    return rows
