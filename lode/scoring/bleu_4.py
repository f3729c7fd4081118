"""BLEU-4 of a caption against all of its references.

Formula: 100 BLEU = brevity penalty * (p_1 p_2 p_3 p_4)^(1/4), with p_n the share of the reply's n-grams that some
reference has as often, and the penalty exp(1 - r/c) for a reply of c words that is shorter than the nearest reference,
of r. Divided by 100. Lower-cased, tokenised as in WMT (`13a`); an order without a match counts 1/2, 1/4, ... of one
(`exp`), and orders that the reply is too short to have are left out: the settings of sacrebleu for sentences.

Range: [0, 1]; 1 where the reply is a reference.

Source: Papineni et al. 2002 (P02-1040); `sacrebleu`.

What it does not tell: BLEU is meant for a corpus, whose score adds up matches before it divides; a mean over sentences
is another number, usually higher for short captions because of the smoothing, and is what paired statistics need. It
knows no synonyms, and half-right captions of the usual wording score high.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float

COLUMN = "reply"
UNIT = "score in [0, 1]"
SEES_STOPPING = True


def score(replies: Sequence[str], samples: Sequence[Mapping[str, Any]]) -> Float[np.ndarray, " sample"]:
    """Score each reply: its sentence BLEU against the references of its sample.

    Args:
        replies: one reply per sample.
        samples: rows of the dataset table; `answers` is read.
    """
    from sacrebleu.metrics.bleu import BLEU

    bleu = BLEU(lowercase=True, effective_order=True)
    values = np.zeros(len(samples))
    for i, (reply, sample) in enumerate(zip(replies, samples, strict=True)):
        references = [answer for answer in sample["answers"] if answer.strip()]
        if reply.strip() and references:
            percent = bleu.sentence_score(reply, references).score
            values[i] = min(percent / 100, 1.0)  # a perfect match is 100.00000000000004
    return values
