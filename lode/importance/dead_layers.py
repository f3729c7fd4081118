"""Which layers of a model cannot matter: every capture finds it out when it loads the model, and records it.

All neurons of a dead layer at 0 move no logit, as of the last layer of a tower from which the one before is read. It
does not tell that the other layers matter much. Source: docs/methods.md 1.9.
"""

from collections.abc import Sequence
from pathlib import Path

from lode.engine.errors import UserError
from lode.engine.tables import read_provenance

#: By site the layers of which all neurons at 0 move no logit.
Dead = dict[str, list[int]]


def dead_layers_of(paths: Sequence[str | Path]) -> Dead:
    """The dead layers by site, from what the tables of one model record; none where none is recorded.

    Raises:
        UserError: two tables disagree.
    """
    found = {str(path): read_provenance(path).get("dead_layers", {}) for path in paths}
    (first, dead), *others = found.items()
    for path, other in others:
        if other != dead:
            raise UserError(
                f"{first} and {path}: dead layers {dead} and {other}; expected the same, of one model. Delete the "
                "activations and run again"
            )
    return dict(dead)
