"""What pictures of states share: a row a benchmark, a panel a layer, a point a token; grey where the medium is gone."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lode.figure import CONTROL, WIDTH, Looks, Table
from lode.statistics.taken import sinks
from lode.table._states import CLEAN, LAST, Kept, check_same, kept_of, variants_in

States = Float[np.ndarray, "token value"]
#: Tokens of a group that are drawn, those that the reservoir keeps first.
MOST = 120
#: The null that is drawn, the first that there is.
NULLS = ("blank", "silence", "noise", "permuted_weights")


class Points(NamedTuple):
    """Places in a picture, of the states as they are and of the same tokens under a null, and what the axes are."""

    clean: Float[np.ndarray, "token 2"]
    null: Float[np.ndarray, "token 2"]
    axes: tuple[str, str]


#: From the states of tokens, and those of the same under a null, to points.
Placing = Callable[[States, States], Points]


def picture(tables: dict[str, list[Table]], looks: Looks, place: Placing) -> Figure:
    """One row of panels for every states table: at the input, in the middle and at the end.

    Args:
        tables: of `states`.
        looks: how groups look.
        place: where states go.
    """
    found = tables["states"]
    figure = Figure(figsize=(WIDTH, 2.35 * len(found) + 0.3), layout="constrained")
    grid = figure.subplots(len(found), 3, squeeze=False)
    shown: dict[str, None] = {}
    for of_row, table in zip(grid, found, strict=True):
        clean, null, name = drawn(table)
        last = clean.states.shape[1] - 1
        title = " · ".join(table.keys.values())
        for axes, layer in zip(of_row, (0, last // 2, last), strict=True):
            points = place(*(kept.states[:, layer].astype(np.float64) for kept in (clean, null)))
            _draw_panel(axes, clean.groups, points, looks)
            head = f"{title}; grey: {name.replace('_', ' ')}" if not layer else ""
            axes.set_title(f"{head}\nstate {layer}", loc="left", fontsize=7)
        shown |= dict.fromkeys(clean.groups.tolist())
    _legend(figure, looks.in_order(shown), looks)
    return figure


def drawn(table: Table) -> tuple[Kept, Kept, str]:
    """The tokens of a table that are drawn, the same under a null, and which null; no first token, and no sink."""
    variants = variants_in(table.data)
    name = next((null for null in NULLS if null in variants), CLEAN)
    clean, null = kept_of(table.data, CLEAN), kept_of(table.data, name)
    check_same(name, null, clean)
    taken = (clean.groups != LAST) & (clean.positions > 0)
    taken[taken] = ~sinks(clean.norms[taken], clean.groups[taken])
    for group in np.unique(clean.groups[taken]):
        taken[np.flatnonzero(taken & (clean.groups == group))[MOST:]] = False
    return clean.of(taken), null.of(taken), name


def _draw_panel(axes: Axes, groups: np.ndarray, points: Points, looks: Looks) -> None:
    for group in looks.in_order(np.unique(groups).tolist()):
        of, marker = groups == group, looks.marker(group)
        (x, y), (null_x, null_y) = points.clean[of].T, points.null[of].T
        axes.scatter(null_x, null_y, s=7, color=CONTROL, alpha=0.45, marker=marker, linewidths=0, zorder=1)
        axes.scatter(x, y, s=8, color=looks.colour(group), alpha=0.75, marker=marker, linewidths=0,
                     zorder=2)  # fmt: skip
    axes.set_xlabel(points.axes[0], fontsize=7)
    axes.set_ylabel(points.axes[1], fontsize=7)
    axes.set_xticks([])
    axes.set_yticks([])


def _legend(figure: Figure, groups: list[str], looks: Looks) -> None:
    """Which group looks how."""
    axes = figure.axes[0]
    handles = [axes.scatter([], [], s=14, color=looks.colour(each), marker=looks.marker(each)) for each in groups]
    figure.legend(handles, groups, loc="outside lower center", ncols=max(1, len(groups)))
