"""One of thousands of common words, told in text, shown in an image, or spoken: reading and listening, not choosing.

As in `toy_word`, the option `form` says what the model gets, and items, their order, questions and answers are the same
in all forms. The cluster is the word, and every word is in one split: a model is asked for words that it never saw or
heard in training, so it must know letters and sounds. No two words sound alike. With `spell` the answer is the letters,
with blanks between them: what a tower can be taught first. The words are in `common_words.txt`, with their sources.

On an image the word is typed in small letters, all equally wide, as in `toy_letters`, whose letters have no sense.
Speech is that of a formant voice, and words are spoken as in the United States.
"""

import random
from collections.abc import Iterator
from itertools import islice, product

from lode.dataset import Sample
from lode.dataset._common_words import QUESTIONS, SPELLINGS, pronunciations
from lode.dataset._splits import split_of
from lode.dataset._typed import typed
from lode.dataset._words import CASES, SENTENCES, Item, Teller, teller_of

HELD_OUT = "clusters"


def _items(words: list[str], rng: random.Random, spell: bool) -> Iterator[Item]:
    """Every word once, then every word told another way, until there is no other way."""
    ways = list(product(SENTENCES, CASES, SPELLINGS if spell else QUESTIONS))
    rng.shuffle(ways)
    first = {word: rng.randrange(len(ways)) for word in words}
    for turn in range(len(ways)):
        for word in rng.sample(words, len(words)):
            sentence, case, question = ways[(first[word] + turn) % len(ways)]
            yield Item(word, word, sentence.format(case(word)), question, " ".join(word) if spell else word)


def _told(split: str, seed: int, teller: Teller, spell: bool) -> Iterator[Sample]:
    words = [word for word in teller.known if split_of(word, seed) == split]
    for item in _items(words, random.Random(f"common_word|{seed}|{split}"), spell):
        yield teller.sample(item, split)


def samples(
    split: str, num_samples: int, seed: int, form: str = "text", voice: str = "formant", spell: bool = False
) -> Iterator[Sample]:
    """Yield samples of the split; equal arguments give equal bytes on one machine.

    Args:
        split: `train`, `mine` or `test`.
        num_samples: how many; no word comes again before all words of the split were there.
        seed: of the splits of words, of items and their order.
        form: `text`, `image` or `speech`; nothing but the form depends on it.
        voice: of speech: `formant`, or `espeak`, which must be installed.
        spell: ask for the letters of the word.
    """
    teller = teller_of("common_word", form, voice, pronunciations(), lambda word, rng: typed(word, rng).draw())
    return islice(_told(split, seed, teller, spell), num_samples)
