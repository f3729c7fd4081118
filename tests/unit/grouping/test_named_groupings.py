"""Groupings by domain and by a key of `meta`, by hand."""

import json
from typing import Any

import numpy as np
import pytest
import torch
from omegaconf import OmegaConf

from lode.checks.grouping import check_grouping, check_looks, check_own
from lode.engine.errors import UserError
from lode.grouping import PROMPT, Grouping, domain, grouping_of, meta
from lode.model.tokens import MEDIA, TOKEN_KINDS
from lode.study import compose

TEXT, SPECIAL, IMAGE, VIDEO, AUDIO = range(5)
DOMAINS = {"road": ["a", "b"], "scan": ["c"]}
#: A prompt of each kind of token, with padding before it and a reply behind.
KINDS = [[-1, TEXT, SPECIAL, IMAGE, VIDEO, AUDIO, -2]]
ROAD, SCAN, REST = range(3)


def kinds_of(num_samples: int) -> Any:
    return torch.tensor(KINDS * num_samples)


def test_the_kinds_of_tokens_are_those() -> None:
    assert TOKEN_KINDS == ("text", "special", *MEDIA) == ("text", "special", "image", "video", "audio")


@pytest.mark.parametrize(
    ("tokens", "codes"),
    [
        ("all", [-1, ROAD, ROAD, ROAD, ROAD, ROAD, -2]),
        ("media", [-1, REST, REST, ROAD, ROAD, ROAD, -2]),
        ("text", [-1, ROAD, REST, REST, REST, REST, -2]),
    ],
)
@pytest.mark.parametrize("kind", ["torch", "numpy"])
def test_a_token_is_of_the_domain_of_its_dataset(tokens: str, codes: list[int], kind: str) -> None:
    """Two datasets of one domain, one of another, one of none, and a sample that is from no dataset."""
    made = domain.grouping(DOMAINS, tokens)
    samples: list[dict[str, str]] = [{"dataset": name} for name in ("a", "b", "c", "d")] + [{}]
    kinds = kinds_of(5) if kind == "torch" else kinds_of(5).numpy()
    found = made.codes_of(kinds, samples)
    assert type(found) is type(kinds)
    scan = [SCAN if code == ROAD else code for code in codes]
    none = [REST if code == ROAD else code for code in codes]
    assert found.tolist() == [codes, codes, scan, none, none]


def test_domains() -> None:
    made = domain.grouping(DOMAINS)
    assert made.parts == ("road", "scan", "rest")
    assert dict(made.groups) == {"road": ("road",), "scan": ("scan",), "rest": ("rest",), PROMPT: made.parts}
    assert dict(made.splits) == {"groups": ("road", "scan")}
    assert made.reply_place == REST
    assert made.datasets == ("a", "b", "c")


@pytest.mark.parametrize(
    ("tokens", "name", "modalities", "held"),
    [
        ("all", "a", ["text", "special", "image"], ("road",)),
        ("all", "c", [], ("scan",)),
        ("media", "a", ["text", "special", "image"], ("road", "rest")),
        ("media", "a", ["text", "special"], ("rest",)),
        ("text", "c", ["text"], ("scan",)),
        ("all", "d", ["text", "image"], ("rest",)),
    ],
)
def test_what_the_samples_of_a_dataset_hold(tokens: str, name: str, modalities: list[str], held: Any) -> None:
    section = OmegaConf.create({"name": name, "modalities": modalities})
    assert domain.grouping(DOMAINS, tokens).held(section) == held


@pytest.mark.parametrize(
    ("record", "code"),
    [({"category": "VIS"}, 0), ({"category": 3}, 1), ({"category": "REAS"}, 2), ({}, 2), ({"category": None}, 2)],
)
def test_a_token_is_of_the_value_of_its_sample(record: dict[str, Any], code: int) -> None:
    """A number goes by its digits with a letter; a value that is not compared, and none at all, are `rest`."""
    made = meta.grouping("category", ["VIS", "n3"])
    if record.get("category") == 3:
        record = {"category": "n3"}
    assert made.codes_of(np.array([[TEXT, IMAGE]]), [{"meta": json.dumps(record)}]).tolist() == [[code, code]]
    assert made.codes_of(np.array([[TEXT, IMAGE]]), [{}]).tolist() == [[2, 2]]


