"""Groupings: one file each. What is compared: modalities, domains, kinds of error.

A plug-in `lode/grouping/<name>.py` has one public function that answers four questions at once::

    grouping(**options) -> Grouping

which groups there are, which tokens of a batch belong to each, which benchmarks are a group's own, and how it looks.
Selectors, controls, importance, interventions, statistics and figures see a group axis and know no name of a group but
`PROMPT`. Light imports only: plug-ins are imported while the job graph is built.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any, NamedTuple

#: The group that every grouping has: every token of the prompt, and so every sample.
PROMPT = "prompt"


class Look(NamedTuple):
    """How a group looks in every figure: a colour, and a marker of matplotlib, so that no figure needs its colours."""

    colour: str
    marker: str


@dataclass(frozen=True)
class Grouping:
    """What is compared.

    Attributes:
        parts: what one token can be: disjoint, and the code of a token is the place of its part here.
        groups: in the order of the group axis, each with the parts that it is made of; `PROMPT` is all of them.
        splits: choices of disjoint groups by name, for `selection.group_split`.
        reply_part: the part that a token of the reply counts as where it takes a value of another sample.
        codes: from the kind of every token (an array (batch, token), as `Batch.token_kind`) and the samples of the
            batch to the code of every token, an array of the same form: the place of its part, or -1 for none.
        held: from the `dataset` section of a config to the parts that every sample of it holds.
        own: from a group and, by benchmark, the parts that every sample of it holds, to whether each benchmark is the
            group's own; None: no benchmark can be.
        looks: by group; another looks like `OTHER`.
    """

    parts: tuple[str, ...]
    groups: Mapping[str, tuple[str, ...]]
    splits: Mapping[str, tuple[str, ...]]
    reply_part: str
    codes: Callable[[Any, Sequence[Mapping[str, Any]]], Any]
    held: Callable[[Any], tuple[str, ...]]
    own: Callable[[str, Mapping[str, Sequence[str]]], dict[str, bool] | None]
    looks: Mapping[str, Look] = field(default_factory=dict)

    def __post_init__(self) -> None:
        assert set(self.groups.get(PROMPT, ())) == set(self.parts), f"{PROMPT} is every part"
        assert self.reply_part in self.parts, "a reply counts as one of the parts"
        for name, members in (*self.groups.items(), *self.splits.items()):
            assert set(members) <= {*self.parts, *self.groups}, f"{name} is made of parts, a split of groups"

    @property
    def names(self) -> tuple[str, ...]:
        """The groups, in the order of the group axis."""
        return tuple(self.groups)

    def places(self, group: str) -> list[int]:
        """The codes of the tokens of a group."""
        return [self.parts.index(part) for part in self.groups[group]]

    def others(self, group: str) -> list[str]:
        """The parts that a group is not made of."""
        return [part for part in self.parts if part not in self.groups[group]]


def grouping_of(section: Any) -> Grouping:
    """The grouping that a `grouping` section of the config names."""
    return import_module(f"lode.grouping.{section.plugin}").grouping(**section.options)
