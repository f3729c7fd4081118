"""An importance table taken one site at a time: of each its living layers, numbered anew, and the way back.

All neurons of a dead layer at 0 move no logit (`lode/model/proofs.py`), so that to choose them, or to draw them as a
control, could show nothing. They are left out before a plug-in sees the table: a ratio is one of the neurons that can
matter, and a percentile one of theirs.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias
from zlib import crc32

import numpy as np
import pyarrow as pa
from jaxtyping import Int

from lode.config import SelectionSection
from lode.engine.errors import UserError
from lode.grouping import Grouping
from lode.neurons import LM_GATE, Pairs
from lode.selection import occurring, taking_part
from lode.table._dense import of_site

#: By site the layers that cannot matter.
Dead: TypeAlias = Mapping[str, Sequence[int]]


@dataclass(frozen=True)
class Living:
    """The living layers of one site.

    Attributes:
        site: its name.
        table: the rows of these layers, numbered from 0: dense in (group, layer, neuron).
        layers: what number each has at the site.
        groups: those that take part in the selection and occur at the site.
    """

    site: str
    table: pa.Table
    layers: Int[np.ndarray, " layer"]
    groups: tuple[str, ...]

    def places(self, pairs: Pairs) -> Pairs:
        """The (layer, neuron) at the site of pairs that were chosen from the table."""
        return np.stack([self.layers[pairs[:, 0]], pairs[:, 1]], axis=1)

    def part_of(self, table: pa.Table) -> pa.Table:
        """The same layers of another table of the site, numbered as here."""
        layers = table["layer"].to_numpy()
        alive = np.isin(layers, self.layers)
        if alive.all():
            return table
        numbers = np.searchsorted(self.layers, layers[alive]).astype(np.int16)
        place = table.column_names.index("layer")
        return table.filter(pa.array(alive)).set_column(place, table.schema.field("layer"), pa.array(numbers))


def sites_of(table: pa.Table, selection: SelectionSection, grouping: Grouping, dead: Dead) -> list[Living]:
    """The sites that a selection is made at, each of its own.

    Args:
        table: an importance table of any number of sites.
        selection: the `selection` section: sites (None: all that the table holds), group_split and groups.
        grouping: what is compared.
        dead: layers that cannot matter.

    Raises:
        UserError: a site that the table lacks, with no living layer, or of none of the groups; a group that was asked
            for and occurs at none of the sites.
    """
    asked = table["site"].unique().to_pylist() if selection.sites is None else list(selection.sites)
    parts = {site: of_site(table, site) for site in asked}
    wanted = taking_part(pa.concat_tables([*parts.values()]), grouping, selection.group_split, selection.groups)
    return [living(site, part, wanted, dead.get(site, ())) for site, part in parts.items()]


def living(site: str, table: pa.Table, wanted: Sequence[str], dead: Sequence[int]) -> Living:
    """The living layers of one site.

    Args:
        site: its name.
        table: its rows.
        wanted: the groups of the selection.
        dead: layers of the site that cannot matter.

    Raises:
        UserError: no layer is left, or none of the groups occurs.
    """
    here = occurring(table)
    groups = tuple(name for name in wanted if name in here)
    if not groups:
        raise UserError(
            f"selection.sites: at {site} none of the groups {', '.join(wanted) or '(none)'} occurs, only "
            f"{', '.join(sorted(here)) or 'none'}; take {site} out of selection.sites, or choose another group_split"
        )
    layers = np.unique(table["layer"].to_numpy()).astype(np.int64)
    alive = layers[~np.isin(layers, list(dead))]
    if not alive.size:
        raise UserError(f"selection.sites: all {len(layers)} layers of {site} are dead; take it out of selection.sites")
    part = Living(site, table, alive, groups)
    return replace(part, table=part.part_of(table))


def seed_at(seed: int, site: str) -> int:
    """The seed of what is drawn at a site: of the language model's gate the seed itself, of others one of their own."""
    return seed if site == LM_GATE else int(np.random.SeedSequence([seed, crc32(site.encode())]).generate_state(1)[0])
