"""What selectors read: an importance table, and the gradients of the same model beside it."""

from pathlib import Path

import pyarrow as pa

from lode.engine.errors import UserError
from lode.engine.tables import read_table
from lode.table._counts import COUNTS
from lode.table._dense import of_site, site_of
from lode.table._neuron import KEYS
from lode.table._owner import owners_of
from lode.table.attributions import ATTRIBUTIONS
from lode.table.importance import IMPORTANCE

#: What an importance table and the gradients of the same model must agree in.
SHARED = tuple(column.name for column in (*KEYS, *COUNTS))


def read_importance(importance: str | Path, gradients: str | Path | None) -> pa.Table:
    """An importance table, with the columns of the gradients of the same model where their path is given.

    Whose they are is left out: a selector sees no name of a model. With gradients the rows are those of their site.

    Raises:
        UserError: they are not of the same model, neurons and samples.
    """
    read = read_table(importance, IMPORTANCE)
    table = read.select(IMPORTANCE.schema.names)
    if gradients is None:
        return table
    further = read_table(gradients, ATTRIBUTIONS)
    owners = [owners_of(each) for each in (further, read)]
    if owners[0] != owners[1]:
        raise UserError(
            f"{gradients} is of model {', '.join(owners[0])} and {importance} of {', '.join(owners[1])}; expected one "
            "model: neuron 7 of another is another neuron. Hand over two tables of one model"
        )
    table = of_site(table, site_of(further))
    for name in SHARED:
        if not table[name].equals(further[name]):
            raise UserError(
                f"{gradients} and {importance} differ in {name!r}; expected the same neurons and samples. "
                "Delete both and run again"
            )
    return with_gradients(table, further)


def with_gradients(importance: pa.Table, gradients: pa.Table) -> pa.Table:
    """An importance table with the attributions to the same neurons beside its own columns."""
    for name in (name for name in ATTRIBUTIONS.schema.names if name not in SHARED):
        importance = importance.append_column(gradients.schema.field(name), gradients[name])
    return importance
