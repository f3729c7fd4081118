"""From which layer on the last token of the prompt holds the answer: log-likelihood of the gold answer by the lens.

A panel a benchmark; the line is the mean over samples with its 95 % interval, in grey the same under every null. Where
a null comes as high, the answer is guessed from the prompt, not read from the medium. The gold answer is taken whole:
its first token may be one that every answer begins with. It does not tell which layer brought it there.
"""

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from lode.figure import INK, WIDTH, Looks, Table, fill, grid_columns
from lode.figure._traced import Row, draw_clean, draw_nulls, legend, nulls_of

LAST = "last"
GOLD = ("gold_logp", "gold_low", "gold_high")


def draw(tables: dict[str, list[Table]], looks: Looks) -> Figure:
    """One panel for every lens table."""
    del looks
    columns = grid_columns(len(tables["lens"]))
    rows = -(-len(tables["lens"]) // columns)
    figure = Figure(figsize=(WIDTH * min(1, 0.35 * columns + 0.2), 0.5 + 2.0 * rows), layout="constrained")
    shown = fill(figure.subplots(rows, columns, squeeze=False), len(tables["lens"]))
    nulls: dict[str, None] = {}
    for axes, table in zip(shown, tables["lens"], strict=True):
        of_table = table.data.to_pylist()
        nulls |= dict.fromkeys(nulls_of(of_table))
        _draw_panel(axes, of_table)
        axes.set_title("\n".join(table.keys.values()), loc="left", fontsize=7)
    figure.supylabel("gold answer by the lens [nats]", fontsize=8)
    legend(figure, list(nulls))
    return figure


def _draw_panel(axes: Axes, rows: Sequence[Row]) -> None:
    draw_nulls(axes, rows, LAST, "gold_logp", nulls_of(rows))
    draw_clean(axes, rows, LAST, GOLD, INK, "o")
    axes.set_xlabel("state")
    axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))
    axes.grid(axis="y")
