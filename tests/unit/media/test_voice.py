"""The built-in voice: what it says is what it was told, measured in the sound."""

from collections.abc import Iterator
from functools import partial
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from scipy.signal import welch

from lode.dataset import Sample, toy_speech, toy_vocalsound, toy_word
from lode.engine.errors import UserError
from lode.media import Sampling, decode_audio
from lode.media.voice import PHONEMES, RATE, STEP, WORDS, Speaker, articulate, pulses, record, resonate, say
from lode.study import compose

MAN = Speaker(pitch=110.0, tract=1.0, rate=1.0, fall=0.0, breathiness=0.0)


def generator(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def test_every_word_is_made_of_known_phonemes() -> None:
    for phonemes in WORDS.values():
        assert set(phonemes.split()) <= set(PHONEMES)


@pytest.mark.parametrize("name", ["IY", "AE", "AA"])
def test_a_vowel_has_its_formants(name: str) -> None:
    """White noise through the resonators has a maximum within one bandwidth of the first two formants."""
    formants = np.tile(np.array(PHONEMES[name].formants, dtype=float), (8 * RATE, 1))
    frequency, power = welch(resonate(generator().standard_normal(8 * RATE), formants), RATE, nperseg=2048)
    for formant in PHONEMES[name].formants[:2]:
        near = np.abs(frequency - formant) < 150
        assert abs(frequency[near][power[near].argmax()] - formant) < 100


def test_the_pitch_is_the_speakers() -> None:
    pulse_train = pulses(np.full(RATE, 200.0), generator())
    onsets = np.flatnonzero(np.diff(pulse_train) > 0.5)
    assert len(onsets) == pytest.approx(200, abs=3)


def test_a_fast_speaker_is_short_and_silence_is_silent() -> None:
    phonemes = [PHONEMES["AA"], PHONEMES["-"], PHONEMES["AA"]]
    slow, fast = (articulate(phonemes, Speaker(110.0, 1.0, rate, 0.0, 0.0), generator()) for rate in (1.0, 2.0))
    assert len(slow) == pytest.approx(2 * len(fast), abs=2 * STEP)
    quiet = articulate([PHONEMES["-"]], MAN, generator())
    assert np.abs(quiet).max() == 0


def test_a_recording_has_the_noise_asked_for() -> None:
    sound = say(["zero"], MAN, generator())
    clear, noisy = (record(sound, 2.0, ratio, generator(1)) for ratio in (30.0, 0.0))
    for made in (clear, noisy):
        assert len(made) == 2 * RATE
        assert 0.3 <= np.abs(made).max() <= 0.9
    edge = slice(0, RATE // 20)  # before the word starts
    assert np.std(noisy[edge]) / np.abs(noisy).max() > 5 * np.std(clear[edge]) / np.abs(clear).max()


def test_a_sound_too_long_is_cut() -> None:
    assert len(record(np.ones(3 * RATE), 2.0, 10.0, generator())) == 2 * RATE


def first(samples: Iterator[Sample], count: int) -> list[Sample]:
    return [sample for _, sample in zip(range(count), samples, strict=False)]


def test_speech_is_what_its_answer_says() -> None:
    """Equal words, equal seed: a sample's sound depends on its words, and the transcript is upper case."""
    for sample in first(toy_speech.samples("test", 5, 3, voice="formant"), 5):
        assert sample.answers[0] == sample.answers[0].upper()
        assert set(sample.answers[0].lower().split()) <= set(WORDS)
        assert sample.meta == {"voice": "formant"}
        assert len(decode_audio(sample.media[0].bytes, Sampling())) == 2 * RATE


def test_voices_are_named() -> None:
    with pytest.raises(UserError, match=r"unknown voice 'formnat'.*formant"):
        list(toy_speech.samples("test", 1, 3, voice="formnat"))


@pytest.mark.parametrize("installed", [None, "/usr/bin/espeak-ng"])
def test_the_machine_does_not_choose_the_voice(monkeypatch: pytest.MonkeyPatch, installed: str | None) -> None:
    monkeypatch.setattr("shutil.which", lambda name: installed)
    monkeypatch.setattr("subprocess.run", lambda *_, **__: pytest.fail("nobody named another voice"))
    (sample,) = toy_speech.samples("test", 1, 3)
    assert sample.meta == {"voice": "formant"}
    assert [compose([f"dataset={name}"]).dataset.options.voice for name in ("toy_speech", "same_content_speech")] == [
        "formant"
    ] * 2


@pytest.mark.parametrize("plugin", [toy_speech.samples, partial(toy_word.samples, form="speech")])
def test_a_voice_that_is_not_installed_is_refused(monkeypatch: pytest.MonkeyPatch, plugin: Any) -> None:
    monkeypatch.setattr("shutil.which", lambda name: None)
    with pytest.raises(UserError, match="espeak-ng is not installed; install it, or choose voice=formant"):
        plugin("test", 1, 3, voice="espeak")
    with pytest.raises(UserError, match="unknown voice 'auto'"):
        plugin("test", 1, 3, voice="auto")


def test_the_version_of_espeak_is_recorded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the place of its data, which is one machine's."""
    said = SimpleNamespace(stdout="eSpeak NG text-to-speech: 1.51  Data at: /some/where\n")
    monkeypatch.setattr("shutil.which", lambda name: name)
    monkeypatch.setattr("subprocess.run", lambda *_, **__: said)
    assert toy_speech.voice_facts("espeak") == {"voice": "espeak", "voice_version": "eSpeak NG text-to-speech: 1.51"}


def test_vocal_sounds_differ_by_class() -> None:
    """A sniff is high hiss, throat clearing low and rough: their spectra tell them apart in every recording."""
    centroids: dict[str, list[float]] = {"Sniff": [], "Throat clearing": []}
    for label, found in centroids.items():
        for seed in range(6):
            phonemes = toy_vocalsound._MAKERS[toy_vocalsound.LABELS.index(label)](generator(seed))
            frequency, power = welch(articulate(phonemes, MAN, generator(seed)), RATE)
            found.append(float((frequency * power).sum() / power.sum()))
    assert min(centroids["Sniff"]) > 2 * max(centroids["Throat clearing"])
