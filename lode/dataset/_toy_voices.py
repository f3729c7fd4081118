"""Two voices: the built-in one of `lode/media/voice.py`, and espeak-ng where it is installed."""

import shutil
import subprocess
from collections.abc import Mapping
from io import BytesIO
from types import MappingProxyType

import numpy as np
import scipy  # its parts load when first used: plans import this module
import soundfile

from lode.engine.errors import UserError, unknown_name
from lode.media.voice import RATE, WORDS, Sound, random_speaker, say

NUM_SPEAKERS = 40
#: Variants of espeak-ng's English voice.
_VARIANTS = ("m1", "m2", "m3", "m4", "m5", "m7", "f1", "f2", "f3", "f4")
_ACCENTS = ("en-us", "en-gb", "en-gb-scotland")


def _formant(words: list[str], speaker: int, rng: np.random.Generator, known: Mapping[str, str]) -> Sound:
    """The built-in voice."""
    return say(words, random_speaker(np.random.default_rng(speaker)), rng, known)


def _espeak(words: list[str], speaker: int, rng: np.random.Generator, known: Mapping[str, str]) -> Sound:
    """One utterance of espeak-ng at `RATE`; it knows how words are spoken."""
    del known
    variant, accent = _VARIANTS[speaker % len(_VARIANTS)], _ACCENTS[speaker % len(_ACCENTS)]
    pitch, speed = 30 + speaker % 5 * 10, int(rng.integers(150, 200))
    command = ["espeak-ng", "-v", f"{accent}+{variant}", "-p", str(pitch), "-s", str(speed), "--stdout"]
    made = subprocess.run([*command, " ".join(words)], check=True, capture_output=True).stdout
    sound, rate = soundfile.read(BytesIO(made))
    loud = np.flatnonzero(np.abs(sound) > 0.01)
    return scipy.signal.resample_poly(sound[loud[0] : loud[-1]], RATE, rate)


_SPEAK = {"formant": _formant, "espeak": _espeak}


def speak(
    words: list[str],
    voice: str,
    speaker: int,
    rng: np.random.Generator,
    known: Mapping[str, str] = MappingProxyType(WORDS),
) -> Sound:
    """Words, spoken.

    Args:
        words: what is said, each of `known`.
        voice: `formant` or `espeak`.
        speaker: which one, below `NUM_SPEAKERS`.
        rng: of speed and the like.
        known: how words are spoken, in phonemes of the built-in voice.
    """
    return _SPEAK[voice](words, speaker, rng, known)


def voice_facts(voice: str) -> dict[str, object]:
    """What to record of a voice: its name, and of espeak-ng the version, as another may sound otherwise.

    Raises:
        UserError: no such voice, or espeak-ng is asked for and not installed.
    """
    if voice not in _SPEAK:
        raise unknown_name("voice", voice, _SPEAK)
    if voice == "formant":
        return {"voice": voice}
    if shutil.which("espeak-ng") is None:
        raise UserError("voice 'espeak': espeak-ng is not installed; install it, or choose voice=formant")
    said = subprocess.run(["espeak-ng", "--version"], check=True, capture_output=True, text=True).stdout
    return {"voice": voice, "voice_version": said.partition("  ")[0].strip()}
