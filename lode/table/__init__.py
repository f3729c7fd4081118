"""Tables: one file each. What a row is, its columns with units and descriptions, and the name that its files record.

`lode/table/<name>.py` holds one constant of the same name in capitals. A stage imports the tables that it reads or
writes, and no others: so a change of one table makes only those results stale. What tables share stands in files that
start with `_`, small and each of one subject. Only a figure has the names of its tables from its config: `table_of`.
"""

from importlib import import_module
from pathlib import Path

from lode.engine.errors import unknown_name
from lode.engine.tables import Table


def known_tables() -> list[str]:
    """The names of all tables: the files of this folder."""
    return sorted(path.stem for path in Path(__file__).parent.glob("[!_]*.py"))


def table_of(name: str) -> Table:
    """The table of a name; its module is imported here, so a step that calls this must name it as a plug-in.

    Raises:
        UserError: there is no table of this name.
    """
    if name not in known_tables():
        raise unknown_name("table", name, known_tables(), f"To add it, create lode/table/{name}.py.")
    return getattr(import_module(f"lode.table.{name}"), name.upper())