def test_values_that_are_no_text() -> None:
    truth = {"meta": json.dumps({"right": True, "step": 3})}
    assert meta.value_of("right", truth) == "true"
    assert meta.value_of("step", truth) == "3"
    assert meta.value_of("other", truth) is None


def test_tokens_of_media_by_a_value() -> None:
    made = meta.grouping("category", ["VIS", "CAL"], tokens="media")
    samples = [{"meta": '{"category": "CAL"}'}, {"meta": "{}"}]
    assert made.codes_of(torch.tensor([[TEXT, IMAGE], [TEXT, IMAGE]]), samples).tolist() == [[2, 1], [2, 2]]
    assert made.held(OmegaConf.create({"name": "any"})) == ("VIS", "CAL", "rest")
    some = meta.grouping("category", ["VIS", "CAL"], datasets=["errors"])
    assert some.held(OmegaConf.create({"name": "any"})) == ("rest",)
    assert some.held(OmegaConf.create({"name": "errors"})) == ("VIS", "CAL", "rest")


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"domains": {"road": ["a"], "scan": ["a"]}}, "a is named twice; expected datasets for each domain"),
        ({"domains": {"road": ["a", "a"]}}, "a is named twice"),
        ({"domains": {"road": ["a"], "scan": []}}, "scan has no dataset"),
        ({"domains": {}}, "expected at least one"),
        ({"domains": {"rest": ["a"]}}, "Correct rest"),
        ({"domains": {"prompt": ["a"]}}, "Correct prompt"),
        ({"domains": {"all": ["a"]}}, "other names of groups than all"),
        ({"domains": {"null": ["a"]}}, "reads as a number, a truth value or null"),
        ({"domains": {"road": ["a"]}, "tokens": "medium"}, "unknown tokens of a grouping 'medium'.*Did you mean media"),
    ],
)
def test_domains_that_contradict_themselves(options: dict[str, Any], says: str) -> None:
    with pytest.raises(UserError, match=says):
        domain.grouping(**options)


def test_a_value_twice() -> None:
    with pytest.raises(UserError, match="Correct VIS"):
        meta.grouping("category", ["VIS", "CAL", "VIS"])


def test_a_dataset_that_there_is_not() -> None:
    check_grouping(compose(["grouping=error_category", "+grouping.options.datasets=[toy_caption]"]))
    cfg = compose(["grouping=error_category", "+grouping.options.datasets=[toy_caption,toy_captoin]"])
    with pytest.raises(UserError, match="unknown dataset 'toy_captoin'"):
        check_grouping(cfg)


def made_of(name: str, *overrides: str) -> Grouping:
    cfg = compose([f"grouping={name}", *overrides])
    check_own(cfg)
    check_looks(cfg)
    return grouping_of(cfg.grouping)


@pytest.mark.parametrize(
    ("name", "groups"),
    [
        ("domain", ("road", "aerial", "scan", "form", "scene")),
        ("error_category", ("VIS", "CAL", "REAS", "KNOW", "MIS")),
        ("problem_type", ("plane", "solid", "diagram", "algebra", "commonsense")),
    ],
)
def test_shipped_groupings_know_the_looks_of_all_their_groups(name: str, groups: tuple[str, ...]) -> None:
    made = made_of(name)
    assert made.splits["groups"] == groups
    looks = compose([f"grouping={name}"]).grouping.looks
    assert set(looks) == set(made.groups)
    assert len({look.colour for look in looks.values()}) == len({look.marker for look in looks.values()}) == len(looks)


def test_a_domain_of_ones_own_goes_beside() -> None:
    made = made_of("domain", "+grouping.options.domains.own=[toy_mmlu]")
    assert made.splits["groups"] == ("road", "aerial", "scan", "form", "scene", "own")
