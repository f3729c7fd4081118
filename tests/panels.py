"""What tests of figures share: tables out of rows, and what stands in the panels of a figure."""

import numpy as np
import pyarrow as pa
from matplotlib.axes import Axes

from lode.figure import Looks, Table
from lode.study import compose
from lode.table import table_of

#: How modalities look.
LOOKS = Looks(compose().grouping)
KEYS = {"model": "m", "selection": "s", "intervention": "zero", "dataset": "d"}
Drops = dict[str, tuple[float, list[float]]]


def as_table(kind: str, rows: list[dict], keys: dict[str, str] = KEYS) -> Table:
    """A table of some rows under its schema."""
    names = {"neurons": ("model", "selection"), "verdicts": ()}.get(kind, tuple(keys))
    return Table({name: keys[name] for name in names}, pa.Table.from_pylist(rows, schema=table_of(kind).schema))


def panels_of(figure: object, title: str) -> list[Axes]:
    """The panels with a title."""
    return [axes for axes in figure.axes if axes.get_title("left") == title]  # type: ignore[attr-defined]


def points_of(axes: Axes, label: str) -> list[float]:
    """Where along x a panel shows what carries a label."""
    lines = [line for line in axes.lines if line.get_label() == label]
    return [float(x) for line in lines for x in np.ravel(line.get_xdata())]
