"""Neuron lists: in and out as Parquet or CSV, and the neurons that a model has of them, by site."""

from collections.abc import Sequence
from pathlib import Path
from typing import TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.csv as csv
import pyarrow.parquet as pq

from lode.engine.errors import UserError, unknown_name, writing
from lode.engine.tables import replacing
from lode.grouping import PROMPT, Grouping
from lode.library.opening import Model
from lode.model.sites import size_of
from lode.neurons import ALL, LM_GATE, Pairs, Places

Neurons: TypeAlias = pa.Table | Sequence[Sequence[int]] | np.ndarray
#: The columns of a list; all but `NEEDED` may be left out, and then the site is the language model's gate.
COLUMNS = {
    "site": pa.string(),
    "layer": pa.int16(),
    "neuron": pa.int32(),
    "score": pa.float64(),
    "set_name": pa.string(),
}
NEEDED = ("layer", "neuron")
#: Columns that tell one set from another.
SETS = ("model", "selection", "set_name", "kind", "control_of", "control_kind", "control_draw")
#: How many neurons a message names.
NUM_NAMED = 5


def read_neurons(path: str | Path, model: Model | None = None) -> pa.Table:
    """Read a neuron list: columns `layer` and `neuron`, counted from 0, and `site`, `score`, `set_name` if it has them.

    Args:
        path: `.parquet` or `.csv` with a header; further columns are left out.
        model: that the neurons must be of.

    Raises:
        UserError: no such file, no such columns, a value that is no whole number of at least 0, or one that the model
            does not have.
    """
    path = Path(path).expanduser()
    check_suffix(path)
    try:
        held = pq.read_table(path) if path.suffix == ".parquet" else csv.read_csv(path, convert_options=as_written())
        names = [name for name in COLUMNS if name in NEEDED or name in held.column_names]
        rows = held.select(names).cast(pa.schema([(name, COLUMNS[name]) for name in names]))
    except (pa.ArrowException, OSError, KeyError) as error:
        raise UserError(
            f"{path}: {error}; expected a table with the columns layer and neuron (whole numbers), and, where it has "
            "them, score (a number), site and set_name (text)"
        ) from error
    check_places(rows, str(path))
    if model is not None:
        check_range(model, places(rows), str(path))
    return rows


def write_neurons(path: str | Path, neurons: Neurons) -> None:
    """Write a neuron list, or the rows of a neurons table.

    Args:
        path: `.parquet` or `.csv`.
        neurons: a table with the columns of `read_neurons`, or (layer, neuron) pairs.

    Raises:
        UserError: another suffix, no such columns, or a place that cannot be written to.
    """
    path = Path(path).expanduser()
    check_suffix(path)
    rows = neurons if isinstance(neurons, pa.Table) else of_pairs(neurons)
    check_places(rows, "neurons")
    rows = rows.select([name for name in COLUMNS if name in rows.column_names]).replace_schema_metadata(None)
    with writing(path), replacing(path, sealed=False) as temporary:
        if path.suffix == ".parquet":
            pq.write_table(rows, temporary)
        else:
            csv.write_csv(rows, temporary)


def as_written() -> csv.ConvertOptions:
    """How values of a CSV are read: an empty field is null, and nan is a number."""
    return csv.ConvertOptions(column_types=COLUMNS, null_values=[""], strings_can_be_null=False)


def check_suffix(path: Path) -> None:
    """Refuse a file that is neither Parquet nor CSV by its name."""
    if path.suffix not in (".parquet", ".csv"):
        raise UserError(f"{path}: expected a name that ends in .parquet or .csv")


def check_places(rows: pa.Table, origin: str) -> None:
    """Refuse a table without a layer and a neuron, counted from 0, in every row, or with a site in some only."""
    for name in NEEDED:
        if name not in rows.column_names:
            raise UserError(f"{origin}: no column {name!r}; it has {', '.join(rows.column_names)}")
        if not pa.types.is_integer(rows[name].type) or rows[name].null_count:
            raise UserError(f"{origin}: column {name!r} holds {rows[name].type} or nulls; expected whole numbers")
        if rows.num_rows and (lowest := int(np.min(rows[name].to_numpy()))) < 0:
            raise UserError(f"{origin}: column {name!r} holds {lowest}; layers and neurons are counted from 0")
    if "site" in rows.column_names and rows["site"].null_count:
        raise UserError(f"{origin}: column 'site' is empty in some rows; expected a site in all, or no such column")


