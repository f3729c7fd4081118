"""Where the last token's attention takes what it writes: share of each group of tokens in the output, by layer.

A row a benchmark, a panel a group; the line is the mean share with its 95 % interval, thin the attention mass of the
same tokens, in grey the share under every null. Shares of all panels of a row sum to 1, and so do masses; where they
differ, tokens that are looked at write little, or much. It does not tell whether what is taken is used.
"""

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lode.figure import MUTED, Looks, Table
from lode.figure._traced import CLEAN, Row, draw_clean, draw_nulls, line, nulls_of, rows_by_layer

SHARE = ("share", "interval_low", "interval_high")


def draw(tables: dict[str, list[Table]], looks: Looks) -> Figure:
    """One row of panels for every flow table."""

    def panel(axes: Axes, rows: Sequence[Row], group: str) -> None:
        axes.axhline(0, color=MUTED, linewidth=0.6)
        draw_nulls(axes, rows, group, "share", nulls_of(rows))
        axes.plot(*line(rows, group, CLEAN, "mass"), color=looks.colour(group), linewidth=0.7, zorder=2)
        draw_clean(axes, rows, group, SHARE, looks.colour(group), looks.marker(group))

    return rows_by_layer(tables["flow"], looks, panel, "layer", "share of output (thin: mass)")
