"""Spoken strings of one to three words: the offline twin of LibriSpeech.

Two voices: the built-in formant voice of `lode/media/voice.py`, and espeak-ng, a real speech synthesiser, where it is
chosen by name and installed. Speakers, speeds, pitches, noise and level vary. The words are the same in all splits; the
recordings never are, and no speaker is in both `mine` and `test`. Transcripts are upper case, as LibriSpeech's; the
cluster is the speaker.
"""

from collections.abc import Iterator

import numpy as np

from lode.dataset import Sample, only_split
from lode.dataset._splits import with_cluster, word_of
from lode.dataset._toy_voices import NUM_SPEAKERS, speak, voice_facts
from lode.media import encode_audio
from lode.media.voice import RATE, WORDS, record

HELD_OUT = "clusters"
SECONDS = 2.0
PROMPT = "Transcribe the speech. Answer with the transcription only."


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
