"""Statistics of several sites, one site at a time, and the importance of some of their shards (docs/methods.md 1.3)."""

from collections.abc import Mapping, Sequence

import pyarrow as pa

from lode.engine.errors import UserError
from lode.engine.tables import with_nulls
from lode.importance.aggregation import site_columns
from lode.importance.sums import Sums, added, sums_of
from lode.table._dense import of_site
from lode.table.importance import IMPORTANCE
from lode.table.statistics import STATISTICS

#: By dataset, the shards in order: as tables, of any number of sites, and as what they hold of one.
Tables = Mapping[str, Sequence[pa.Table]]
Shards = Mapping[str, Sequence[Sums]]


def sites_held(shards: Tables) -> list[str]:
    """The sites that shards hold, in their order."""
    return [str(site) for site in next(iter(shards.values()))[0]["site"].unique().to_pylist()]


def at_site(shards: Tables, site: str) -> dict[str, list[pa.Table]]:
    """The rows of one site, whose dataset is a key; columns of the statistics alone."""
    names = STATISTICS.schema.names
    return {name: [of_site(table, site).select(names) for table in tables] for name, tables in shards.items()}


def num_shards(shards: Tables | Shards) -> int:
    """How many shards every dataset has.

    Raises:
        UserError: one only, of which there are no parts.
    """
    count = min(map(len, shards.values()))
    if count < 2:
        raise UserError(
            "capture.shards = 1, capture.blocks = 1: no blocks of samples to deal anew; set capture.blocks=10"
        )
    return count


def importance_of(shards: Shards) -> pa.Table:
    """The importance table of shards of one site."""
    return pa.table(
        with_nulls(site_columns({name: added(parts) for name, parts in shards.items()}), IMPORTANCE),
        schema=IMPORTANCE.schema,
    )


def as_sums(shards: Tables) -> dict[str, list[Sums]]:
    """What tables of one site hold, read once."""
    return {name: [sums_of(table) for table in tables] for name, tables in shards.items()}


def some(shards: Shards, which: Sequence[int]) -> dict[str, list[Sums]]:
    """Of every dataset the shards of these numbers, in their order; one may come several times."""
    return {name: [parts[index] for index in which] for name, parts in shards.items()}
