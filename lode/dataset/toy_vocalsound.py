"""Six kinds of synthetic vocal sounds: the offline twin of VocalSound.

Each is made of the breaths, bursts and voiced parts that define it (a laugh repeats "ha", a sneeze draws in and
bursts), with the speakers of `lode/media/voice.py`, in noise that sometimes nearly covers it. The prompt is the paper's
numbered list, or a short question with `listed: false`. The cluster is the speaker; none is in both `mine` and `test`.
"""

from collections.abc import Callable, Iterator

import numpy as np

from lode.dataset import Sample, only_split
from lode.dataset._splits import with_cluster, word_of
from lode.media import encode_audio
from lode.media.voice import RATE, Phoneme, Sound, Speaker, articulate, random_speaker, record

HELD_OUT = "clusters"
SECONDS = 2.0
NUM_SPEAKERS = 60
LABELS = ("Laughter", "Sigh", "Cough", "Throat clearing", "Sneeze", "Sniff")
PROMPT = "Classify the sound: " + ", ".join(f"{n} {label}" for n, label in enumerate(LABELS, 1)) + ". Answer:"
SHORT_PROMPT = "Which sound is it?"

_SILENCE = Phoneme((500, 1500, 2500), 0.05)


def _breath(seconds: float, strength: float, second: int = 1500) -> Phoneme:
    """Air through an open mouth."""
    return Phoneme((600, second, 2600), seconds, breath=strength)


def _burst(seconds: float, low: int, high: int, strength: float) -> Phoneme:
    """A sudden rush of noise."""
    return Phoneme((700, 1400, 2500), seconds, hiss=strength, band=(low, high))


def _open(seconds: float, strength: float) -> Phoneme:
    """A voiced open vowel."""
    return Phoneme((730, 1200, 2500), seconds, voiced=strength)


def _laughter(rng: np.random.Generator) -> list[Phoneme]:
    beat = rng.uniform(0.07, 0.12)
    return [part for _ in range(rng.integers(3, 7)) for part in (_breath(beat, 0.4), _open(beat, 1.0))]


def _sigh(rng: np.random.Generator) -> list[Phoneme]:
    out = [_breath(rng.uniform(0.1, 0.2), strength) for strength in (0.5, 0.7, 0.5, 0.3, 0.15)]
    return [*out, Phoneme((500, 1100, 2400), 0.1, voiced=0.1, breath=0.1)]


def _cough(rng: np.random.Generator) -> list[Phoneme]:
    one = [_burst(0.04, 400, 5000, 1.0), Phoneme((700, 1300, 2500), rng.uniform(0.08, 0.15), voiced=0.4, breath=0.8)]
    return [part for _ in range(rng.integers(1, 4)) for part in (*one, _SILENCE, _SILENCE)]


def _throat_clearing(rng: np.random.Generator) -> list[Phoneme]:
    beat = rng.uniform(0.03, 0.05)
    rough = (Phoneme((400, 1000, 2200), beat, voiced=0.7, breath=0.3), Phoneme((400, 1000, 2200), beat, voiced=0.1))
    return [*(part for _ in range(rng.integers(5, 9)) for part in rough), Phoneme((250, 1000, 2200), 0.15, voiced=0.4)]


def _sneeze(rng: np.random.Generator) -> list[Phoneme]:
    draw = [_breath(rng.uniform(0.15, 0.3), 0.15, 1900), _open(rng.uniform(0.08, 0.15), 0.5), _SILENCE]
    return [*draw, _burst(0.05, 1500, 7000, 1.5), _burst(rng.uniform(0.15, 0.3), 2000, 7500, 0.6), _breath(0.1, 0.2)]


def _sniff(rng: np.random.Generator) -> list[Phoneme]:
    one = [_burst(rng.uniform(0.08, 0.14), 1000, 4000, 0.3), _burst(rng.uniform(0.06, 0.12), 2500, 7000, 0.6)]
    return [part for _ in range(rng.integers(1, 4)) for part in (*one, _SILENCE, _SILENCE, _SILENCE)]


_MAKERS: tuple[Callable[[np.random.Generator], list[Phoneme]], ...] = (
    _laughter,
    _sigh,
    _cough,
    _throat_clearing,
    _sneeze,
    _sniff,
)


def synthesise(index: int, speaker: Speaker, rng: np.random.Generator) -> Sound:
    """A recording of one of `LABELS`."""
    return record(articulate(_MAKERS[index](rng), speaker, rng), SECONDS, rng.uniform(-6, 20), rng)


def _candidates(split: str, seed: int, prompt: str) -> Iterator[tuple[str, Sample]]:
    rng = np.random.default_rng([seed, *f"toy_vocalsound|{word_of(split)}".encode()])
    while True:
        index, speaker, recording = int(rng.integers(6)), int(rng.integers(NUM_SPEAKERS)), int(rng.integers(2**48))
        content, name = f"{LABELS[index]}|{recording}", f"toy_vocalsound-{recording:012x}"
        cluster, answer = f"speaker-{speaker}", (LABELS[index],)
        if with_cluster(content, cluster, seed) != split:  # synthesis takes time
            continue
        who = random_speaker(np.random.default_rng(speaker))
        audio = encode_audio(synthesise(index, who, np.random.default_rng(recording)), RATE)
        yield content, Sample(name, cluster, split, prompt, answer, (audio,), choices=LABELS, answer_index=index)


def samples(split: str, num_samples: int, seed: int, listed: bool = True) -> Iterator[Sample]:
    """Yield samples of the split; equal arguments give equal bytes on one machine.

    Args:
        split: `train`, `mine` or `test`.
        num_samples: how many.
        seed: of sounds, speakers and recordings.
        listed: list the sounds in the prompt; recordings and answers do not depend on it.
    """
    candidates = _candidates(split, seed, PROMPT if listed else SHORT_PROMPT)
    return only_split(candidates, split, num_samples, seed, by_cluster=True)
