"""Groupings that contradict themselves are refused."""

from typing import Any

import numpy as np
import pytest

from lode.engine.errors import UserError
from lode.grouping import PROMPT, Grouping, domain, modality

GOOD: dict[str, Any] = {
    "parts": ("a", "b"),
    "groups": {"a": ("a",), "b": ("b",), PROMPT: ("a", "b")},
    "splits": {"both": ("a", "b")},
    "codes": lambda kinds, samples: kinds,
    "held": lambda dataset: (),
}
WHOLE = GOOD["groups"]


def test_a_grouping_without_a_fault() -> None:
    made = Grouping(**GOOD)
    assert made.names == ("a", "b", PROMPT)
    assert made.others("a") == ["b"]
    assert made.others(PROMPT) == []
    assert made.places(PROMPT) == [0, 1]


def test_a_group_is_compared_with_the_others_of_its_finest_split() -> None:
    parts = ("a", "b", "c", "d")
    groups = {**{part: (part,) for part in parts}, "ab": ("a", "b"), PROMPT: parts}
    made = Grouping(
        **{**GOOD, "parts": parts, "groups": groups, "splits": {"two": ("ab", "c"), "each": ("a", "b", "c")}}
    )
    assert made.others("ab") == ["c"]
    assert made.others("c") == ["a", "b"]
    assert made.others("a") == ["b", "c"], "d is compared with nothing"
    assert made.others("d") == ["a", "b", "c"]


def test_what_modalities_are_compared_with() -> None:
    """As before there were splits to ask: the parts that a modality is not made of."""
    made = modality.grouping()
    for name in made.groups:
        assert made.others(name) == [part for part in made.parts if part not in made.groups[name]]


def test_what_domains_are_compared_with() -> None:
    made = domain.grouping({"road": ["a"], "scan": ["b"], "form": ["c"]})
    assert made.others("road") == ["scan", "form"]
    assert made.others("road_media") == ["scan_media", "form_media"]
    assert made.others("form_words") == ["road_words", "scan_words"]


@pytest.mark.parametrize(
    ("fault", "says"),
    [
        ({"groups": {"a": ("a",), PROMPT: ("a", "b")}}, "each part to be a group of its own"),
        ({"groups": {**WHOLE, PROMPT: ("a",)}}, "'prompt' to be all parts"),
        ({"groups": {**WHOLE, "both": ("a", "c")}}, "parts, at least one, in group both"),
        ({"groups": {**WHOLE, "nothing": ()}}, "parts, at least one, in group nothing"),
        ({"groups": {**WHOLE, "all": ("a",)}}, "other names of groups than all, before, blank"),
        *(
            ({"groups": {**WHOLE, name: ("a",)}}, f"other names of groups than.*{name}")
            for name in ("last", "before", "sink", "media")
        ),
        ({"splits": {"both": ("a", "c")}}, "groups that share no part in both"),
        ({"splits": {"both": ("a", PROMPT)}}, "groups that share no part in both"),
        ({"splits": {"empty": ()}}, "groups that share no part in empty"),
        ({"groups": {**WHOLE, "logic, formal": ("a",)}}, "may hold letters, digits"),
        ({"groups": {**WHOLE, "null": ("a",)}}, "reads as a number, a truth value or null"),
    ],
)
def test_a_grouping_that_contradicts_itself(fault: dict[str, Any], says: str) -> None:
    with pytest.raises(UserError, match=says):
        Grouping(**{**GOOD, **fault})


def test_every_token_of_a_prompt_is_of_a_part() -> None:
    """Padding (-1) and replies (-2) are no tokens of a prompt, whatever the grouping says of them."""
    made = Grouping(**{**GOOD, "codes": lambda kinds, samples: kinds - 3})
    assert made.codes_of(np.array([[-1, 3, 4, -2]]), [{}]).tolist() == [[-1, 0, 1, -2]]
    for wrong in (2, 5):
        with pytest.raises(UserError, match=f"1 tokens of prompts have the code {wrong - 3}; expected the place"):
            made.codes_of(np.array([[-1, 3, wrong, -2]]), [{}])
