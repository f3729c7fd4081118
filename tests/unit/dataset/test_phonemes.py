"""Sounds in a row are where it is said that they are, in one split for good, and within the recording."""

import numpy as np

from lode.dataset import toy_phonemes
from lode.dataset._common_words import pronunciations
from lode.dataset._splits import split_of
from lode.dataset._words import SECONDS
from lode.dataset.toy_phonemes import CELL, NOTHING, PHONEME_LETTERS, places_of
from lode.media import Sampling, decode
from lode.media.voice import PHONEMES, RATE

SPLITS = ("train", "mine", "test")
CELL_SAMPLES = round(CELL * RATE)


def test_places_by_hand() -> None:
    """Silence, then S for two cells, a pause of one, and IY for one and a half."""
    lengths = [2 * CELL_SAMPLES, CELL_SAMPLES, CELL_SAMPLES * 3 // 2]
    places = places_of(["S", "-", "IY"], lengths, 3 * CELL_SAMPLES)
    s, iy = PHONEME_LETTERS["S"], PHONEME_LETTERS["IY"]
    assert len(places) == round(SECONDS / CELL) == 100
    assert places == "..." + s + s + "." + iy + "." * 93


def test_every_phoneme_has_a_letter_of_its_own() -> None:
    assert set(PHONEME_LETTERS) == set(PHONEMES) - {"-"}
    assert len(set(PHONEME_LETTERS.values())) == len(PHONEME_LETTERS)
    assert NOTHING not in PHONEME_LETTERS.values()


def test_a_clear_sound_is_louder_where_something_is_said() -> None:
    named = {letter: name for name, letter in PHONEME_LETTERS.items()}
    ratios = []
    for sample in toy_phonemes.samples("train", 20, 2024):
        heard = np.asarray(decode(sample.sample_id, sample.media[0], Sampling()))
        power = np.square(heard.ravel()[: round(SECONDS * RATE)]).reshape(100, CELL_SAMPLES).mean(1)
        vowels = np.array([place != NOTHING and PHONEMES[named[place]].voiced == 1 for place in sample.meta["places"]])
        if not vowels.any():
            continue
        ratios.append(power[vowels].mean() / power[np.array(list(sample.meta["places"])) == NOTHING].mean())
    assert len(ratios) > 10
    assert np.median(ratios) > 10


def test_no_sounds_in_a_row_are_in_two_splits_and_answers_name_them() -> None:
    drawn = {split: list(toy_phonemes.samples(split, 40, 2024)) for split in SPLITS}
    held = {split: {sample.cluster_id for sample in pool} for split, pool in drawn.items()}
    assert sum(map(len, held.values())) == len(set().union(*held.values()))
    for sample in drawn["test"]:
        names = [name for name in sample.answers[0].split() if name in PHONEMES]
        assert names == sample.answers[0].split()
        assert set(sample.meta["places"]) <= {NOTHING, *(PHONEME_LETTERS[name] for name in names)}
    assert drawn["test"][:5] == list(toy_phonemes.samples("test", 5, 2024))


def test_no_word_of_another_split_is_heard() -> None:
    ways = {word: " ".join(n for n in way.split() if n != "-") for word, way in pronunciations().items()}
    for split in SPLITS:
        others = [f" {way} " for word, way in ways.items() if split_of(word, 2024) != split and len(way.split()) >= 3]
        for sample in toy_phonemes.samples(split, 60, 2024):
            assert not [way for way in others if way in f" {sample.cluster_id} "]
