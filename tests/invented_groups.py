"""Groupings with names that no module knows: tokens by their place in the prompt, and modalities by other names."""

from collections.abc import Mapping, Sequence
from typing import Any

from lode.grouping import PROMPT, Grouping
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


def grouping() -> Grouping:
    """Colours."""
    splits = {"colours": PARTS, "two": ("cold", "grey")}
    return Grouping(PARTS, GROUPS, splits, codes, lambda dataset: HELD[dataset.name])


def renamed(name: str) -> str:
    """Another name of a modality."""
    return name if name == PROMPT else f"t{sum(name.encode())}"


def renamed_modalities() -> Grouping:
    """Modalities under other names."""
    old = modalities()

    def of(names: Sequence[str]) -> tuple[str, ...]:
        return tuple(map(renamed, names))

    return Grouping(
        of(old.parts),
        {renamed(name): of(parts) for name, parts in old.groups.items()},
        {name: of(groups) for name, groups in old.splits.items()},
        old.codes,
        lambda dataset: of(old.held(dataset)),
    )
