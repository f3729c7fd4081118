"""The neuron set: which neurons, at which sites, and what it is called in every table.

A neuron is (site, layer, neuron); a set holds its neurons by site, as unique (layer, neuron) pairs. No torch here.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import pyarrow as pa
from jaxtyping import Int

from lode.grouping import PROMPT

#: The union of the sets of a selection; it serves the whole prompt.
ALL = "all"
#: The gate of the language model's feed-forward layers, a site of every model.
LM_GATE = "lm_gate"

#: (layer, neuron); sets of one call differ in length.
Pairs: TypeAlias = Int[np.ndarray, "_ 2"]
#: Neurons by site.
Places: TypeAlias = Mapping[str, Pairs]


class SetKey(NamedTuple):
    """What identifies a set; the fields are columns of every table with sets (`lode/table/_neuron_set.py`)."""

    set_name: str
    kind: str
    control_of: str = ""
    control_kind: str = ""
    control_draw: int = -1

    @property
    def group(self) -> str:
        """What the set, or the set that this control is matched to, serves; that of the union is the whole prompt."""
        name = self.control_of or self.set_name
        return PROMPT if name == ALL else name


@dataclass(frozen=True, eq=False)
class NeuronSet:
    """A set: its key, and its unique (layer, neuron) pairs by site."""

    key: SetKey
    places: Places = field(default_factory=dict)

    @property
    def num_neurons(self) -> int:
        """Of all sites together."""
        return sum(map(len, self.places.values()))

    @property
    def group(self) -> str:
        """As of its key."""
        return self.key.group


def unique_pairs(pairs: Pairs | Iterable[Iterable[int]]) -> Pairs:
    """(layer, neuron) pairs, each once, in order."""
    return np.array(sorted({(int(layer), int(neuron)) for layer, neuron in pairs}), dtype=np.int64).reshape(-1, 2)


def at_gate(pairs: Pairs | Iterable[Iterable[int]]) -> dict[str, Pairs]:
    """Neurons of the language model's gate."""
    return {LM_GATE: unique_pairs(pairs)}


def by_layer(pairs: Pairs) -> dict[int, list[int]]:
    """(layer, neuron) pairs as the sorted neurons of each layer."""
    grouped: dict[int, list[int]] = {}
    for layer, neuron in unique_pairs(pairs).tolist():
        grouped.setdefault(layer, []).append(neuron)
    return grouped


def sets_of(table: pa.Table) -> list[NeuronSet]:
    """Every set of a neurons table, in the order of the first row of each; its sites too.

    Args:
        table: with the columns of `SetKey`, and `site`, `layer` and `neuron`.
    """
    found: dict[SetKey, dict[str, list[tuple[int, int]]]] = {}
    columns: list[list[Any]] = [table[name].to_pylist() for name in (*SetKey._fields, "site", "layer", "neuron")]
    for *key, site, layer, neuron in zip(*columns, strict=True):
        found.setdefault(SetKey(*key), {}).setdefault(site, []).append((layer, neuron))
    return [NeuronSet(key, {site: unique_pairs(p) for site, p in sites.items()}) for key, sites in found.items()]
