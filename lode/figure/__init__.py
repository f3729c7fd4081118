"""Figures: one file each. A plug-in draws one figure from the tables of a run.

A plug-in `lode/figure/<name>.py` has one public function::

    def draw(tables: dict[str, list[Table]], looks: Looks) -> matplotlib.figure.Figure

`tables` maps a kind of table to all tables of that kind; its config `config/figure/<name>.yaml` lists
the kinds it needs. `looks` says in which order and colour sets come: one colour and one marker a group across all
figures, as its grouping says (`config/grouping/`). This module holds the rest of the house style: type sizes for a page
180 mm wide, and labels from the units of the tables. A plug-in makes `Figure` objects; the state machine of pyplot is
never touched. The stage saves the figure, and calls `draw` within `house_style`.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, NamedTuple

import matplotlib
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure

from lode.config import GroupingSection
from lode.control import headline_first
from lode.engine.errors import UserError
from lode.engine.paths import paths_of
from lode.engine.tables import Table as Kind
from lode.engine.tables import read_table
from lode.grouping import Grouping, grouping_of
from lode.table._dense import of_site
from lode.table._keys import keys_of


class Look(NamedTuple):
    """How a set looks in every figure: a colour, and a marker of matplotlib, so that no figure needs its colours."""

    colour: str
    marker: str


WIDTH = 7.1  # inches: 180 mm, the text width of a page
INK = "#222222"
MUTED = "#6b6b6b"
CONTROL = "#a3a3a3"  # random controls, in every figure

#: The union of all sets, and a set that is no group or whose group has no look.
_ALL, _OTHER = Look(INK, "h"), Look("#5e5e5e", "p")

_STYLE: dict[Any, Any] = {
    "font.family": "DejaVu Sans",  # comes with matplotlib, so that every machine draws the same letters
    "font.size": 8,
    "axes.titlesize": 8,
    "axes.labelsize": 8,
    "axes.labelcolor": INK,
    "axes.edgecolor": "#9a9a9a",
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "axes.unicode_minus": True,
    "xtick.labelsize": 7,
    "ytick.labelsize": 7.5,
    "xtick.color": INK,
    "ytick.color": INK,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "xtick.major.size": 2.5,
    "ytick.major.size": 2.5,
    "text.color": INK,
    "legend.fontsize": 7.5,
    "legend.frameon": False,
    "grid.color": "#e4e4e4",
    "grid.linewidth": 0.6,
    "figure.facecolor": "white",
    "savefig.dpi": 200,
    "svg.fonttype": "path",
}


@dataclass(frozen=True)
class Table:
    """What a step made, and what its path says about it: some of model, selection, intervention, dataset."""

    keys: Mapping[str, str]
    data: pa.Table


def read_tables(io: Mapping[str, Any], kinds: Iterable[Kind]) -> dict[str, list[Table]]:
    """Read all tables of some kinds that a job was handed, in the order given, by the name of their kind.

    Raises:
        UserError: there is no table of a kind, or a file is not of its kind.
    """
    tables = {}
    for kind in kinds:
        name = kind.name
        paths = paths_of(io.get(name))
        if not paths:
            raise UserError(f"no {name} table was given; expected a path, or a list of paths, as io.{name}")
        made = kind.schema.names
        tables[name] = [Table(keys_of(name, path), read_table(path, kind).select(made)) for path in paths]
    return tables


@contextmanager
def house_style(salt: str) -> Iterator[None]:
    """Draw in the house style; `salt` names the figure, so that ids within its SVG are its own and stable."""
    with matplotlib.rc_context():
        matplotlib.rcdefaults()  # whatever the user's matplotlibrc says
        matplotlib.rcParams.update({**_STYLE, "svg.hashsalt": salt})
        yield


@dataclass(frozen=True)
class Looks:
    """How sets look, the same in every figure.

    Attributes:
        section: what is compared, and how its groups look.
    """

    section: GroupingSection

    @property
    def grouping(self) -> Grouping:
        """Whose groups the sets serve."""
        return grouping_of(self.section)

    def look(self, set_name: str) -> Look:
        """The colour and the marker of a set."""
        said = self.section.looks.get(set_name)
        return _ALL if set_name == "all" else _OTHER if said is None else Look(said.colour, said.marker)

    def colour(self, set_name: str) -> str:
        """The colour of a set."""
        return self.look(set_name).colour

    def marker(self, set_name: str) -> str:
        """The marker of a set, so that no figure needs its colours."""
        return self.look(set_name).marker

    def in_order(self, set_names: Iterable[str]) -> list[str]:
        """Sets in one fixed order: groups, then other names, then the union of all."""
        order = {name: place for place, name in enumerate(self.grouping.names)}
        return sorted(set(set_names), key=lambda name: (name == "all", order.get(name, len(order)), name))


def by_site(table: Table) -> list[Table]:
    """A table of neurons site by site; of several, each with its site among its keys, so that a heading says it."""
    sites = table.data["site"].unique().to_pylist()
    if len(sites) < 2:
        return [table]
    return [Table({**table.keys, "site": site}, of_site(table.data, site)) for site in sites]


def method_sets(neurons: pa.Table, looks: Looks) -> dict[str, np.ndarray]:
    """The unique neurons of each set that the method chose at one site, without controls.

    Returns:
        By set name an int array (neuron, 2) of (layer, neuron), sorted.
    """
    chosen = neurons.filter(pc.equal(neurons["kind"], "method"))
    names = np.array(chosen["set_name"].to_pylist(), dtype=object)
    pairs = np.stack([chosen["layer"].to_numpy(), chosen["neuron"].to_numpy()], axis=1).astype(np.int64)
    if not names.size:
        raise UserError("a neurons table holds no selected neuron; raise selection.ratio")
    return {name: np.unique(pairs[names == name], axis=0) for name in looks.in_order(names)}


def groups_in_effect(neurons: pa.Table) -> dict[str, tuple[float, float]]:
    """By set the mean exp(H) of its neurons, and that of its headline controls; NaN where there is none.

    Sets of which no neuron has one, as of a selection of one group, are left out.
    """
    columns = ["set_name", "control_of", "control_kind", "effective_groups"]
    means = neurons.select(columns).group_by(columns[:3]).aggregate([("effective_groups", "mean")]).to_pylist()
    known: dict[tuple[str, str], list[float]] = {}
    for row in means:
        if row["effective_groups_mean"] is not None:
            of = row["control_of"] or row["set_name"]
            known.setdefault((of, row["control_kind"]), []).append(row["effective_groups_mean"])
    found = {}
    for (name, kind), (own, *_) in known.items():
        if not kind:
            first = headline_first(other for of, other in known if of == name and other)[:1]
            found[name] = (own, float(np.mean(known[name, first[0]])) if first else float("nan"))
    return found


def heading(keys: Mapping[str, str]) -> str:
    """What a row of panels shows, from the keys of its table without the benchmark."""
    return " · ".join(value for name, value in keys.items() if name != "dataset")


def outcome_rows(table: Table, outcome: str) -> list[dict[str, Any]]:
    """The rows of one outcome (`content`, `stopping`, `score`) in a table that has several."""
    return table.data.filter(pc.equal(table.data["outcome"], outcome)).to_pylist()


def first_controls(effects: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """One row for each score and set of an effects table: that of its headline kind of control, which comes first."""
    found: dict[tuple[str, str, str], dict[str, Any]] = {}
    for row in effects:
        found.setdefault((row["dataset"], row["score_name"], row["set_name"]), row)
    return list(found.values())


def grid_columns(num_panels: int) -> int:
    """How many panels to put side by side: at most four, and rows as even as can be."""
    return -(-num_panels // -(-num_panels // 4))


def blocks(figure: Figure, titles: Sequence[str], heights: Sequence[float | int]) -> list[SubFigure]:
    """Cut a figure into parts one below the other, each under a bold heading.

    Args:
        figure: the whole figure.
        titles: the heading of each part.
        heights: how the parts share the height.
    """
    parts = list(figure.subfigures(len(titles), 1, squeeze=False, height_ratios=heights)[:, 0])
    for part, title in zip(parts, titles, strict=True):
        part.suptitle(title, x=0.01, ha="left", fontsize=8.5, fontweight="bold")
    return parts


def fill(grid: np.ndarray, num_panels: int) -> list[Axes]:
    """The axes of a grid that panels go to; hides the others, and labels the ticks of the lowest in each column."""
    axes = list(grid.flat)
    for unused in axes[num_panels:]:
        unused.set_visible(False)
    for lowest in axes[max(0, num_panels - grid.shape[1]) : num_panels]:
        lowest.tick_params(labelbottom=True)
    return axes[:num_panels]


def beats_controls(effect: Mapping[str, Any]) -> bool:
    """Whether a set lost some score, and more than every one of its matched controls.

    For a set no better than its controls this happens by chance in 1 of 1 + num_controls cases.
    """
    smallest_p = 1 / (1 + effect["num_controls"])
    return bool(effect["num_controls"] and effect["drop"] > 0 and effect["p_value"] < smallest_p * 1.001)
