"""How sure each layer would be at the tokens of each group: entropy of the logit lens by layer.

A row a benchmark, a panel a group of tokens; in the colour of the group the mean over samples with its 95 % interval,
in grey the same tokens under every null: media that lose what they show, and permuted weights. A curve that falls as
that of its nulls does is not about what the medium shows. It does not tell what the likeliest token is.
"""

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lode.figure import Looks, Table
from lode.figure._traced import Row, draw_clean, draw_nulls, nulls_of, rows_by_layer

ENTROPY = ("entropy", "interval_low", "interval_high")


def draw(tables: dict[str, list[Table]], looks: Looks) -> Figure:
    """One row of panels for every lens table."""

    def panel(axes: Axes, rows: Sequence[Row], group: str) -> None:
        draw_nulls(axes, rows, group, "entropy", nulls_of(rows))
        draw_clean(axes, rows, group, ENTROPY, looks.colour(group), looks.marker(group))
        axes.set_ylim(bottom=0)

    return rows_by_layer(tables["lens"], looks, panel, "state", "entropy of the next token [nats]")
