"""The same items in text, image and speech; what differs is the form alone, and no item is in two splits."""

from dataclasses import asdict
from functools import cache
from itertools import combinations

import pytest

from lode.dataset import Sample, toy_word
from lode.dataset._words import FORMS
from lode.engine.errors import UserError
from lode.media.voice import WORDS
from lode.study import compose
from workflow.check import open_experiment

SPLITS = ("train", "mine", "test")
#: What the form decides.
OF_THE_FORM = ("prompt", "media", "meta")


@cache
def drawn(form: str, split: str, num_samples: int = 20) -> tuple[Sample, ...]:
    return tuple(toy_word.samples(split, num_samples, 2024, form=form, voice="formant"))


@pytest.mark.parametrize("split", SPLITS)
def test_all_forms_hold_the_same_items_in_the_same_order(split: str) -> None:
    forms = [drawn(form, split) for form in FORMS]
    for told, shown, spoken in zip(*forms, strict=True):
        same = [
            {key: value for key, value in asdict(sample).items() if key not in OF_THE_FORM}
            for sample in (told, shown, spoken)
        ]
        assert same[0] == same[1] == same[2]
        assert told.meta["item"] == shown.meta["item"] == spoken.meta["item"] == told.prompt
        assert [medium.kind for s in (told, shown, spoken) for medium in s.media] == ["image", "audio"]
        assert shown.prompt == spoken.prompt
        sentence, question = told.prompt.split("\n")
        assert question == shown.prompt
        assert told.answers[0] in sentence.lower()
        assert told.answers[0] not in question, "the question alone must not tell the word"


def test_the_forms_of_the_config_are_those_of_one_plugin() -> None:
    sections = [compose([f"dataset=same_content_{form}"]).dataset for form in FORMS]
    assert {section.plugin for section in sections} == {"toy_word"}
    assert [section.options.form for section in sections] == list(FORMS)
    assert len({str(section.num_samples) for section in sections}) == 1
    assert len({str(section.scores) for section in sections}) == 1


@pytest.mark.parametrize("form", ["image", "speech"])
def test_every_item_looks_and_sounds_its_own_way(form: str) -> None:
    media = [sample.media[0].bytes for split in SPLITS for sample in drawn(form, split)]
    assert len(set(media)) == len(media)


def test_no_item_is_in_two_splits() -> None:
    items = {split: {sample.meta["item"] for sample in drawn("text", split, 500)} for split in SPLITS}
    assert all(len(found) == 500 for found in items.values())
    for one, other in combinations(SPLITS, 2):
        assert not items[one] & items[other]


def test_every_word_is_in_every_split() -> None:
    """Otherwise a word would have to be read that was never seen."""
    for split in SPLITS:
        assert {sample.answers[0] for sample in drawn("text", split, 500)} == set(WORDS)


def test_an_unknown_form_is_refused() -> None:
    with pytest.raises(UserError, match=r"unknown form 'sound'.*text, image, speech|unknown form 'sound'"):
        toy_word.samples("mine", 1, 0, form="sound")


def test_each_model_meets_the_forms_it_takes() -> None:
    run = open_experiment({"experiment": "same_content"})
    assert run.paired("benchmarks", "tiny_qwen2_vl") == ["same_content_text", "same_content_image"]
    assert run.paired("benchmarks", "tiny_qwen2_audio") == ["same_content_text", "same_content_speech"]


@pytest.mark.parametrize(("recipe", "form"), [("tiny_qwen2_vl", "image"), ("tiny_qwen2_audio", "speech")])
def test_recipes_teach_both_forms(recipe: str, form: str) -> None:
    datasets = compose([f"training={recipe}"]).training.datasets.values()
    taught = {options.options.form for options in datasets if options.get("plugin") == "toy_word"}
    assert taught == {"text", form}
