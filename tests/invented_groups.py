"""Groupings with names that no module knows: tokens by their place in the prompt, and modalities by other names."""

from collections.abc import Mapping, Sequence
from typing import Any

from lode.grouping import PROMPT, Grouping, Look
from lode.grouping.modality import grouping as modalities

PARTS = ("blue", "green", "grey")
GROUPS = {"blue": ("blue",), "green": ("green",), "grey": ("grey",), "cold": ("blue", "green"), PROMPT: PARTS}
#: What the samples of two benchmarks hold.
HELD = {"sea": ("blue", "green"), "ash": ("grey",)}


def codes(kinds: Any, samples: Sequence[Mapping[str, Any]]) -> Any:
    """The first token of a prompt is blue, the second green, the third grey, the fourth blue, ...; but one sample."""
    places = ((kinds >= 0).cumsum(1) - 1) % len(PARTS)
    for row, sample in enumerate(samples):
        if sample["prompt"] == "all grey":
            places[row] = PARTS.index("grey")
    return places


def own(group: str, benchmarks: Mapping[str, Sequence[str]]) -> dict[str, bool] | None:
    """Those whose samples hold all that the group is made of; none of all tokens."""
    if group == PROMPT:
        return None
    return {name: set(GROUPS[group]) <= set(parts) for name, parts in benchmarks.items()}


def grouping() -> Grouping:
    """Colours."""
    looks = {"grey": Look("#888888", "s")}
    splits = {"colours": PARTS, "two": ("cold", "grey")}
    return Grouping(PARTS, GROUPS, splits, "grey", codes, lambda dataset: HELD[dataset.name], own, looks)


def renamed(name: str) -> str:
    """Another name of a modality."""
    return name if name == PROMPT else f"t{sum(name.encode())}"


def renamed_modalities() -> Grouping:
    """Modalities under other names."""
    old = modalities()
    back = {renamed(name): name for name in old.names}

    def of(names: Sequence[str]) -> tuple[str, ...]:
        return tuple(map(renamed, names))

    return Grouping(
        of(old.parts),
        {renamed(name): of(parts) for name, parts in old.groups.items()},
        {name: of(groups) for name, groups in old.splits.items()},
        renamed(old.reply_part),
        old.codes,
        lambda dataset: of(old.held(dataset)),
        lambda group, benchmarks: old.own(back[group], {n: [back[p] for p in ps] for n, ps in benchmarks.items()}),
    )
