"""Groups of samples: what a grouping says whose groups are names of samples, `domain` and `meta`.

Every name is three groups: all tokens of its samples, the media among them (`<name>_media`: patches, frames and
moments, and all rows of an encoder), and the words and markup around them (`<name>_words`). A selection says which of
the three are compared (`selection.group_split`: `all`, `media` or `words`), and one capture serves all.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial, reduce
from operator import or_
from typing import Any

from lode.engine.errors import UserError
from lode.grouping import PROMPT, Grouping
from lode.model.tokens import MEDIA, TOKEN_KINDS

#: The part of samples without a name; it is no group to compare.
REST = "rest"
#: What a name is divided into, in the order of the codes.
KINDS = ("media", "words")

Sample = Mapping[str, Any]


def by_name(
    names: Sequence[str],
    name_of: Callable[[Sample], str | None],
    held: Callable[[Any], tuple[str, ...]],
    datasets: Sequence[str] = (),
    mixed: bool = False,
) -> Grouping:
    """A grouping by the names of samples.

    Args:
        names: each once.
        name_of: from a sample to its name; what is none of the names is `rest`.
        held: as of the grouping.
        datasets: that the options name.
        mixed: as of the grouping.

    Raises:
        UserError: no name, a name twice, or one that no group may have.
    """
    parts = (*(part for name in names for part in parts_of(name)), REST)
    groups = [*names, *parts, PROMPT]
    wrong = sorted({name for name in groups if groups.count(name) > 1})
    if wrong or not names:
        raise UserError(
            f"a grouping of the names {', '.join(names) or '(none)'}: expected at least one, each once, and none that "
            f"is {REST}, {PROMPT} or another with _media or _words. Correct {', '.join(wrong) or 'grouping.options'}"
        )
    members = {**{name: parts_of(name) for name in names}, **{part: (part,) for part in parts}, PROMPT: parts}
    splits = {"all": tuple(names), **{kind: tuple(f"{name}_{kind}" for name in names) for kind in KINDS}}
    codes = partial(codes_by_name, {name: place for place, name in enumerate(names)}, name_of)
    return Grouping(parts, members, splits, codes, held, tuple(datasets), mixed)


def codes_by_name(
    places: Mapping[str, int], name_of: Callable[[Sample], str | None], kinds: Any, samples: Sequence[Sample]
) -> Any:
    """The place of every token's part: by the name of its sample and whether it is of a medium; else `rest`, the last.

    Args:
        places: by name.
        name_of: as of `by_name`.
        kinds: of every token, an array (batch, token).
        samples: of the batch, in its order.
    """
    of_medium = reduce(or_, (kinds == TOKEN_KINDS.index(medium) for medium in MEDIA))
    codes = kinds * 0 + len(KINDS) * len(places)
    for row, sample in enumerate(samples):
        place = places.get(str(name_of(sample)))
        if place is not None:
            codes[row] = len(KINDS) * place + KINDS.index("words")
            codes[row][of_medium[row]] = len(KINDS) * place + KINDS.index("media")
    return codes


def parts_of(name: str | None) -> tuple[str, ...]:
    """The parts that samples of one name hold; None for those without."""
    return (REST,) if name is None else tuple(f"{name}_{kind}" for kind in KINDS)
