"""Common words: all can be said and told apart, a word is in one split for good, and forms share their items."""

import re
from dataclasses import asdict
from functools import cache
from itertools import combinations
from pathlib import Path

import pytest

from lode.dataset import Sample, _common_words, common_word, toy_caption, toy_vocalsound
from lode.dataset._common_words import pronunciations
from lode.dataset._splits import split_of
from lode.dataset._words import FORMS, SECONDS, SENTENCES
from lode.engine.errors import UserError
from lode.media.voice import PHONEMES, SEVERAL, spoken
from lode.study import compose

SPLITS = ("train", "mine", "test")
SEED = 2024


@cache
def drawn(form: str, split: str, num_samples: int = 4, spell: bool = False) -> tuple[Sample, ...]:
    return tuple(common_word.samples(split, num_samples, SEED, form=form, spell=spell))


# --- the list ---------------------------------------------------------------------------------------------------------


def test_every_word_is_short_and_can_be_said_within_a_recording() -> None:
    words = pronunciations()
    assert len(words) == 3500
    assert all(re.fullmatch("[a-z]{3,8}", word) for word in words)
    assert set(" ".join(words.values()).split()) <= set(PHONEMES)
    longest = max(sum(PHONEMES[name].seconds for name in way.split()) for way in words.values())
    assert longest * 1.15 / 0.85 < SECONDS, "by the slowest speaker"


def test_no_two_words_sound_alike() -> None:
    assert len(set(pronunciations().values())) == len(pronunciations())


def test_no_prompt_says_a_word_of_the_list() -> None:
    """Otherwise a reply that repeats the prompt would be right at times."""
    text = " ".join([*SENTENCES, *_common_words.QUESTIONS, *_common_words.SPELLINGS]).lower()
    assert not set(re.findall("[a-z]+", text)) & set(pronunciations())


def test_phonemes_of_arpabet_are_those_of_the_voice() -> None:
    assert spoken("CH OY S") == "- T SH AO IH S"
    assert {name for several in SEVERAL.values() for name in several.split()} <= set(PHONEMES)


def test_another_list_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    other = tmp_path / "common_words.txt"
    other.write_text("cat K AE T\n")
    monkeypatch.setattr(_common_words, "FILE", other)
    with pytest.raises(UserError, match="not the words of this version"):
        pronunciations.__wrapped__()


def test_the_file_holds_its_sources_and_their_notices() -> None:
    text = _common_words.FILE.read_text()
    assert len(text) < 150_000
    for notice in ("Carnegie Mellon University. All rights reserved.", "Redistributions in binary form", "SCOWL"):
        assert notice in text


# --- the samples ------------------------------------------------------------------------------------------------------


def test_a_word_is_in_one_split_for_good() -> None:
    """Also where every word comes many times."""
    clusters = {split: {sample.cluster_id for sample in drawn("text", split, 8000)} for split in SPLITS}
    for one, other in combinations(SPLITS, 2):
        assert not clusters[one] & clusters[other]
    assert set.union(*clusters.values()) == set(pronunciations())


def test_a_word_comes_again_in_another_way_after_all_others() -> None:
    samples = drawn("text", "train", 8000)
    count = sum(split_of(word, SEED) == "train" for word in pronunciations())
    assert len({sample.cluster_id for sample in samples[:count]}) == count
    assert len({sample.prompt for sample in samples}) == len({sample.sample_id for sample in samples}) == 8000


@pytest.mark.parametrize("spell", [False, True])
@pytest.mark.parametrize("split", SPLITS)
def test_all_forms_hold_the_same_items_in_the_same_order(split: str, spell: bool) -> None:
    for told, shown, heard in zip(*(drawn(form, split, spell=spell) for form in FORMS), strict=True):
        same = [
            {key: value for key, value in asdict(sample).items() if key not in ("prompt", "media", "meta")}
            for sample in (told, shown, heard)
        ]
        assert same[0] == same[1] == same[2]
        assert told.meta["item"] == shown.meta["item"] == heard.meta["item"] == told.prompt
        assert [medium.kind for sample in (told, shown, heard) for medium in sample.media] == ["image", "audio"]
        assert shown.prompt == heard.prompt == told.prompt.split("\n")[1]
        assert told.cluster_id in told.prompt.lower()


def test_spelling_asks_for_letters_of_the_same_splits() -> None:
    for sample in drawn("text", "mine", 400, spell=True):
        assert sample.answers == (" ".join(sample.cluster_id),)
        assert split_of(sample.cluster_id, SEED) == "mine"


def test_unknown_forms_and_voices_are_refused() -> None:
    with pytest.raises(UserError, match="unknown form 'sound'"):
        common_word.samples("mine", 1, 0, form="sound")
    with pytest.raises(UserError, match="unknown voice 'auto'"):
        common_word.samples("mine", 1, 0, form="speech", voice="auto")


def test_the_forms_of_the_config_are_those_of_one_plugin() -> None:
    sections = [compose([f"dataset=common_word_{form}"]).dataset for form in FORMS]
    assert {section.plugin for section in sections} == {"common_word"}
    assert [section.options.form for section in sections] == list(FORMS)
    assert len({str((section.num_samples, section.scores, section.max_new_tokens)) for section in sections}) == 1


def test_a_short_prompt_changes_the_prompt_alone() -> None:
    for samples, option in ((toy_caption.samples, "shots"), (toy_vocalsound.samples, "listed")):
        long, short = ([asdict(s) for s in samples("test", 3, SEED, **{option: said})] for said in (True, False))
        assert all(len(one.pop("prompt").split()) > 15 for one in long)
        assert all(len(one.pop("prompt").split()) < 10 for one in short)
        assert long == short
