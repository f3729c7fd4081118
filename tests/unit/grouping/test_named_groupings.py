"""Groupings by domain and by a key of `meta`, by hand."""

import json
from typing import Any

import numpy as np
import pytest
import torch
from omegaconf import OmegaConf

from lode.checks.grouping import advise_unnamed, check_grouping, check_looks, check_own
from lode.engine.errors import UserError
from lode.grouping import PROMPT, Grouping, domain, grouping_of, meta
from lode.model.tokens import MEDIA, TOKEN_KINDS
from lode.stages.measure_selectivity import own_of
from lode.study import compose
from workflow.check import print_advice
from workflow.study import Experiment

TEXT, SPECIAL, IMAGE, VIDEO, AUDIO = range(5)
DOMAINS = {"road": ["a", "b"], "scan": ["c"]}
#: A prompt of each kind of token, with padding before it and a reply behind.
KINDS = [[-1, TEXT, SPECIAL, IMAGE, VIDEO, AUDIO, -2]]
ROAD_MEDIA, ROAD_WORDS, SCAN_MEDIA, SCAN_WORDS, REST = range(5)


def kinds_of(num_samples: int) -> Any:
    return torch.tensor(KINDS * num_samples)


def test_the_kinds_of_tokens_are_those() -> None:
    assert TOKEN_KINDS == ("text", "special", *MEDIA) == ("text", "special", "image", "video", "audio")


@pytest.mark.parametrize("kind", ["torch", "numpy"])
def test_a_token_is_of_the_domain_of_its_dataset(kind: str) -> None:
    """Two datasets of one domain, one of another, one of none, and a sample that is from no dataset."""
    made = domain.grouping(DOMAINS)
    samples: list[dict[str, str]] = [{"dataset": name} for name in ("a", "b", "c", "d")] + [{}]
    kinds = kinds_of(5) if kind == "torch" else kinds_of(5).numpy()
    found = made.codes_of(kinds, samples)
    assert type(found) is type(kinds)
    road, scan, none = (
        [-1, words, words, media, media, media, -2]
        for media, words in ((ROAD_MEDIA, ROAD_WORDS), (SCAN_MEDIA, SCAN_WORDS), (REST, REST))
    )
    assert found.tolist() == [road, road, scan, none, none]


def test_domains() -> None:
    made = domain.grouping(DOMAINS)
    assert made.parts == ("road_media", "road_words", "scan_media", "scan_words", "rest")
    assert made.names == ("road", "scan", *made.parts, PROMPT)
    assert made.groups["road"] == ("road_media", "road_words")
    assert dict(made.splits) == {
        "all": ("road", "scan"),
        "media": ("road_media", "scan_media"),
        "words": ("road_words", "scan_words"),
    }
    assert made.datasets == ("a", "b", "c")


@pytest.mark.parametrize(
    ("name", "held"), [("a", ("road_media", "road_words")), ("c", ("scan_media", "scan_words")), ("d", ("rest",))]
)
def test_what_the_samples_of_a_dataset_hold(name: str, held: tuple[str, ...]) -> None:
    assert domain.grouping(DOMAINS).held(OmegaConf.create({"name": name})) == held


@pytest.mark.parametrize(
    ("record", "code"),
    [({"category": "VIS"}, 0), ({"category": 3}, 2), ({"category": "REAS"}, 4), ({}, 4), ({"category": None}, 4)],
)
def test_a_token_is_of_the_value_of_its_sample(record: dict[str, Any], code: int) -> None:
    """A number goes by its digits with a letter; a value that is not compared, and none at all, are `rest`."""
    made = meta.grouping("category", ["VIS", "n3"])
    if record.get("category") == 3:
        record = {"category": "n3"}
    assert made.codes_of(np.array([[TEXT, IMAGE]]), [{"meta": json.dumps(record)}]).tolist() == [
        [code if code == 4 else code + 1, code]
    ]
    assert made.codes_of(np.array([[TEXT, IMAGE]]), [{}]).tolist() == [[4, 4]]


def test_values_that_are_no_text() -> None:
    truth = {"meta": json.dumps({"right": True, "step": 3})}
    assert meta.value_of("right", truth) == "true"
    assert meta.value_of("step", truth) == "3"
    assert meta.value_of("other", truth) is None


def test_datasets_whose_samples_have_the_key() -> None:
    held = ("VIS_media", "VIS_words", "CAL_media", "CAL_words", "rest")
    assert meta.grouping("category", ["VIS", "CAL"]).held(OmegaConf.create({"name": "any"})) == held
    some = meta.grouping("category", ["VIS", "CAL"], datasets=["errors"])
    assert some.held(OmegaConf.create({"name": "any"})) == ("rest",)
    assert some.held(OmegaConf.create({"name": "errors"})) == held


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
        ({"domains": {"road": ["a"], "road_media": ["b"]}}, "Correct road_media"),
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
    assert made.splits["all"] == groups
    looks = compose([f"grouping={name}"]).grouping.looks
    assert set(looks) == set(made.groups)
    assert len({(look.colour, look.marker) for look in looks.values()}) == len(looks)
    for split in made.splits.values():
        assert len({looks[name].colour for name in split}) == len({looks[name].marker for name in split}) == len(split)


def test_a_domain_of_ones_own_goes_beside() -> None:
    made = made_of("domain", "+grouping.options.domains.own=[toy_mmlu]")
    assert made.splits["all"] == ("road", "aerial", "scan", "form", "scene", "own")


# --- benchmarks of no group -------------------------------------------------------------------------------------------


def held_by(section: Any, *names: str) -> dict[str, tuple[str, ...]]:
    return {name: grouping_of(section).held(compose([f"dataset={name}"]).dataset) for name in names}


@pytest.mark.parametrize("name", ["road", "aerial", "scan", "form", "scene"])
def test_a_variant_is_a_benchmark_of_its_domain(name: str) -> None:
    """Under the shipped domains the own prompts of a domain do not make it another."""
    section = compose(["grouping=domain"]).grouping
    held = held_by(section, "toy_road", f"toy_{name}", f"toy_{name}_own")
    assert held[f"toy_{name}_own"] == held[f"toy_{name}"]
    owned = own_of(section, held, name)
    assert owned is not None
    assert owned[f"toy_{name}_own"]
    assert advise_unnamed(section, held) == []


def test_benchmarks_of_no_group_are_named_before_anything_runs() -> None:
    section = compose(["grouping=domain"]).grouping
    (note,) = advise_unnamed(section, held_by(section, "toy_road", "toy_mmlu", "toy_caption"))
    assert note.startswith("grouping domain: benchmarks of no group, toy_mmlu, toy_caption, count among the others")
    modalities = compose(["grouping=modality"]).grouping
    assert advise_unnamed(modalities, held_by(modalities, "toy_mmlu", "toy_caption")) == []
    errors = compose(["grouping=error_category", "+grouping.options.datasets=[toy_errorradar_step]"]).grouping
    assert advise_unnamed(errors, held_by(errors, "toy_errorradar_step", "toy_mmlu")) == [], "no group has its own"


def test_the_note_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    overrides = ["benchmarks=[toy_road,toy_aerial,toy_caption]", "models=[tiny_llava_next]"]
    print_advice(Experiment({"experiment": "mmneuron", "overrides": overrides}))
    assert "note: grouping domain: benchmarks of no group, toy_caption," in capsys.readouterr().err
