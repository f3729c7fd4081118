"""What the paper's code calls CIDEr: the cosine of weighted words with the likest reference.

Formula: max over the references r of cosine(reply, r), of the TF-IDF vectors that scikit-learn's `TfidfVectorizer`
makes, with its defaults, of the reply and the references of this one image.

Range: [0, 1]; 0 where no word is shared, 1 where the reply is a reference.

Source: MINER (arXiv 2410.04819), its published code, which prints the maximum, the minimum and the mean over
references; this is the maximum. Beside it stand `caption_bleu_paper` and, in the paper only, the cosine of SBERT
embeddings: that needs a model from the hub and is left out.

What it does not tell: this is no CIDEr, whose word weights come from the whole corpus and not from one image. It knows
no synonyms and no order: swapping "red" and "blue" between two objects costs nothing. Words of one character ("a", a
digit) do not count, and a script without spaces is one word per run of letters, so do not use it for Chinese or
Japanese. Departure: a reply and references without any such word score 0 (the paper's code stops with an error).
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float

COLUMN = "reply"
UNIT = "score in [0, 1]"
SEES_STOPPING = True


def max_cosine(reply: str, references: Sequence[str], vectorizer: Any) -> float:
    """The largest cosine over references, of TF-IDF vectors fitted on the reply and all of the references."""
    if not vectorizer.build_analyzer()(reply):
        return 0.0  # no word: a zero vector, which has no angle to any other
    vectors = vectorizer.fit_transform([reply, *references])
    return min(float((vectors[1:] @ vectors[0].T).max()), 1.0)  # rows have length 1 but for rounding


def score(replies: Sequence[str], samples: Sequence[Mapping[str, Any]]) -> Float[np.ndarray, " sample"]:
    """Score each reply: the best TF-IDF cosine over the references of its sample.

    Args:
        replies: one reply per sample.
        samples: rows of the dataset table; `answers` is read.
    """
    from sklearn import config_context
    from sklearn.feature_extraction.text import TfidfVectorizer

    vectorizer = TfidfVectorizer()
    values = np.zeros(len(samples))
    with config_context(skip_parameter_validation=True):  # defaults need no checks, which took 40 % of the time
        for i, (reply, sample) in enumerate(zip(replies, samples, strict=True)):
            references = [answer for answer in sample["answers"] if answer.strip()]
            if references:
                values[i] = max_cosine(reply, references, vectorizer)
    return values
