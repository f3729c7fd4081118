"""Put designed neurons into an encoder or a projector, layer after layer: later ones read what earlier ones wrote."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from lode.engine.errors import UserError
from lode.grouping import Grouping
from lode.model.adapter import Adapter
from lode.planting.detectors import (
    LEAST_FIRING,
    RowDesign,
    RowLayer,
    add_cancelling_rows,
    add_detectors,
    add_large,
    add_twins,
)
from lode.planting.rows import Rows, Sample, observe_rows
from lode.planting.vision import with_room

Truth = list[dict[str, Any]]


def plant_rows(adapter: Adapter, samples: Sequence[Sample], grouping: Grouping, options: Any) -> tuple[Adapter, Truth]:
    """A copy of the model with neurons of known purpose at `planting.site`, and what is true of every neuron there.

    Args:
        adapter: the model as it is.
        samples: to design by.
        grouping: what is compared.
        options: the `planting` section.

    Raises:
        UserError: the model or the samples do not allow it.
    """
    rng = np.random.default_rng(options.seed)
    room = with_room(adapter, options.site)
    site = room.adapter.sites[options.site]
    truth: Truth = []
    for index, (first, act, reader) in enumerate(zip(room.first, site.activation, site.reader, strict=True)):
        (rows,) = observe_rows(room.adapter, [first], samples, grouping, options.groups, of_input=True)
        check_groups(rows, options.groups)
        shape = (room.num_before, rows, options.groups, options.host_frac, options.strength, rng)
        design = design_layer(RowLayer(first, reader, act, *shape), options, index, site.widths[index])
        order = rng.permutation(site.widths[index])
        write_rows(first, reader, design, room.num_before, torch.from_numpy(order))
        truth += [
            {"site": options.site, "layer": index, "neuron": place, **row}
            for place, row in enumerate(facts_of(design, order, room.num_before))
        ]
    check_planted(truth, options)
    return room.adapter, truth


def check_groups(rows: Rows, groups: Sequence[str]) -> None:
    """Refuse samples without rows of a group."""
    missing = [name for place, name in enumerate(groups) if not rows.members(place).any()]
    if missing:
        raise UserError(
            f"planting.groups: {', '.join(missing)} has no sample with a medium in mining_datasets; plant others, or "
            "mine a dataset of theirs"
        )


def check_planted(truth: Truth, options: Any) -> None:
    """Refuse a planting in which a group has no neuron: no layer of the site tells it from the others."""
    found = {row["group"] for row in truth if row["role"] == "planted"}
    missing = [name for name in options.groups if options.num_planted and name not in found]
    if missing:
        raise UserError(
            f"planting.site = {options.site}: in no layer a linear detector that is silent on all other rows fires on "
            f"{LEAST_FIRING:.0%} of the rows of {', '.join(missing)}; plant groups that differ more, or from more "
            "samples"
        )


def design_layer(layer: RowLayer, options: Any, index: int, width: int) -> RowDesign:
    """All neurons of a layer.

    Args:
        layer: as it was.
        options: the `planting` section.
        index: of the layer.
        width: neurons that it has room for, those that were there as well.
    """
    design = RowDesign()
    for place in range(len(layer.groups)):
        add_detectors(layer, design, place, options.num_planted, options.num_mute)
        for _ in range(options.num_unspecific):
            add_large(layer, design, place)
    for number in range(options.num_cancelling):
        add_cancelling_rows(layer, design, index * width + number)
    add_twins(layer, design, width - len(layer.gate), index * width + options.num_cancelling)
    return design


def facts_of(design: RowDesign, order: np.ndarray, num_before: int) -> Truth:
    """Role, group and pair of each neuron of a layer; `order` is where each comes from."""
    rows = []
    for source in order.tolist():
        if source >= num_before:
            neuron = design.added[source - num_before]
            rows.append({"role": neuron.role, "group": neuron.group, "pair": neuron.pair})
        else:
            is_host = source in design.hosts and source not in design.twins
            pair = design.twins.get(source, -1)
            rows.append({"role": "host" if is_host else "existing", "group": "", "pair": pair})
    return rows


@torch.no_grad()
def write_rows(first: nn.Linear, reader: nn.Linear, design: RowDesign, num_before: int, order: Tensor) -> None:
    """Write the designed neurons behind those that were there, then shuffle: an index must tell nothing."""
    for host, left in design.hosts.items():
        reader.weight[:, host] = left
    for place, neuron in enumerate(design.added, start=num_before):
        first.weight[place], first.bias[place], reader.weight[:, place] = neuron.gate, neuron.bias, neuron.down
    for weight in (first.weight, first.bias):
        weight.copy_(weight[order].clone())
    reader.weight.copy_(reader.weight[:, order].clone())
