"""Statistics of the living layers of every site that a selection is made at, shard by shard."""

from collections.abc import Iterator

import pyarrow as pa

from lode.config import SelectionSection
from lode.grouping import Grouping
from lode.importance.by_site import Shards, Tables, as_sums, at_site, importance_of, sites_held
from lode.selection._sites import Dead, Living, sites_of


def living_shards(
    shards: Tables, selection: SelectionSection, grouping: Grouping, dead: Dead
) -> Iterator[tuple[Living, Shards]]:
    """Each site of a selection with its shards, their dead layers left out and the others numbered anew.

    Args:
        shards: of all mining datasets of one model, of any number of sites.
        selection: the `selection` section.
        grouping: what is compared.
        dead: layers that cannot matter.

    Raises:
        UserError: as `sites_of`.
    """
    asked = sites_held(shards) if selection.sites is None else selection.sites
    by_site = {site: at_site(shards, site) for site in asked}
    whole = pa.concat_tables([importance_of(as_sums(of)) for of in by_site.values()])
    for part in sites_of(whole, selection, grouping, dead):
        yield part, living_of(part, by_site[part.site])


def living_of(part: Living, shards: Tables) -> Shards:
    """What shards of one site hold without its dead layers."""
    return as_sums({name: [part.part_of(table) for table in tables] for name, tables in shards.items()})
