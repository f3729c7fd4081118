"""Spoken strings of one to three words: the offline twin of LibriSpeech.

Two voices: the built-in formant voice of `lode/media/voice.py`, and espeak-ng, a real speech synthesiser, where it is
chosen by name and installed. Speakers, speeds, pitches, noise and level vary. The words are the same in all splits; the
recordings never are, and no speaker is in both `mine` and `test`. Transcripts are upper case, as LibriSpeech's; the
cluster is the speaker.
"""

import shutil
import subprocess
from collections.abc import Iterator
from io import BytesIO

import numpy as np
import scipy  # its parts load when first used: plans import this module
import soundfile

from lode.dataset import Sample, only_split
from lode.dataset._splits import with_cluster, word_of
from lode.engine.errors import UserError, unknown_name
from lode.media import encode_audio
from lode.media.voice import RATE, WORDS, Sound, random_speaker, record, say

HELD_OUT = "clusters"
SECONDS = 2.0
NUM_SPEAKERS = 40
PROMPT = "Transcribe the speech. Answer with the transcription only."
#: Variants of espeak-ng's English voice.
_VARIANTS = ("m1", "m2", "m3", "m4", "m5", "m7", "f1", "f2", "f3", "f4")
_ACCENTS = ("en-us", "en-gb", "en-gb-scotland")


def _formant(words: list[str], speaker: int, rng: np.random.Generator) -> Sound:
    """The built-in voice."""
    return say(words, random_speaker(np.random.default_rng(speaker)), rng)


def _espeak(words: list[str], speaker: int, rng: np.random.Generator) -> Sound:
    """One utterance of espeak-ng at `RATE`."""
    variant, accent = _VARIANTS[speaker % len(_VARIANTS)], _ACCENTS[speaker % len(_ACCENTS)]
    pitch, speed = 30 + speaker % 5 * 10, int(rng.integers(150, 200))
    command = ["espeak-ng", "-v", f"{accent}+{variant}", "-p", str(pitch), "-s", str(speed), "--stdout"]
    made = subprocess.run([*command, " ".join(words)], check=True, capture_output=True).stdout
    sound, rate = soundfile.read(BytesIO(made))
    loud = np.flatnonzero(np.abs(sound) > 0.01)
    return scipy.signal.resample_poly(sound[loud[0] : loud[-1]], RATE, rate)


_SPEAK = {"formant": _formant, "espeak": _espeak}


def speak(words: list[str], voice: str, speaker: int, rng: np.random.Generator) -> Sound:
    """Words of the built-in voice's vocabulary, spoken.

    Args:
        words: what is said.
        voice: `formant` or `espeak`.
        speaker: which one, below `NUM_SPEAKERS`.
        rng: of speed and the like.
    """
    return _SPEAK[voice](words, speaker, rng)


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


def _candidates(split: str, seed: int, voice: str, facts: dict[str, object]) -> Iterator[tuple[str, Sample]]:
    rng = np.random.default_rng([seed, *f"toy_speech|{word_of(split)}".encode()])
    while True:
        words = [str(word) for word in rng.choice(list(WORDS), rng.integers(1, 4))]
        speaker, recording = int(rng.integers(NUM_SPEAKERS)), int(rng.integers(2**48))
        content, name = f"{'-'.join(words)}|{recording}", f"toy_speech-{recording:012x}"
        cluster = f"speaker-{speaker}"
        if with_cluster(content, cluster, seed) != split:  # speaking takes time
            continue
        own = np.random.default_rng(recording)
        sound = record(speak(words, voice, speaker, own), SECONDS, own.uniform(8, 30), own)
        audio = encode_audio(sound, RATE)
        text = " ".join(words).upper()
        yield content, Sample(name, cluster, split, PROMPT, (text,), (audio,), meta=facts)


def samples(split: str, num_samples: int, seed: int, voice: str = "formant") -> Iterator[Sample]:
    """Yield samples of the split; equal arguments give equal bytes on one machine.

    Args:
        split: `train`, `mine` or `test`.
        num_samples: how many.
        seed: of words, speakers and recordings.
        voice: `formant`, or `espeak`, which must be installed. Each sample's `meta` says which, and its version.
    """
    return only_split(_candidates(split, seed, voice, voice_facts(voice)), split, num_samples, seed, by_cluster=True)
