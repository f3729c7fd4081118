"""How near do the tokens of a group come to words of other samples: do they probe, and are they telomeres?

Names and definitions are ours (docs/methods.md 7.13). A block a benchmark, a column a group. Above (probing) its mean
reach by layer, the largest cosine to a word of another sample and another token, with the interval of its rise over the
input, beside that of words themselves, and in grey its own under every variant. Below (telomere) the reach less that of
words; the grey band is what labels dealt anew among ids give: above it, and by its whole interval above 0, a group sits
nearer to words than words do; not asked of state 0, and where ids are too few for a band it cannot be told. It does not
tell why, or that anything reads it.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator

from lode.engine.errors import UserError
from lode.figure import CONTROL, MUTED, WIDTH, Looks, Table, blocks
from lode.figure._traced import CLEAN, draw_nulls, legend, line, nulls_of

Row = Mapping[str, Any]
PROBING, TELOMERE = "probing", "telomere"
#: Look of the band of chance.
DEALT: dict[str, Any] = {"color": CONTROL, "alpha": 0.45, "linewidth": 0}


def draw(tables: dict[str, list[Table]], looks: Looks) -> Figure:
    """One block for every phenomena table that has groups beside the words."""
    parts = [(" · ".join(table.keys.values()), table.data.to_pylist()) for table in tables["phenomena"]]
    parts = [part for part in parts if groups_of(part[1], looks)]
    if not parts:
        raise UserError(
            "no benchmark has words and another group of tokens enough; expected compare_states.bank to name a group "
            "of words, and 20 tokens of 10 clusters of each: trace more, or leave the figure `phenomena` out"
        )
    figure = Figure(figsize=(WIDTH, 3.1 * len(parts) + 0.35), layout="constrained")
    for part, (_, rows) in zip(blocks(figure, [title for title, _ in parts], [1] * len(parts)), parts, strict=True):
        _draw_block(part, rows, looks)
    nulls = list(dict.fromkeys(name for _, rows in parts for name in nulls_of(rows)))
    legend(figure, nulls, more={"labels dealt anew among ids": Patch(**DEALT)})
    return figure


def groups_of(rows: Iterable[Row], looks: Looks) -> list[str]:
    """The groups beside the bank, in the order of their look."""
    return looks.in_order({row["group"] for row in rows if row["phenomenon"] == TELOMERE})


def _draw_block(part: SubFigure, rows: Sequence[Row], looks: Looks) -> None:
    groups = groups_of(rows, looks)
    bank = rows[0]["bank"]
    grid = part.subplots(2, max(len(groups), 2), squeeze=False, sharex=True, sharey="row")
    for unused in grid[:, len(groups) :].flat:
        unused.set_visible(False)
    for column, group in zip(grid.T, groups, strict=False):
        own = {name: [row for row in rows if row["phenomenon"] == name] for name in (PROBING, TELOMERE)}
        _draw_probing(column[0], own[PROBING], group, bank, looks)
        _draw_telomere(column[1], own[TELOMERE], group, looks)
        for axes in column:
            axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))
            axes.grid(axis="y")
        lasting = {name: _persistence(own[name], group) for name in own}
        column[0].set_title(f"{group}: probing {_layers(lasting[PROBING])}", loc="left", fontsize=7)
        column[1].set_title(f"telomere {_layers(lasting[TELOMERE])}", loc="left", fontsize=7)
        column[1].set_xlabel("state")
    grid[0, 0].set_ylabel(f"reach of {bank}\n[cosine]", fontsize=7)
    grid[1, 0].set_ylabel(f"reach less that\nof {bank} [cosine]", fontsize=7)


def _persistence(rows: Iterable[Row], group: str) -> int | None:
    """The most layers in a row at which the index of a group stands out; None where it cannot be told."""
    return next(row["persistence"] for row in rows if (row["group"], row["variant"]) == (group, CLEAN))


def _layers(count: int | None) -> str:
    if count is None:
        return "cannot be told"
    return f"at {count} state{'s in a row' * (count > 1)}" if count else "nowhere"


def _draw_probing(axes: Axes, rows: Sequence[Row], group: str, bank: str, looks: Looks) -> None:
    draw_nulls(axes, rows, group, "reach", nulls_of(rows))
    layers, reach = line(rows, group, CLEAN, "reach")
    low, high = (line(rows, group, CLEAN, end)[1] + reach[0] for end in ("interval_low", "interval_high"))
    axes.plot(*line(rows, group, CLEAN, "baseline"), color=looks.colour(bank), linewidth=0.9, zorder=2)
    axes.annotate(bank, (layers[-1], rows_at(rows, group, "baseline")), fontsize=6.5, color=looks.colour(bank),
                  ha="right", va="bottom")  # fmt: skip
    axes.fill_between(layers, low, high, color=looks.colour(group), alpha=0.2, linewidth=0, zorder=2)
    axes.plot(layers, reach, color=looks.colour(group), marker=looks.marker(group), markersize=3, zorder=3)


def rows_at(rows: Iterable[Row], group: str, column: str) -> float:
    """The value at the last layer, of the samples as they are."""
    return float(line(list(rows), group, CLEAN, column)[1][-1])


def _draw_telomere(axes: Axes, rows: Sequence[Row], group: str, looks: Looks) -> None:
    axes.axhline(0, color=MUTED, linewidth=0.6)
    layers, high = line(rows, group, CLEAN, "null_high")
    axes.fill_between(layers, line(rows, group, CLEAN, "null_low")[1], high, **DEALT)
    draw_nulls(axes, rows, group, "index", nulls_of(rows))
    low, top = (line(rows, group, CLEAN, end)[1] for end in ("interval_low", "interval_high"))
    axes.fill_between(layers, low, top, color=looks.colour(group), alpha=0.2, linewidth=0, zorder=2)
    index = line(rows, group, CLEAN, "index")[1]
    axes.plot(layers, index, color=looks.colour(group), marker=looks.marker(group), markersize=3, zorder=3)
