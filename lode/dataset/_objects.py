"""What a sample shows, by name, where its dataset knows: `objects` of its `meta`; and what others show, as the null."""

import json
from collections.abc import Mapping, Sequence
from typing import Any


def objects_of(sample: Mapping[str, Any]) -> tuple[str, ...]:
    """The words of the objects that a sample shows, each once; none where they are not known."""
    return tuple(dict.fromkeys(json.loads(sample.get("meta") or "{}").get("objects", ())))


def other_objects(samples: Sequence[Mapping[str, Any]]) -> dict[str, tuple[str, ...]]:
    """By `sample_id` as many words as the sample has, which it has not: of the samples after it, in a ring.

    Fewer where the others together show no more.
    """
    known = [objects_of(sample) for sample in samples]
    found = {}
    for at, sample in enumerate(samples):
        ring = dict.fromkeys(word for words in [*known[at + 1 :], *known[:at]] for word in words)
        found[sample["sample_id"]] = tuple(word for word in ring if word not in known[at])[: len(known[at])]
    return found
