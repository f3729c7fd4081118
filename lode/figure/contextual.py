"""Which layer of text do the tokens of a medium resemble, and do the nearest words name what is shown?

A row a benchmark. Left, by layer of a medium's token, the layer of the state of a word that it is nearest to, mean over
samples with its 95 % interval; dashed in ink the same of words, which lie on the dotted diagonal where likeness goes by
layer; in grey the medium under every null. Right, the share of tokens of whose five nearest words one names an object
of the sample, in grey dots words of objects of other samples, and in grey lines the nulls; not drawn where no objects
are known. Nearest are words of other samples only. It does not tell that a token means the word.
"""

from collections.abc import Sequence
from typing import Any

from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from lode.figure import CONTROL, INK, MUTED, WIDTH, Looks, Table
from lode.figure._traced import CLEAN, Row, draw_clean, draw_nulls, groups_of, legend, line, nulls_of

LAYER = ("nearest_layer", "interval_low", "interval_high")
MEDIA, WORDS = "media", "words"
#: Looks of what is not of a group.
WORD_LINE: dict[str, Any] = {"color": INK, "linestyle": "--", "linewidth": 1}
DIAGONAL: dict[str, Any] = {"color": MUTED, "linestyle": ":", "linewidth": 0.6}
OTHER_DOTS: dict[str, Any] = {"color": CONTROL, "linestyle": "", "marker": ".", "markersize": 6}


def draw(tables: dict[str, list[Table]], looks: Looks) -> Figure:
    """One row of panels for every table."""
    figure = Figure(figsize=(WIDTH, 0.5 + 2.0 * len(tables["contextual"])), layout="constrained")
    grid = figure.subplots(len(tables["contextual"]), 2, squeeze=False)
    everything: list[Row] = []
    for (left, right), table in zip(grid, tables["contextual"], strict=True):
        rows = table.data.to_pylist()
        media = [row for row in rows if row["tokens"] == MEDIA]
        everything += media
        _draw_layers(left, media, [row for row in rows if row["tokens"] == WORDS], looks)
        _draw_names(right, [row for row in media if row["named"] is not None], looks)
        right.set_visible(any(row["named"] is not None for row in media))
        left.set_title(f"{' · '.join(table.keys.values())}\nnearest layer of text", loc="left", fontsize=7.5)
        right.set_title("\nnearest words name an object", loc="left", fontsize=7.5)
        for axes in (left, right):
            axes.set_xlabel("state")
            axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))
            axes.grid(axis="y")
    legend(figure, nulls_of(everything), more=_names_of(everything, looks))
    return figure


def _names_of(media: Sequence[Row], looks: Looks) -> dict[str, Artist]:
    """What is drawn beside nulls: groups of media, words, the diagonal, and words of others' objects, where known."""
    found: dict[str, Artist] = {
        name: Line2D([], [], color=looks.colour(name), marker=looks.marker(name), markersize=3)
        for name in groups_of(media, looks)
    }
    found |= {"of words": Line2D([], [], **WORD_LINE), "the layer itself": Line2D([], [], **DIAGONAL)}
    if any(row["named"] is not None for row in media):
        found["others' objects"] = Line2D([], [], **OTHER_DOTS)
    return found


def _draw_layers(axes: Axes, media: Sequence[Row], words: Sequence[Row], looks: Looks) -> None:
    last = max(row["layer"] for row in (*media, *words))
    axes.plot([0, last], [0, last], **DIAGONAL, zorder=1)
    for group in groups_of(media, looks):
        draw_nulls(axes, media, group, "nearest_layer", nulls_of(media))
        draw_clean(axes, media, group, LAYER, looks.colour(group), looks.marker(group))
    for group in groups_of(words, looks)[:1]:
        axes.plot(*line(words, group, CLEAN, "nearest_layer"), **WORD_LINE, zorder=2)
    axes.set_ylabel("layer of the nearest word", fontsize=7.5)


def _draw_names(axes: Axes, media: Sequence[Row], looks: Looks) -> None:
    for group in groups_of(media, looks):
        draw_nulls(axes, media, group, "named", nulls_of(media))
        layers, values = line(media, group, CLEAN, "other_named")
        axes.plot(layers, values, **OTHER_DOTS, zorder=2)
        axes.plot(*line(media, group, CLEAN, "named"), color=looks.colour(group), marker=looks.marker(group),
                  markersize=3, linewidth=1.3, zorder=3)  # fmt: skip
    axes.set_ylim(-0.03, 1.03)
    axes.set_ylabel("share of tokens", fontsize=7.5)
