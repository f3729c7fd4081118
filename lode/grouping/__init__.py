"""Groupings: one file each. What is compared: modalities, domains, kinds of error.

A plug-in `lode/grouping/<name>.py` has one public function::

    grouping(**options) -> Grouping

that says which groups there are and which tokens of a batch belong to each. Which benchmarks are a group's own, and how
it looks, is said in `config/grouping/<name>.yaml`, which no capture reads.
Selectors, controls, importance, interventions, statistics and figures see a group axis and know no name of a group but
`PROMPT`. Light imports only: plug-ins are imported while the job graph is built.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from typing import Any

from omegaconf import OmegaConf

from lode.engine.errors import UserError
from lode.engine.names import check_legal

#: The group that every grouping has: every token of the prompt, and so every sample.
PROMPT = "prompt"
#: What is called so and is no group: the union of sets, and what has no neurons; tokens by their place, and all media.
RESERVED = frozenset({"all", "none", "blank", "constant", "last", "before", "sink", "media"})
#: What is asked of the groups.
GROUPS = f"each part to be a group of its own, and {PROMPT!r} to be all parts"


@dataclass(frozen=True)
class Grouping:
    """What is compared.

    Attributes:
        parts: what one token can be: disjoint, and the code of a token is the place of its part here.
        groups: in the order of the group axis, each with the parts that it is made of; each part is one of its own,
            and `PROMPT` is all of them.
        splits: choices of disjoint groups by name, for `selection.group_split`.
        codes: from the kind of every token (an array (batch, token), as `Batch.token_kind`) and the samples of the
            batch to the code of every token, an array of the same form: the place of its part.
        held: from the `dataset` section of a config to the parts that its samples hold: every one, or, where samples of
            one dataset are of different parts, some of them.
        datasets: those that the options name, which must be there.
        mixed: whether samples of one dataset may be of different parts, as its `held` then says.
    """

    parts: tuple[str, ...]
    groups: Mapping[str, tuple[str, ...]]
    splits: Mapping[str, tuple[str, ...]]
    codes: Callable[[Any, Sequence[Mapping[str, Any]]], Any]
    held: Callable[[Any], tuple[str, ...]]
    datasets: tuple[str, ...] = ()
    mixed: bool = False

    def __post_init__(self) -> None:
        for name in (*self.groups, *self.splits):
            check_legal("a name of a grouping", name)
        told = {group: self.groups.get(group) for group in (PROMPT, *self.parts)}
        refuse(told != {PROMPT: self.parts, **{part: (part,) for part in self.parts}}, GROUPS, told)
        reserved = RESERVED & set(self.groups)
        refuse(bool(reserved), f"other names of groups than {', '.join(sorted(RESERVED))}", reserved)
        for name, parts in self.groups.items():
            refuse(not parts or not set(parts) <= set(self.parts), f"parts, at least one, in group {name}", parts)
        for name, groups in self.splits.items():
            members = [part for group in groups for part in self.groups.get(group, ("", ""))]
            refuse(not groups or len(set(members)) < len(members), f"groups that share no part in {name}", groups)

    @property
    def names(self) -> tuple[str, ...]:
        """The groups, in the order of the group axis."""
        return tuple(self.groups)

    def codes_of(self, kinds: Any, samples: Sequence[Mapping[str, Any]]) -> Any:
        """The code of every token of a batch; what is no token of a prompt (`lode/model/tokens.py`) keeps its own.

        Args:
            kinds: of every token, an array (batch, token) of whole numbers.
            samples: of the batch, in its order.

        Raises:
            UserError: a token of a prompt is of no part.
        """
        in_prompt = kinds >= 0
        codes = self.codes(kinds, samples)
        wrong = codes[in_prompt & ((codes < 0) | (codes >= len(self.parts)))]
        if len(wrong):
            raise UserError(
                f"{len(wrong)} tokens of prompts have the code {int(wrong[0])}; expected the place of one of the parts "
                f"{', '.join(self.parts)} for every token. Give tokens that are not compared a part of their own"
            )
        return codes * in_prompt + kinds * ~in_prompt

    def places(self, group: str) -> list[int]:
        """The codes of the tokens of a group."""
        return [self.parts.index(part) for part in self.groups[group]]

    def others(self, group: str) -> list[str]:
        """What a group is compared with: the other groups of its split; in no split, the parts that it is not made of.

        Where several splits have it, the one of the most groups is asked: it tells the others apart best.
        """
        splits = [split for split in self.splits.values() if group in split]
        if not splits:
            return [part for part in self.parts if part not in self.groups[group]]
        return [other for other in max(splits, key=len) if other != group]


def refuse(wrong: bool, expected: str, found: object) -> None:
    """Refuse a grouping that contradicts itself.

    Raises:
        UserError: it does.
    """
    if wrong:
        raise UserError(f"a grouping with {found}: expected {expected}. Correct its file in lode/grouping/")


def grouping_of(section: Any) -> Grouping:
    """The grouping that a `grouping` section of the config names."""
    options = OmegaConf.to_container(section.options) if OmegaConf.is_config(section.options) else section.options
    return chosen(section.plugin, json.dumps(options))


@cache
def chosen(plugin: str, options: str) -> Grouping:
    """The grouping of a plug-in by its options as JSON; a plan asks for it once for each of its jobs."""
    grouping: Grouping = import_module(f"lode.grouping.{plugin}").grouping(**json.loads(options))
    return grouping
