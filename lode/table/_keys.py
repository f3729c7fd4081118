"""What the cards say of tables: which step makes one, which a step reads, and what the path of one says of it."""

import re
from functools import cache
from pathlib import Path

from lode.cards import CARDS
from lode.engine.errors import UserError

#: The steps by what they write.
MAKERS = {name: card.name for card in CARDS for name in card.writes}
#: Where tables lie in the folder of their step, with wildcards in braces.
_PATTERNS = {name: pattern for card in CARDS for name, pattern in card.writes.items()}


def keys_of(kind: str, path: str | Path) -> dict[str, str]:
    """What the path of a table says: `.../effects/m/s/i/d.parquet` gives model m, selection s, ...

    Raises:
        UserError: the path has another ending.
    """
    found = _ending(kind).fullmatch(Path(path).as_posix())
    if not found:
        raise UserError(f"{path}: the path of a {kind} table ends in {_PATTERNS[kind]}")
    return found.groupdict()


def tables_of(step: str) -> list[str]:
    """The tables that a step reads with keys in their paths or none at all; not files of other kinds, nor datasets."""
    (card,) = (card for card in CARDS if card.name == step)
    return [read.table for read in card.reads if read.table not in ("figure", "manifest", "dataset")]


@cache
def _ending(kind: str) -> re.Pattern[str]:
    return re.compile("(?:.*/)?" + re.sub(r"\\{(\w+)\\}", r"(?P<\1>[^/]+)", re.escape(_PATTERNS[kind])))
