"""What selectors read: an importance table, and the gradients of the same model beside it."""

from pathlib import Path

import pyarrow as pa

from lode.engine.errors import UserError
from lode.engine.tables import read_table
from lode.table.attributions import ATTRIBUTIONS
from lode.table.importance import IMPORTANCE


def read_importance(importance: str | Path, gradients: str | Path | None) -> pa.Table:
    """An importance table, with the columns of the gradients of the same model where their path is given.

    Whose they are is left out: a selector sees no name of a model.

    Raises:
        UserError: they are not of the same neurons and samples.
    """
    table = read_table(importance, IMPORTANCE).select(IMPORTANCE.schema.names)
    if gradients is None:
        return table
    further = read_table(gradients, ATTRIBUTIONS)
    for name in ("modality", "layer", "neuron", "num_samples", "num_tokens"):
        if not table[name].equals(further[name]):
            raise UserError(
                f"{gradients} and {importance} differ in {name!r}; expected the same neurons and samples. "
                "Delete both and run again"
            )
    return with_gradients(table, further)


def with_gradients(importance: pa.Table, gradients: pa.Table) -> pa.Table:
    """An importance table with the attributions to the same neurons beside its own columns."""
    for name in ATTRIBUTIONS.schema.names[5:]:
        importance = importance.append_column(gradients.schema.field(name), gradients[name])
    return importance
