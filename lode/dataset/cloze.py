"""Sentences whose last word is missing and all but certain: text alone, of our own writing.

225 sentences of 12 topics (`lode/dataset/_cloze.tsv`). The prompt gives the sentence up to its last word and asks to
complete it. The answer is the word, said alone or at the end of the sentence: `reply` says which of the two is the gold
answer; both are accepted, and so are further words where more than one fits. Small models say the sentence, and there
the likelihood of the gold answer is largely that of copying; the four choices begin alike, so which is likeliest is
not. The wrong words are last words of other sentences of the topic. A sentence is in one split for good, and is its
own cluster.

What it does not tell: understanding. Many of the words follow from the two or three before them. Wrong words are drawn:
most make no sense, some are of another part of speech, and now and then one may fit, though not as well.
"""

import random
from collections.abc import Callable, Iterator, Sequence
from functools import partial

from lode.dataset import BY_TEXT, Sample
from lode.dataset._written import Item, drawn_items, item_id, items, shuffled
from lode.engine.errors import unknown_name

HELD_OUT = "clusters"
#: The SHA-256 of the sentences: another file is another dataset.
DIGEST = "f495ddbac93404e779219d26703cfc5bfabeff4c2ca50700883f3acbd3aab8b2"
#: What the gold answer is: the sentence with its last word, or the word.
REPLIES = ("sentence", "word")
PROMPT = "Complete the sentence: {} ..."


def words_of(item: Item) -> list[str]:
    """The last words that fit, the likeliest first."""
    return item["answers"].split("/")


def wrong_words(item: Item, rows: Sequence[Item], dealer: random.Random) -> list[str]:
    """Three last words of sentences of the same topic, which fit worse."""
    near = {words_of(row)[0] for row in rows if row["topic"] == item["topic"]}
    return dealer.sample(sorted(near - set(words_of(item))), 3)


def _sample(rows: Sequence[Item], split: str, seed: int, reply: str, item: Item) -> Sample:
    begun, words = item["sentence"], words_of(item)
    dealer = random.Random(f"cloze|{seed}|{begun}")
    wrong = wrong_words(item, rows, dealer)
    said: dict[str, Callable[[str], str]] = {"word": str, "sentence": f"{begun} {{}}".format}
    choices, index = shuffled(said[reply](words[0]), [said[reply](word) for word in wrong], dealer)
    other = next(name for name in REPLIES if name != reply)
    answers = tuple(said[form](word) for form in (reply, other) for word in words)
    name = item_id("cloze", begun)
    meta: dict[str, object] = {"topic": item["topic"], "word": words[0], "reply": reply, **BY_TEXT}
    return Sample(name, name, split, PROMPT.format(begun), answers, (), choices, index, meta)


def samples(split: str, num_samples: int, seed: int, reply: str = "sentence") -> Iterator[Sample]:
    """Yield samples of the split, at most some 45, 90 and 90; equal arguments give equal text.

    Args:
        split: `train`, `mine` or `test`.
        num_samples: at most this many.
        seed: of splits, order and choices.
        reply: the gold answer is the whole `sentence`, or the `word`; prompts do not depend on it.
    """
    if reply not in REPLIES:
        raise unknown_name("reply", reply, REPLIES)
    rows = items("_cloze", DIGEST)
    return drawn_items(rows, "sentence", split, num_samples, seed, partial(_sample, rows, split, seed, reply))
