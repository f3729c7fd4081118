"""Which tokens does the last token of a prompt look at? A strip of tokens by layer, and the same with blank media.

A pair of strips a sample: above the sample as it is, below its null, media that show nothing (of a sample without media
there is none). Darker: more attention, mean over heads, in one colour and on one scale; the bar on top says which
group a token is of. Where both strips are alike, what is looked at is the place and not what is shown there. Two
samples are an illustration: `heads` and `flow_shares` say what holds over all. Attention is not use.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap, Normalize, to_rgb
from matplotlib.figure import Figure

from lode.figure import INK, MUTED, WIDTH, Looks, Table
from lode.figure._traced import groups_of

Row = dict[str, Any]
CLEAN = "clean"
_SHARE = 0.5  # exponent of the colours: small shares are seen beside a large one


def draw(tables: dict[str, list[Table]], looks: Looks) -> Figure:
    """A pair of strips for every sample of every attention_maps table."""
    strips = []
    for table in tables["attention_maps"]:
        rows, title = table.data.to_pylist(), " · ".join(table.keys.values())
        for sample in dict.fromkeys(row["sample_id"] for row in rows):
            own = [row for row in rows if row["sample_id"] == sample]
            strips += [
                (f"{title} · {sample}", variant, own) for variant in dict.fromkeys(row["variant"] for row in own)
            ]
    heights = [0.85 if variant == CLEAN else 0.6 for _, variant, _ in strips]
    figure = Figure(figsize=(WIDTH, 0.5 + sum(heights)), layout="constrained")
    grid = figure.subplots(len(strips), 1, squeeze=False, height_ratios=heights)[:, 0]
    for axes, (title, variant, rows) in zip(grid, strips, strict=True):
        _draw_strip(axes, [row for row in rows if row["variant"] == variant], most_of(rows), variant, looks)
        if variant == CLEAN:
            axes.set_title(title, loc="left", fontsize=7.5, pad=7)
    groups = groups_of([row for *_, rows in strips for row in rows], looks)
    handles = [grid[0].plot([], [], "s", color=looks.colour(group))[0] for group in groups]
    figure.legend(handles, groups, loc="outside lower center", ncols=len(groups), handletextpad=0.3)
    figure.supylabel("layer", fontsize=8)
    return figure


def most_of(rows: Sequence[Row]) -> float:
    """The largest share of a sample, whatever the variant: where its colours end."""
    return max(row["mass"] for row in rows)


def map_of(rows: Sequence[Row]) -> np.ndarray:
    """Shares by layer and token."""
    found = np.zeros((1 + max(row["layer"] for row in rows), 1 + max(row["position"] for row in rows)))
    for row in rows:
        found[row["layer"], row["position"]] = row["mass"]
    return found


def _draw_strip(axes: Axes, rows: Sequence[Row], most: float, variant: str, looks: Looks) -> None:
    values = map_of(rows)
    colours = LinearSegmentedColormap.from_list("", ["white", INK])
    shares = np.clip(values / most, 0, 1) ** _SHARE
    axes.imshow(shares, cmap=colours, norm=Normalize(0, 1), aspect="auto", origin="lower", interpolation="nearest")
    first = [row for row in rows if row["layer"] == 0]
    bar = np.array([[to_rgb(looks.colour(row["group"])) for row in sorted(first, key=lambda row: row["position"])]])
    axes.inset_axes((0, 1.02, 1, 0.1)).imshow(bar, aspect="auto", interpolation="nearest")
    axes.child_axes[0].set_axis_off()
    axes.set_ylabel(f"{variant}\n(to {most:.2f})" if variant == CLEAN else variant, fontsize=7, color=MUTED)
    axes.set_yticks([0, len(values) - 1])
    axes.tick_params(length=0)
