"""Compare two results folders row by row: `python -m workflow.same_tables before after`.

For changes that must move no number: every table of the folder before is there after, with as many rows in the same
order, and every column of it has the same type and holds the same values, bit for bit: 0.0 is not -0.0, 1 is not 1.0,
and a float32 is no float64. But NaN equals NaN, whether texts are kept in a dictionary does not count, and a text may
have been given another word on purpose (`--value report=test`). Further files and further columns are named and
allowed. Provenance, figures and pages are not compared. Needs neither torch nor Snakemake.
"""

import argparse
import math
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from lode.engine.errors import UserError


def renames(given: Sequence[str]) -> dict[str, str]:
    """New names by old ones, from `old=new`.

    Raises:
        UserError: one has another form, or an old name is given twice.
    """
    pairs: list[tuple[str, ...]] = [tuple(one.split("=")) for one in given]
    wrong = [one for one, pair in zip(given, pairs, strict=True) if len(pair) != 2 or not all(pair)]
    if wrong or len({pair[0] for pair in pairs}) < len(pairs):
        raise UserError(f"{', '.join(wrong or given)}: expected old=new, each old name once")
    return {pair[0]: pair[1] for pair in pairs}


def moved(path: str, places: Mapping[str, str]) -> str:
    """Where a file lies now: by the first pattern that is found in its old path, as `re.sub` has it."""
    for old, new in places.items():
        if re.search(old, path):
            return re.sub(old, new, path)
    return path


def same(before: Any, after: Any) -> bool:
    """Whether two values of a table are equal, of one type and sign; NaN equals NaN, also within lists and structs."""
    if type(before) is not type(after):
        return False
    if isinstance(before, float):
        if math.isnan(before):
            return math.isnan(after)
        return before == after and math.copysign(1, before) == math.copysign(1, after)
    if isinstance(before, list):
        return len(before) == len(after) and all(map(same, before, after))
    if isinstance(before, dict):
        return before.keys() == after.keys() and all(same(value, after[key]) for key, value in before.items())
    return bool(before == after)


def plain(kind: pa.DataType) -> pa.DataType:
    """A type, where a dictionary of values has the type of the values. Within lists and structs too."""
    if pa.types.is_dictionary(kind):
        return plain(kind.value_type)
    if pa.types.is_list(kind):
        return pa.list_(plain(kind.value_type))
    if pa.types.is_struct(kind):
        return pa.struct([(field.name, plain(field.type)) for field in kind])
    return kind


def floats(column: pa.ChunkedArray) -> Iterator[pa.ChunkedArray]:
    """The numbers with a sign of zero that a column holds, within lists and structs too."""
    if pa.types.is_list(column.type):
        yield from floats(pc.list_flatten(column))
    elif pa.types.is_struct(column.type):
        yield from (found for field in column.flatten() for found in floats(field))
    elif pa.types.is_dictionary(column.type):
        yield from floats(column.cast(column.type.value_type))
    elif pa.types.is_floating(column.type):
        yield column


def identical(before: pa.ChunkedArray, after: pa.ChunkedArray) -> bool:
    """Whether two columns are the same at a glance; False also of columns with a NaN, to be looked at by value."""
    if before.type != after.type or not before.equals(after):
        return False
    pairs = zip(floats(before), floats(after), strict=True)
    return all(np.array_equal(np.signbit(was.to_numpy()), np.signbit(now.to_numpy())) for was, now in pairs)


def changed(before: pa.ChunkedArray, after: pa.ChunkedArray, words: Mapping[str, str]) -> str | None:
    """What differs between two columns of as many rows, None if nothing does; `words` are those of `differences`."""
    if plain(before.type) != plain(after.type):
        return f"of type {before.type}, now {after.type}"
    if identical(before, after):
        return None
    was = [words.get(value, value) if isinstance(value, str) else value for value in before.to_pylist()]
    values = list(zip(was, after.to_pylist(), strict=True))
    rows = [row for row, pair in enumerate(values) if not same(*pair)]
    if not rows:
        return None
    old, new = values[rows[0]]
    return f"{len(rows)} of {len(values)} rows differ, first row {rows[0]}: {old!r}, now {new!r}"


def differences(
    before: pa.Table, after: pa.Table, columns: Mapping[str, str], words: Mapping[str, str] = MappingProxyType({})
) -> Iterator[str]:
    """What differs between two tables, a line a column.

    Args:
        before: the old table.
        after: the new one.
        columns: new names by old ones, of the columns that were renamed.
        words: new values by old ones, of texts that were given another word.
    """
    if before.num_rows != after.num_rows:
        yield f"{before.num_rows} rows before, {after.num_rows} after"
        return
    for old in before.column_names:
        new = columns.get(old, old)
        if new not in after.column_names:
            yield f"column {old} is gone" if new == old else f"column {old}, now {new}, is gone"
            continue
        if what := changed(before[old], after[new], words):
            yield f"column {new}: {what}"


def compare(
    before: Path,
    after: Path,
    places: Mapping[str, str],
    columns: Mapping[str, str],
    words: Mapping[str, str] = MappingProxyType({}),
) -> int:
    """Print what differs; return the exit code.

    Raises:
        UserError: the folder before holds no table.
    """
    tables = sorted(path.relative_to(before).as_posix() for path in before.rglob("*.parquet"))
    if not tables:
        raise UserError(f"{before}: no table (*.parquet); expected a results folder, such as results/smoke")
    expected = {moved(name, places) for name in tables}
    found = {path.relative_to(after).as_posix() for path in after.rglob("*.parquet")}
    num_rows, wrong = 0, 0
    for name in tables:
        new = after / moved(name, places)
        if not new.is_file():
            lines = ["missing after"]
        else:
            # Not through `pq.read_table`, which would read keys into a table from the names of its folders.
            was, now = (pq.ParquetFile(path).read() for path in (before / name, new))
            num_rows += was.num_rows
            lines = list(differences(was, now, columns, words))
        wrong += bool(lines)
        for line in lines:
            print(f"{new}: {line}")
    further = sorted(found - expected)
    print(f"{len(tables)} tables, {num_rows:,} rows: {wrong or 'none'} differ; {len(further)} further tables after")
    for name in further:
        print(f"  {name}")
    return 1 if wrong else 0


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description="Compare two results folders row by row.")
    parser.add_argument("before", type=Path)
    parser.add_argument("after", type=Path)
    parser.add_argument("--path", action="append", default=[], metavar="REGEX=NEW", help="where files lie now")
    parser.add_argument("--column", action="append", default=[], metavar="OLD=NEW", help="a column with another name")
    parser.add_argument("--value", action="append", default=[], metavar="OLD=NEW", help="a text with another word")
    given = parser.parse_args()
    try:
        sys.exit(compare(given.before, given.after, *map(renames, (given.path, given.column, given.value))))
    except UserError as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
