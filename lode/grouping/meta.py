"""Meta: what a sample's own record says of it: the kind of an error, the type of a problem, a language, a speaker.

A group is a value of one key of the sample's `meta`; samples of other values, or without the key, are `rest`. All
tokens of a prompt count, or media alone, or words alone: `selection.group_split` says which. Groups are parts of a
benchmark's samples: as a rule no benchmark is a group's own, which the YAML says with `no_own`.
Source: ErrorRadar (arXiv 2410.04509), whose categories of error and types of problem ask for different evidence;
docs/methods.md 1.3.

What it does not tell: what else differs between samples of different values, such as length or wording.
"""

import json
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from lode.grouping import Grouping
from lode.grouping._named import REST, by_name, parts_of


def grouping(key: str, values: Sequence[str], datasets: Sequence[str] | None = None) -> Grouping:
    """The values.

    Args:
        key: of the JSON object `meta` of a sample.
        values: that are compared, each a group of its name.
        datasets: those whose samples have the key; None: all.

    Raises:
        UserError: no value, one twice, or one that no group may be called.
    """
    names = tuple(map(str, values))
    return by_name(names, partial(value_of, key), partial(held, names, datasets), datasets or (), mixed=True)


def value_of(key: str, sample: Mapping[str, Any]) -> str | None:
    """The value of a sample as text; None where its record has no such key, or it has no record."""
    value = json.loads(sample.get("meta") or "{}").get(key)
    return value if value is None or isinstance(value, str) else json.dumps(value)


def held(names: Sequence[str], datasets: Sequence[str] | None, dataset: Any) -> tuple[str, ...]:
    """What a dataset holds as a whole, by its `dataset` section: samples of every value, and others."""
    some = datasets is None or dataset.name in datasets
    return (*(part for name in names for part in parts_of(name)), REST) if some else (REST,)
