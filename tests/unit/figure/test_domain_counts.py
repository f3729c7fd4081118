"""What the figure of nulls must not say: counts that construction fixes; and what it shows of ties."""

from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from lode.figure import domain_counts, house_style
from tests.null_tables import write_set_nulls
from tests.panels import LOOKS, as_table

KEYS = {"model": "m", "selection": "s"}


def rows_of(path: str) -> list[dict[str, Any]]:
    return pq.read_table(path).to_pylist()


def marks(axes: Any, marker: str) -> int:
    return sum(line.get_marker() == marker and len(line.get_xdata()) for line in axes.lines)


def drawn_counts(rows: list[dict[str, Any]]) -> list[Any]:
    with house_style("test"):
        figure = domain_counts.draw({"set_nulls": [as_table("set_nulls", rows, KEYS)]}, LOOKS)
    return list(figure.axes)


def test_no_count_is_drawn_that_construction_fixes(tmp_path: Path) -> None:
    """Of halves of three groups three overlaps and no count; of a selector of places no count at all."""
    rows = [row for row in rows_of(write_set_nulls(tmp_path)[0]) if row["site"] == "lm_gate"]
    counts, overlap, *_ = drawn_counts(rows)
    halves, permuted = domain_counts.NULLS["halves"][1], domain_counts.NULLS["permuted"][1]
    # One handle of the legend lies in the first panel, without a point.
    assert (marks(counts, halves), marks(overlap, halves)) == (0, 3)
    assert marks(counts, permuted) == 3
    counts, overlap, *_ = drawn_counts([{**row, "num_as_good": None, "false_discovery": None} for row in rows])
    assert (marks(counts, permuted), marks(overlap, permuted)) == (0, 3)


def test_an_outline_shows_how_many_tie(tmp_path: Path) -> None:
    """The first set has 40 neurons, of 50 that score so high; the others as many as there are."""
    rows = [row for row in rows_of(write_set_nulls(tmp_path)[0]) if row["site"] == "lm_gate"]
    first = next(row for row in rows if row["null"] == "none")
    axes = drawn_counts([{**row, "num_as_good": 50} if row == first else row for row in rows])[0]
    assert [bar.get_width() for bar in axes.patches if not bar.get_fill()] == [50]
    assert axes.get_xlim()[1] > 50
