"""Sounds of speech in a row, to be named one by one: the beginning of one common word and the end of another.

So what follows what is as in words, and no word can be guessed. The cluster is the phonemes, and no phonemes in a row
are in two splits. Words are those that `common_word` has in the split, and none of three phonemes or more that it has
in another is heard, not even within a row: no model hears a word in training that it is tested on. `meta` says where
each is: `places` are 100 letters, of 20 ms each, a dot where nothing is said, and `PHONEME_LETTERS` the phoneme that
each letter stands for.
"""

import random
from collections.abc import Iterator, Sequence
from itertools import count, islice
from string import ascii_letters

import numpy as np

from lode.dataset import Sample
from lode.dataset._common_words import pronunciations
from lode.dataset._splits import split_of
from lode.dataset._toy_voices import NUM_SPEAKERS
from lode.dataset._words import SECONDS
from lode.media import encode_audio
from lode.media.voice import PHONEMES, RATE, articulate, lengths_of, random_speaker, record, start_in

HELD_OUT = "clusters"
#: A place [seconds], and what stands for silence there, and for each phoneme.
CELL, NOTHING, SILENCE = 0.02, ".", "-"
PHONEME_LETTERS = dict(zip((name for name in PHONEMES if name != SILENCE), ascii_letters, strict=False))
#: Shorter words of another split may be heard: nearly every row holds one.
SHORTEST = 3
PROMPTS = ("name the sounds.", "which sounds are in it?", "sound by sound.", "what sounds does it have?")


def places_of(names: Sequence[str], lengths: Sequence[int], start: int) -> str:
    """What is said in the middle of every cell.

    Args:
        names: of phonemes.
        lengths: of each [samples].
        start: of the first [samples].
    """
    ends = start + np.cumsum(lengths)
    middles = (np.arange(round(SECONDS / CELL)) + 0.5) * CELL * RATE
    said = np.searchsorted(ends, middles, side="right")
    letters = [PHONEME_LETTERS.get(name, NOTHING) for name in names] + [NOTHING]
    return "".join(NOTHING if middle < start else letters[at] for middle, at in zip(middles, said, strict=True))


def _sample(split: str, number: int, names: Sequence[str], prompt: str, rng: np.random.Generator) -> Sample:
    speaker = random_speaker(np.random.default_rng(int(rng.integers(NUM_SPEAKERS))))
    phonemes = [PHONEMES[name] for name in names]
    lengths = lengths_of(phonemes, speaker, rng)
    sound = articulate(phonemes, speaker, rng, lengths)
    start = start_in(sound, SECONDS, rng)
    heard = heard_in(names)
    return Sample(
        sample_id=f"toy_phonemes-{split}-{number}",
        cluster_id=heard,
        split=split,
        prompt=prompt,
        answers=(heard,),
        media=(encode_audio(record(sound, SECONDS, rng.uniform(8, 30), rng, start), RATE),),
        meta={"places": places_of(names, lengths, start), "voice": "formant"},
    )


def _joined(ways: Sequence[list[str]], rng: random.Random) -> list[str]:
    """The beginning of one word and the end of another, cut somewhere."""
    one, other = rng.choice(ways), rng.choice(ways)
    return [*one[: rng.randint(1, len(one))], *other[rng.randrange(len(other)) :]]


def heard_in(names: Sequence[str]) -> str:
    """Phonemes without silences, with blanks between them."""
    return " ".join(name for name in names if name != SILENCE)


def seconds_of(names: Sequence[str]) -> float:
    """How long phonemes take, at rate 1."""
    return sum(PHONEMES[name].seconds for name in names)


def _drawn(split: str, seed: int) -> Iterator[Sample]:
    rng = random.Random(f"toy_phonemes|{seed}|{split}")
    ways = [way.split() for word, way in pronunciations().items() if split_of(word, seed) == split]
    others = [heard_in(way.split()) for word, way in pronunciations().items() if split_of(word, seed) != split]
    unheard = [f" {way} " for way in others if len(way.split()) >= SHORTEST]
    longest = max(map(seconds_of, ways))  # whole words have room, however slow the speaker
    for number in count():
        names, prompt = _joined(ways, rng), rng.choice(PROMPTS)
        heard = heard_in(names)
        if not heard or seconds_of(names) > longest or split_of(heard, seed) != split:
            continue
        if not any(way in f" {heard} " for way in unheard):
            own = np.random.default_rng(list(f"toy_phonemes|{split}|{number}|{heard}".encode()))
            yield _sample(split, number, names, prompt, own)


def samples(split: str, num_samples: int, seed: int) -> Iterator[Sample]:
    """Yield samples of the split; equal arguments give equal bytes on one machine.

    Args:
        split: `train`, `mine` or `test`.
        num_samples: how many.
        seed: of the splits and the sounds.
    """
    return islice(_drawn(split, seed), num_samples)
