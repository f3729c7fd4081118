"""Questions of general knowledge with four answers, of our own writing: text alone, for small pretrained models.

367 questions of 14 topics (`lode/dataset/_general_knowledge.tsv`): what a child may know, and no trick. The prompt is
the question and nothing else, so no choice is read: a model is scored by which of four answers it finds likeliest,
word for word. The wrong ones are of the kind of the right one. A question is in one split for good, and is its own
cluster; the seed deals the order of the choices.

What it does not tell: knowledge apart from wording. Answers are of unequal length and unequally common, and the
likelihood of a text favours the short and the common. Topics are unequally large, and what counts as general is ours:
English, and mostly European.
"""

import random
from collections.abc import Iterator
from functools import partial

from lode.dataset import BY_TEXT, Sample
from lode.dataset._written import Item, drawn_items, item_id, items, shuffled

HELD_OUT = "clusters"
#: The SHA-256 of the questions: another file is another dataset.
DIGEST = "845d852b141081d1be715fdc5da8868e5d99ae63aa3f722420fbdb731f6a9243"
ARTICLES = ("A ", "An ", "The ")
WRONG = ("wrong_1", "wrong_2", "wrong_3")


def begun(text: str) -> str:
    """A text as a reply begins, with a capital."""
    return text[0].upper() + text[1:]


def accepted(answer: str) -> tuple[str, ...]:
    """An answer, and what it is without an article."""
    bare = [answer.removeprefix(article) for article in ARTICLES if answer.startswith(article)]
    return answer, *bare


def _sample(split: str, seed: int, item: Item) -> Sample:
    question = item["question"]
    answer, wrong = begun(item["answer"]), [begun(item[name]) for name in WRONG]
    choices, index = shuffled(answer, wrong, random.Random(f"general_knowledge|{seed}|{question}"))
    name = item_id("general_knowledge", question)
    meta: dict[str, object] = {"topic": item["topic"], **BY_TEXT}
    return Sample(name, name, split, question, accepted(answer), (), choices, index, meta)


def samples(split: str, num_samples: int, seed: int) -> Iterator[Sample]:
    """Yield samples of the split, at most some 70, 150 and 150; equal arguments give equal text."""
    make = partial(_sample, split, seed)
    return drawn_items(items("_general_knowledge", DIGEST), "question", split, num_samples, seed, make)