def of_pairs(pairs: Sequence[Sequence[int]] | np.ndarray) -> pa.Table:
    """A table of (layer, neuron) pairs.

    Raises:
        UserError: they are no pairs of whole numbers.
    """
    array = np.asarray(pairs)
    if array.ndim != 2 or array.shape[1] != 2 or not np.issubdtype(array.dtype, np.integer):
        raise UserError(
            f"neurons of shape {array.shape} and type {array.dtype}: expected (layer, neuron) pairs of whole numbers"
        )
    return pa.table({"layer": array[:, 0], "neuron": array[:, 1]})


def of_places(found: Places) -> pa.Table:
    """A table of neurons by site."""
    sites = [name for name, pairs in found.items() for _ in pairs]
    pairs = np.concatenate([*found.values()])
    return pa.table({"site": sites, "layer": pairs[:, 0], "neuron": pairs[:, 1]})


def places(rows: pa.Table) -> dict[str, Pairs]:
    """The neurons of a table by site, each once, in order."""
    sites = rows["site"].to_numpy() if "site" in rows.column_names else np.full(rows.num_rows, LM_GATE)
    pairs = np.stack([rows[name].to_numpy().astype(np.int64) for name in NEEDED], axis=1)
    return {name: np.unique(pairs[sites == name], axis=0) for name in dict.fromkeys(sites.tolist())}


def neurons_of(model: Model, neurons: Neurons) -> dict[str, Pairs]:
    """The unique neurons of one set by site, all of them of the model.

    Raises:
        UserError: no neuron, several sets, a set of another model, or a site or neuron that the model does not have.
    """
    rows = neurons if isinstance(neurons, pa.Table) else of_pairs(neurons)
    check_places(rows, "neurons")
    refuse_several(rows)
    check_owner(model, rows, "neurons")
    found = places(rows)
    if not found:
        raise UserError("no neuron to switch: the list is empty")
    check_range(model, found, "neurons")
    return found


def check_owner(model: Model, rows: pa.Table, what: str) -> None:
    """Refuse rows that say themselves that they are of another model."""
    owners = rows["model"].unique().to_pylist() if "model" in rows.column_names else []
    if any(owner != model.adapter.config.name for owner in owners):
        raise UserError(
            f"{what} of model {', '.join(owners)}, and {model.adapter.config.name} is open; open that model, or drop "
            "the column `model` where this one is meant"
        )


def refuse_several(rows: pa.Table) -> None:
    """Refuse rows of more than one set."""
    keys = [name for name in SETS if name in rows.column_names]
    sets = rows.group_by(keys).aggregate([]) if keys else rows.slice(0, 1)
    if sets.num_rows > 1:
        told = [key for key in keys if len(sets[key].unique()) > 1]
        raise UserError(
            f"neurons of {sets.num_rows} sets, which differ in {', '.join(told)}; expected those of one: "
            'lode.load(...).table("neurons", model=..., selection=..., set_name=...)'
        )


def check_range(model: Model, found: Places, origin: str) -> None:
    """Refuse sites and neurons that a model does not have."""
    sites, owner = model.adapter.sites, model.adapter.config.name
    for name, pairs in found.items():
        if name not in sites:
            raise unknown_name(f"site of model {owner}", name, sites, f"{origin} names it.")
        widths = dict(enumerate(sites[name].widths))
        outside = [(layer, neuron) for layer, neuron in pairs.tolist() if not 0 <= neuron < widths.get(layer, 0)]
        if outside:
            named = ", ".join(f"neuron {neuron} of layer {layer}" for layer, neuron in outside[:NUM_NAMED])
            more = f" and {len(outside) - NUM_NAMED} more" if len(outside) > NUM_NAMED else ""
            raise UserError(
                f"{origin}: site {name} of model {owner} has no {named}{more}; it has {size_of(sites[name])}, both "
                "counted from 0"
            )


def group_of(neurons: Neurons, grouping: Grouping) -> str | None:
    """What a set serves, or the set that a control is matched to; that of the union is the whole prompt."""
    if not isinstance(neurons, pa.Table) or "set_name" not in neurons.column_names or not neurons.num_rows:
        return None
    of = neurons["control_of"][0].as_py() if "control_of" in neurons.column_names else ""
    name = of or neurons["set_name"][0].as_py()
    return PROMPT if name == ALL else name if name in grouping.groups else None
