"""VQA accuracy: how many of the ten people who answered gave the reply?

Formula: the mean over people i of min(m_i / 3, 1), where m_i of the other people gave the reply. With ten answers of
which k equal it: 0, 0.3, 0.6, 0.9 for k = 0, 1, 2, 3, and 1 for k >= 4.

Reply and answers are normalised first, as in the evaluation of TextVQA: lower case; commas and question marks deleted;
"'s" set apart; line breaks to blanks; each mark of `MARKS` deleted where it stands beside a blank, else a blank in its
place; full stops deleted but before a digit; number words to digits; a, an, the deleted; apostrophes put back into
contractions.

Range: [0, 1]; mean over the questions of a dataset: its VQA accuracy.

Source: Antol et al. 2015 (arXiv 1505.00468), averaged over subsets of nine as its official evaluation does; TextVQA:
Singh et al. 2019 (arXiv 1904.08920). Differs in contractions that no one writes ("somebodyd've").

What it does not tell: the whole reply must equal an answer, so "It says stop" is wrong; `vqa_paper` forgives it. With
fewer than four answers even full agreement stays below 1 (0 with one answer), so use it for ten. Rare right answers
count as little as rare mistakes.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float

COLUMN = "reply"
UNIT = "score in [0, 1]"
SEES_STOPPING = True

NEEDED = 3  # people who must agree with a reply
MARKS = ';/[]"{}()=+\\_-><@`!'
ARTICLES = ("a", "an", "the")
NUMBERS = "zero one two three four five six seven eight nine ten".split()
DIGITS = {"none": "0", **{word: str(value) for value, word in enumerate(NUMBERS)}}
_CONTRACTIONS = (
    "ain't aren't can't could've couldn't didn't doesn't don't hadn't hasn't haven't he'd he's how'd how'll how's "
    "isn't it'd it'll ma'am might've mightn't must've mustn't needn't o'clock oughtn't shan't should've shouldn't "
    "that's there'd there're there's they'd they'll they're they've wasn't we've weren't what'll what're what's "
    "what've when's where'd where's where've who'd who'll who's who've why'll why're why's won't would've "
    "wouldn't y'all you'd you'll you're you've"
).split()
CONTRACTIONS = {word.replace("'", ""): word for word in _CONTRACTIONS}


def _word(word: str) -> str:
    """A word in its normal form: a digit for a number word, an apostrophe where it was left out."""
    return DIGITS.get(word) or CONTRACTIONS.get(word, word)


def normalise(text: str) -> str:
    """A text in the form in which answers are compared."""
    bare = re.sub(r"[\n\t]", " ", text.lower().replace(",", "").replace("?", "").replace("'s", " 's")).strip()
    out = bare
    for mark in MARKS:
        beside_blank = f"{mark} " in bare or f" {mark}" in bare
        out = out.replace(mark, "" if beside_blank else " ")
    out = re.sub(r"\.(?!\d)", "", out)
    return " ".join(_word(word) for word in out.split() if word not in ARTICLES)


def agreement(num_equal: int, num_answers: int) -> float:
    """The accuracy of a reply that `num_equal` of the answers equal: the mean over sets that leave one answer out."""
    if not num_equal:
        return 0.0
    with_one_less = num_equal * min((num_equal - 1) / NEEDED, 1.0)
    with_all = (num_answers - num_equal) * min(num_equal / NEEDED, 1.0)
    return (with_one_less + with_all) / num_answers


def score(replies: Sequence[str], samples: Sequence[Mapping[str, Any]]) -> Float[np.ndarray, " sample"]:
    """Score each reply by the share of people who gave it.

    Args:
        replies: one reply per sample.
        samples: rows of the dataset table; `answers` is read.
    """
    values = np.zeros(len(samples))
    for i, (reply, sample) in enumerate(zip(replies, samples, strict=True)):
        said, answers = normalise(reply), [normalise(answer) for answer in sample["answers"]]
        if said:
            values[i] = agreement(answers.count(said), len(answers))
    return values
