"""One word, told in text, shown in an image, or spoken: the same content in three forms.

Every item is a word, a question and a way to tell the word; the option `form` says what the model gets: the word in a
sentence before the question, or an image or a recording of it beside the question. Items, their order, questions and
answers are the same in all forms, so that what differs between two forms is the modality and not the task. Words are
those that the built-in voice knows, the same in all splits; sentences, drawings and recordings never are: an item is in
one split, whatever its form. The cluster is the word, so held out are items, and no word.

It does not make the forms equally hard, so compare how scores drop, not scores.
"""

import random
from collections.abc import Iterator, Mapping
from itertools import product

import numpy as np

from lode.dataset import Sample, only_split
from lode.dataset._splits import split_of
from lode.dataset._toy_signs import render
from lode.dataset._toy_voices import NUM_SPEAKERS, speak, voice_facts
from lode.engine.errors import unknown_name
from lode.media import Medium, encode_audio, encode_image
from lode.media.voice import RATE, WORDS, record

HELD_OUT = "samples"
FORMS = ("text", "image", "speech")
SECONDS = 2.0
QUESTIONS = (
    "which word is it?",
    "what is the word?",
    "what word is that?",
    "name the word.",
    "repeat the word.",
    "give the word.",
    "tell me the word.",
    "say which word it is.",
)
SENTENCES = (
    "The word: {}",
    "A word: {}",
    "Here is a word: {}",
    "Here is the word {}.",
    "This is the word {}.",
    "It is the word {}.",
    "The next word is {}.",
    "Take the word {}.",
    "It says {}.",
    "A note says: {}",
    "Somebody wrote {}.",
    "Somebody said: {}",
    "They call it {}.",
    "I hear {}.",
    "We read {}.",
    "{}.",
)
CASES = (str.lower, str.upper, str.capitalize)
_ITEMS = tuple(product(sorted(WORDS), SENTENCES, CASES, QUESTIONS))


def drawing(word: str, item: str, voice: str) -> Medium:
    """An image of the word."""
    del voice
    return encode_image(render(word, random.Random(f"toy_word|{item}")))


def recording(word: str, item: str, voice: str) -> Medium:
    """The word spoken by one of the speakers of `toy_speech`."""
    rng = np.random.default_rng(list(f"toy_word|{item}".encode()))
    sound = speak([word], voice, int(rng.integers(NUM_SPEAKERS)), rng)
    return encode_audio(record(sound, SECONDS, rng.uniform(8, 30), rng), RATE)


_MEDIA = {"image": drawing, "speech": recording}


def _candidates(
    split: str, seed: int, form: str, voice: str, facts: Mapping[str, object]
) -> Iterator[tuple[str, Sample]]:
    told = [(word, sentence.format(case(word)), question) for word, sentence, case, question in _ITEMS]
    for word, sentence, question in random.Random(f"toy_word|{seed}").sample(told, len(told)):
        item = f"{sentence}\n{question}"
        if split_of(item, seed) != split:  # speaking takes time
            continue
        yield (
            item,
            Sample(
                sample_id=f"toy_word-{random.Random(item).getrandbits(48):012x}",
                cluster_id=word,
                split=split,
                prompt=item if form == "text" else question,
                answers=(word,),
                media=() if form == "text" else (_MEDIA[form](word, item, voice),),
                meta={**facts, "item": item},
            ),
        )


def samples(split: str, num_samples: int, seed: int, form: str = "text", voice: str = "formant") -> Iterator[Sample]:
    """Yield samples of the split, at most some 5,400, 770 and 1,500; equal arguments give equal bytes on one machine.

    Args:
        split: `train`, `mine` or `test`.
        num_samples: how many.
        seed: of items and their order.
        form: `text`, `image` or `speech`; nothing but the form depends on it.
        voice: of speech: `formant`, or `espeak`, which must be installed.
    """
    if form not in FORMS:
        raise unknown_name("form", form, FORMS)
    facts = {"form": form, **(voice_facts(voice) if form == "speech" else {})}
    return only_split(_candidates(split, seed, form, voice, facts), split, num_samples, seed)
