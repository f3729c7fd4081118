"""Groups of samples: what a grouping says whose groups are names of samples, `domain` and `meta`.

A name may take part with all tokens of its samples, or with some kinds of them; every other token is `rest`.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial, reduce
from operator import or_
from typing import Any

from lode.engine.errors import UserError, unknown_name
from lode.grouping import PROMPT, Grouping
from lode.model.tokens import MEDIA, TOKEN_KINDS

#: The part that is no group to compare: tokens that are not counted, and samples without a name.
REST = "rest"
#: Which kinds of token count, by the option `tokens`: words, markup and media; media alone; words alone.
COUNTED: Mapping[str, tuple[str, ...]] = {"all": TOKEN_KINDS, "media": MEDIA, "text": ("text",)}
#: The one choice of groups: every name, without `rest`.
SPLIT = "groups"

Sample = Mapping[str, Any]


def by_name(
    names: Sequence[str],
    name_of: Callable[[Sample], str | None],
    held: Callable[[Any], tuple[str, ...]],
    tokens: str,
    datasets: Sequence[str] = (),
) -> Grouping:
    """A grouping by the names of samples.

    Args:
        names: of the groups, each once.
        name_of: from a sample to its name; what is none of the names is `rest`.
        held: as of the grouping.
        tokens: a key of `COUNTED`.
        datasets: that the options name.

    Raises:
        UserError: no name, a name twice, one that no group may have, or unknown `tokens`.
    """
    if tokens not in COUNTED:
        raise unknown_name("tokens of a grouping", tokens, COUNTED)
    wrong = sorted({name for name in names if names.count(name) > 1 or name in (REST, PROMPT)})
    if wrong or not names:
        raise UserError(
            f"a grouping of the names {', '.join(names) or '(none)'}: expected at least one, each once, and none that "
            f"is {REST} or {PROMPT}. Correct {', '.join(wrong) or 'grouping.options'}"
        )
    parts = (*names, REST)
    groups = {**{part: (part,) for part in parts}, PROMPT: parts}
    counted = [TOKEN_KINDS.index(kind) for kind in COUNTED[tokens]]
    codes = partial(codes_by_name, {name: place for place, name in enumerate(names)}, name_of, counted)
    return Grouping(parts, groups, {SPLIT: tuple(names)}, REST, codes, held, tuple(datasets))


def codes_by_name(
    places: Mapping[str, int],
    name_of: Callable[[Sample], str | None],
    counted: Sequence[int],
    kinds: Any,
    samples: Sequence[Sample],
) -> Any:
    """The place of its sample's name for a token that is counted, and of `rest`, the last, for all others.

    Args:
        places: by name.
        name_of: as of `by_name`.
        counted: which kinds are, by their codes.
        kinds: of every token, an array (batch, token).
        samples: of the batch, in its order.
    """
    codes, inside = kinds * 0 + len(places), reduce(or_, (kinds == kind for kind in counted))
    for row, sample in enumerate(samples):
        codes[row][inside[row]] = places.get(str(name_of(sample)), len(places))
    return codes


def parts_of(name: str | None, tokens: str, kinds: Sequence[str]) -> tuple[str, ...]:
    """The parts that samples of one name hold.

    Args:
        name: None for samples that have none.
        tokens: a key of `COUNTED`.
        kinds: the kinds of token that each of them holds.
    """
    if name is None or tokens == "all":
        return (name or REST,)
    counted = set(COUNTED[tokens])
    own = (name,) if counted & set(kinds) else ()
    return (*own, REST) if set(kinds) - counted else own
