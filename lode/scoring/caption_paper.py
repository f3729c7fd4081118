"""Two thirds of the paper's caption score: overlap of n-grams and of weighted words with the best reference.

Formula, for a reply and its non-blank references r: (max_r BLEU(reply, r) + max_r cosine(reply, r)) / 2.

- BLEU: of the sentence against one reference, n-grams up to 4, lower-cased, tokenised as in WMT (`13a`), smoothing 1
  of Chen & Cherry: an order without a match counts 0.1 matches. This is sacrebleu's `floor` with 0.1. (`add-k`
  is their smoothing 2, which also lowers the orders that do match.)
- cosine: of the TF-IDF vectors that scikit-learn's `TfidfVectorizer` makes, with its defaults, of the reply and the
  references of this one image. The paper's code calls it CIDEr.

The paper's third part, the SBERT cosine, is **left out**: it needs a model from a hub. Values are therefore not
comparable with the paper's; differences between neuron sets on one dataset are.

Range: [0, 1]; 0 where no word is shared, 1 where the reply is a reference (of at least one word of two characters).

Source: MINER (arXiv 2410.04819), its evaluation of COCO captions; BLEU: Papineni et al. 2002; smoothing: Chen & Cherry
2014 (W14-3346). Differs from nltk's `method1` only for replies of under 4 tokens: nltk counts an order that the reply
is too short to have as a precision of 0.1, sacrebleu leaves it out (`effective_order`). How the paper tokenised, and
whether it lower-cased, is not known to us.

What it does not tell: this is no CIDEr, whose word weights come from the whole corpus and not from one image. Neither
part knows synonyms or order beyond 4 words: swapping "red" and "blue" between two objects costs little. The mean of the
two has no unit of its own. Words of one character ("a", a digit) do not count for the cosine, and a script without
spaces is one word per run of letters, so do not use it for Chinese or Japanese.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float

#: The column of the predictions table that is scored.
COLUMN = "reply"

SMOOTHING = 0.1  # matches that an n-gram order without any counts as; the value of Chen & Cherry and of nltk


def _max_bleu(reply: str, references: Sequence[str], bleu: Any) -> float:
    """The largest sentence BLEU over single references, in [0, 1]."""
    best = max(bleu.sentence_score(reply, [reference]).score for reference in references)
    return min(best / 100, 1.0)  # sacrebleu gives percent, and 100.00000000000004 for a perfect match


def _max_cosine(reply: str, references: Sequence[str], vectorizer: Any) -> float:
    """The largest cosine over references, of TF-IDF vectors fitted on the reply and all of the references."""
    if not vectorizer.build_analyzer()(reply):
        return 0.0  # no word: a zero vector, which has no angle to any other
    vectors = vectorizer.fit_transform([reply, *references])
    return min(float((vectors[1:] @ vectors[0].T).max()), 1.0)  # rows have length 1 but for rounding


def score(replies: Sequence[str], samples: Sequence[Mapping[str, Any]]) -> Float[np.ndarray, " sample"]:
    """Score each reply: the mean of the best BLEU and the best TF-IDF cosine over the references of its sample.

    Args:
        replies: one reply per sample.
        samples: rows of the dataset table; `answers` is read.
    """
    from sacrebleu.metrics.bleu import BLEU
    from sklearn import config_context
    from sklearn.feature_extraction.text import TfidfVectorizer

    bleu = BLEU(lowercase=True, smooth_method="floor", smooth_value=SMOOTHING, effective_order=True)
    vectorizer = TfidfVectorizer()
    values = np.zeros(len(samples))
    with config_context(skip_parameter_validation=True):  # defaults need no checks, which took 40 % of the time
        for i, (reply, sample) in enumerate(zip(replies, samples, strict=True)):
            references = [answer for answer in sample["answers"] if answer.strip()]
            if reply.strip() and references:
                values[i] = (_max_bleu(reply, references, bleu) + _max_cosine(reply, references, vectorizer)) / 2
    return values
