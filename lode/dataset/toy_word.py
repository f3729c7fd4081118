"""One word, told in text, shown in an image, or spoken: the same content in three forms.

Every item is a word, a question and a way to tell the word; the option `form` says what the model gets: the word in a
sentence before the question, or an image or a recording of it beside the question. Items, their order, questions and
answers are the same in all forms, so that what differs between two forms is the modality and not the task. Words are
those that the built-in voice knows, the same in all splits; sentences, drawings and recordings never are: an item is in
one split, whatever its form. The cluster is the word, so held out are items, and no word.

It does not make the forms equally hard, so compare how scores drop, not scores.
"""

import random
from collections.abc import Iterator
from itertools import product

from lode.dataset import Sample, only_split
from lode.dataset._splits import split_of
from lode.dataset._words import CASES, SENTENCES, Item, Teller, teller_of
from lode.media.voice import WORDS

HELD_OUT = "samples"
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
_ITEMS = tuple(product(sorted(WORDS), SENTENCES, CASES, QUESTIONS))


def _candidates(split: str, seed: int, teller: Teller) -> Iterator[tuple[str, Sample]]:
    items = [Item(word, word, sentence.format(case(word)), ask, word) for word, sentence, case, ask in _ITEMS]
    for item in random.Random(f"toy_word|{seed}").sample(items, len(items)):
        if split_of(item.text, seed) == split:  # speaking takes time
            yield item.text, teller.sample(item, split)


def samples(split: str, num_samples: int, seed: int, form: str = "text", voice: str = "formant") -> Iterator[Sample]:
    """Yield samples of the split, at most some 5,400, 770 and 1,500; equal arguments give equal bytes on one machine.

    Args:
        split: `train`, `mine` or `test`.
        num_samples: how many.
        seed: of items and their order.
        form: `text`, `image` or `speech`; nothing but the form depends on it.
        voice: of speech: `formant`, or `espeak`, which must be installed.
    """
    return only_split(_candidates(split, seed, teller_of("toy_word", form, voice, WORDS)), split, num_samples, seed)
