"""Finished results as tidy tables: all files of a table as one, with what their paths say as columns. No torch here."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from lode.engine.errors import UserError, unknown_name
from lode.engine.fields import field
from lode.engine.seal import damage
from lode.engine.study import wildcards_of
from lode.engine.tables import read_provenance, read_table, repeated
from lode.study import STUDY
from lode.table import table_of

Value = str | int | float | bool
#: Where the tables of the cards lie below a folder of results, with wildcards in braces, named as columns are.
PATTERNS = {
    name: STUDY.column_names(pattern)
    for card in STUDY.cards
    for name, pattern in card.makes.items()
    if pattern.endswith(".parquet")
}

#: The wildcard by which several files are one result.
SHARD = "shard"
#: The section of the config that says how many shards the jobs of a table were cut into.
CUT_BY = {"statistics": "capture", "null_statistics": "nulls", "gradients": "capture", "predictions": "ablation"}


@dataclass(frozen=True)
class Results:
    """The results of one experiment, read when asked for.

    Iterating gives the names of the tables that there are files of, in the order of the steps.

    Attributes:
        folder: of the results.
    """

    folder: Path

    def __iter__(self) -> Iterator[str]:
        return iter([name for name in PATTERNS if self._files(name)])

    def __getitem__(self, name: str) -> pa.Table:
        return self.table(name)

    def table(self, name: str, **where: Value) -> pa.Table:
        """All files of a table as one; first the columns that their paths stand for, then those of the table.

        A column's unit and meaning are its field's metadata; `.to_pandas()` works where pandas is installed.

        Args:
            name: as on the cards: `neurons`, `effects`, ...
            **where: keep only rows with these values: `model="tiny_qwen2_vl", set_name="image"`. Files whose path says
                otherwise are not read.

        Raises:
            UserError: no such table, column or value; a file is damaged; or shards of several runs lie side by side.
        """
        if name in CUT_BY:
            refuse_mixed(self._agreeing(name, {key: where[key] for key in where if key != SHARD}), CUT_BY[name])
        files = self._agreeing(name, where)
        wildcards = wildcards_of(PATTERNS[name])
        rows = pa.concat_tables([tidy(path, values) for path, values in files])
        for column, value in where.items():
            if column not in rows.column_names:
                raise unknown_name(f"column of the table {name}", column, rows.column_names)
            if column not in wildcards:
                rows = matching(rows, name, column, value)
        return rows

    def provenance(self, name: str, **where: Value) -> dict[str, dict[str, Any]]:
        """What each file of a table says of its making: config, digests of config and code, versions of libraries.

        Args:
            name: as on the cards.
            **where: wildcards of the path.

        Returns:
            By path below the folder.

        Raises:
            UserError: no such table or value; or a file is damaged.
        """
        wildcards = wildcards_of(PATTERNS[known(name)])
        for key in where:
            if key not in wildcards:
                raise unknown_name(f"wildcard of the table {name}", key, wildcards or ["(none)"])
        files = [intact(path) for path, _ in self._agreeing(name, where)]
        return {path.relative_to(self.folder).as_posix(): read_provenance(path) for path in files}

    def _files(self, name: str) -> list[tuple[Path, dict[str, str]]]:
        """The files of a table, and what their paths stand for."""
        pattern = PATTERNS[known(name)]
        places = re.compile(re.sub(r"\\{(\w+)\\}", r"(?P<\1>[^/]+)", re.escape(pattern)))
        found = []
        for path in sorted(self.folder.glob(re.sub(r"{\w+}", "*", pattern))):
            match = places.fullmatch(path.relative_to(self.folder).as_posix())
            assert match, f"{path}: found by {pattern}, and does not fit it"
            found.append((path, match.groupdict()))
        return found

    def _agreeing(self, name: str, where: dict[str, Value]) -> list[tuple[Path, dict[str, str]]]:
        """Those of the files whose paths agree with some values; at least one."""
        files = self._files(name)
        if not files:
            raise UserError(f"{self.folder}: no file of the table {name}; it holds {', '.join(self)}")
        for key in wildcards_of(PATTERNS[name]):
            if key in where:
                names = {values[key] for _, values in files}
                files = [(path, values) for path, values in files if values[key] == str(where[key])]
                if not files:
                    raise unknown_name(f"{key} of the table {name}", where[key], names)
        return files


def load(results: str | Path) -> Results:
    """The results of an experiment: `lode.load("results/default")["effects"]` is a `pyarrow.Table`.

    Args:
        results: the folder of an experiment, from where Python runs.

    Raises:
        UserError: there is no such folder, or none of the study's tables in it.
    """
    folder = Path(results).expanduser()
    if not folder.is_dir():
        raise UserError(f"{folder}: no such folder, seen from {Path.cwd()}; expected results, such as results/default")
    found = Results(folder)
    if not list(found):
        raise UserError(
            f"{folder}: none of the study's tables in it; expected the folder of one experiment, with files such as "
            f"{PATTERNS['neurons']}"
        )
    return found


def known(name: str) -> str:
    """The name of a table, if it is one.

    Raises:
        UserError: it is not; names the nearest.
    """
    if name not in PATTERNS:
        raise unknown_name("table of results", name, PATTERNS)
    return name


def refuse_mixed(files: Iterable[tuple[Path, dict[str, str]]], section: str) -> None:
    """Refuse shards of a run that was cut otherwise than the others beside them: rows would count twice.

    Args:
        files: with what their paths stand for.
        section: of the config, that says how many shards there are.

    Raises:
        UserError: two shards of a job were made for different numbers of shards, or one lies outside its number.
    """
    first: dict[tuple[str, ...], tuple[Path, int]] = {}
    for path, wildcards in files:
        shards = shards_of(path, section)
        job = tuple(value for key, value in wildcards.items() if key != SHARD)
        other, expected = first.setdefault(job, (path, shards))
        if shards != expected:
            raise mixed(path, f"{shards} shards ({section}.shards), and {other.name} beside it for {expected}", section)
        if int(wildcards[SHARD]) >= shards:
            raise mixed(path, f"{shards} shards ({section}.shards), counted from 0", section)


def shards_of(path: Path, section: str) -> int:
    """How many shards the run of a file was cut into, as its provenance says.

    Raises:
        UserError: the file is damaged, or does not say it.
    """
    config = read_provenance(intact(path))["config"]
    if "shards" not in config.get(section, {}):
        raise UserError(
            f"{path}: it does not say {section}.shards; it was made by another version of Lode. Make it again"
        )
    return int(config[section]["shards"])


def mixed(path: Path, what: str, section: str) -> UserError:
    """The error for a shard that does not belong where it lies."""
    return UserError(
        f"{path}: it was made for {what}; expected the shards of one run, else their rows count twice. Delete the "
        f"files of {path.parent} that are not of the {section}.shards you want, or the folder, and run the "
        "experiment again"
    )


def intact(path: Path) -> Path:
    """The path of a file, if its seal holds.

    Raises:
        UserError: the file was truncated or edited.
    """
    broken = damage(path)
    if broken:
        raise UserError(f"{path}: {broken}; delete it and run the experiment again (`make verify` names all such)")
    return path


def tidy(path: Path, wildcards: dict[str, str]) -> pa.Table:
    """One file, with what its path stands for in front; the path counts, should a file have been renamed.

    Raises:
        UserError: the file is damaged, or was made with other columns.
    """
    table = table_of(read_provenance(intact(path))["table"])
    try:
        rows = read_table(path, table).select(table.columns.names).cast(table.columns)
    except (pa.ArrowException, ValueError) as error:
        raise UserError(f"{path}: {error}; it was made by another version of Lode. Make it again") from error
    for place, (key, value) in enumerate(wildcards.items()):
        if key in rows.column_names:
            column = rows.schema.field(key)
            rows = rows.drop_columns(key).add_column(place, column, repeated(value, rows.num_rows))
        else:
            shard = pa.repeat(pa.scalar(int(value), pa.int32()), rows.num_rows)
            rows = rows.add_column(place, field(key, pa.int32(), "index", f"the {key}"), shard)
    return rows


def matching(rows: pa.Table, name: str, column: str, value: Value) -> pa.Table:
    """The rows with a value in a column.

    Raises:
        UserError: there is none; names the values that there are.
    """
    try:
        kept = rows.filter(pc.equal(rows[column], pa.scalar(value).cast(rows[column].type)))
    except pa.ArrowException as error:
        raise UserError(f"{column} = {value!r}: the table {name} holds {rows[column].type} there") from error
    if not kept.num_rows:
        raise unknown_name(f"{column} of the table {name}", value, map(str, rows[column].unique().to_pylist()))
    return kept
