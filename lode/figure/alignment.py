"""Are the states of the same contents alike in two forms? Unbiased CKA, and retrieval of the same content, by layer.

A block a pair of forms of a model, a column a place (the last token of the prompt, or the means over the tokens of a
group in either form), above CKA and below retrieval, of contents, not of samples, less what templates add
(docs/methods.md 7.12): in ink, filled where the rank of the value among permuted contents has p <= 0.05, of this row
alone. In grey up to the 95 % point of whole contents permuted, and the same under every variant: media without content,
other weights. Which tokens of a group the reservoir kept goes by the id of a sample, alike in both forms; so means have
something in common that is no content, and that these lines show too. Where contents do not differ in a form, as those
of blank media, nothing is drawn. It does not tell what the two forms share, or that it is used.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure
from matplotlib.ticker import MaxNLocator

from lode.engine.errors import UserError
from lode.figure import CONTROL, INK, MUTED, WIDTH, Looks, Table, blocks, grid_columns
from lode.figure._traced import CLEAN, DASHES, nulls_of
from lode.statistics.shift import LARGEST_P

Row = Mapping[str, Any]
Groups = tuple[str, str]
LAST = "last"
#: By row of panels: its label, and the columns of value, bar and p.
PANELS = {
    "unbiased CKA": ("cka", "null_high", "p_value"),
    "content found\n[share]": ("retrieval", "retrieval_high", "retrieval_p"),
}


def draw(tables: dict[str, list[Table]], looks: Looks) -> Figure:
    """One block for every pair of forms of every alignment table."""
    del looks  # a pair of groups has no colour
    parts = [part for table in tables["alignment"] for part in _parts(table)]
    if not parts:
        raise UserError(
            "no two benchmarks of a model show the same items in two forms; expected two, as same_content_text and "
            "same_content_image: benchmark two forms of one content, or leave the figure `alignment` out"
        )
    heights = [num_bands(rows) for _, rows in parts]
    figure = Figure(figsize=(WIDTH, 2.7 * sum(heights) + 0.35), layout="constrained")
    for part, (_, rows) in zip(blocks(figure, [title for title, _ in parts], heights), parts, strict=True):
        _draw_block(part, rows)
    _legend(figure, [row for _, rows in parts for row in rows])
    return figure


def _parts(table: Table) -> list[tuple[str, list[Row]]]:
    """The rows of every pair of forms, with what they are called."""
    by_forms: dict[tuple[str, str], list[Row]] = {}
    for row in table.data.to_pylist():
        by_forms.setdefault((row["form_a"], row["form_b"]), []).append(row)
    name = " · ".join(table.keys.values())
    return [
        (f"{name} · {' and '.join(forms)}, {rows[0]['num_contents']} contents", rows)
        for forms, rows in by_forms.items()
    ]


def places_of(rows: Iterable[Row]) -> list[Groups]:
    """The places, the last token first."""
    return sorted(dict.fromkeys((row["group_a"], row["group_b"]) for row in rows), key=lambda pair: LAST not in pair)


def num_bands(rows: Sequence[Row]) -> int:
    """How many pairs of rows of panels."""
    count = len(places_of(rows))
    return -(-count // grid_columns(count))


def _draw_block(part: SubFigure, rows: Sequence[Row]) -> None:
    width = grid_columns(len(places_of(rows)))
    grid = part.subplots(len(PANELS) * num_bands(rows), width, squeeze=False, sharex=True)
    for axes in grid.flat:
        axes.set_visible(False)
    for at, groups in enumerate(places_of(rows)):
        own = [row for row in rows if (row["group_a"], row["group_b"]) == groups]
        top = len(PANELS) * (at // width)
        name = "last token" if LAST in groups else f"mean: {groups[0]}, {groups[1]}"
        for axes, label in zip(grid[top:, at % width], PANELS, strict=False):
            axes.set_visible(True)
            _draw_panel(axes, own, *PANELS[label])
            axes.tick_params(labelbottom=True)
            if not at % width:
                axes.set_ylabel(label, fontsize=7)
        grid[top, at % width].set_title(name, loc="left", fontsize=7)
        grid[top + 1, at % width].set_xlabel("state")


def values(rows: Iterable[Row], column: str) -> np.ndarray:
    """What is null is not a number."""
    return np.array([np.nan if row[column] is None else row[column] for row in rows], dtype=np.float64)


def _draw_panel(axes: Axes, rows: Sequence[Row], column: str, bar: str, p: str) -> None:
    axes.axhline(0, color=MUTED, linewidth=0.6)
    layers = np.array(sorted({row["layer"] for row in rows}))
    of = {name: sorted((r for r in rows if r["variant"] == name), key=lambda row: int(row["layer"]))
          for name in (CLEAN, *nulls_of(rows))}  # fmt: skip
    axes.fill_between(layers, 0, values(of[CLEAN], bar), color=CONTROL, alpha=0.45, linewidth=0)
    for name in nulls_of(rows):
        axes.plot(layers, values(of[name], column), color=CONTROL, linestyle=DASHES[name], linewidth=1.1)
    if column == "retrieval":
        axes.plot(layers, values(of[CLEAN], "chance"), color=MUTED, linewidth=0.8, linestyle=":")
    own, told = values(of[CLEAN], column), values(of[CLEAN], p) <= LARGEST_P
    axes.plot(layers, own, color=INK, linewidth=1.3, zorder=3)
    axes.plot(layers[told], own[told], "o", color=INK, markersize=3.5, zorder=4)
    axes.plot(layers[~told], own[~told], "o", color=INK, markerfacecolor="white", markersize=3.5, zorder=4)
    axes.set_ylim(min(-0.08, axes.get_ylim()[0]), 1.05)
    axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))
    axes.grid(axis="y")


def _legend(figure: Figure, rows: Sequence[Row]) -> None:
    """What is drawn how."""
    axes = next(each for each in figure.axes if each.get_visible())
    handles = [
        axes.plot([], [], "o-", color=INK, markersize=3.5)[0],
        axes.plot([], [], "o-", color=INK, markerfacecolor="white", markersize=3.5)[0],
        axes.fill_between([], [], [], color=CONTROL, alpha=0.45, linewidth=0),
        axes.plot([], [], color=MUTED, linewidth=0.8, linestyle=":")[0],
    ]
    names = ["p ≤ 0.05", "larger p", "contents permuted", "chance"]
    for name in nulls_of(rows):
        handles.append(axes.plot([], [], color=CONTROL, linestyle=DASHES[name], linewidth=1.1)[0])
        names.append(name.replace("_", " "))
    figure.legend(handles, names, loc="outside lower center", ncols=5)
