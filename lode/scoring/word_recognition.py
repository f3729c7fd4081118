"""Word recognition of speech: 1 - word error rate, after the English normaliser of Whisper.

Formula: max(0, 1 - WER), with WER = (substitutions + deletions + insertions) / words of the reference, from the best
alignment. Both texts are normalised first: lower case, no punctuation, no text in brackets, no "um", contractions
written out, numbers as digits, titles in full.

Range: [0, 1]; 1 - the mean is the mean WER over utterances, but for those above 1, which are cut. A corpus WER weighs
long utterances more.

Source: Radford et al. 2022 (arXiv 2212.04356), appendix C, by `transformers`; WER by `jiwer`. Its table of British and
American spellings is empty here, as it comes with a Whisper model: "colour" and "color" differ.

What it does not tell: chatter around a right transcript costs a word each, so a model that stops obeying the prompt
reads as one that stops hearing; `speech_paper` forgives it. English only.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import jiwer
import numpy as np
from jaxtyping import Float

COLUMN = "reply"
UNIT = "score in [0, 1]"
SEES_STOPPING = True


def score(replies: Sequence[str], samples: Sequence[Mapping[str, Any]]) -> Float[np.ndarray, " sample"]:
    """Score each reply against the first answer of its sample.

    Args:
        replies: one reply per sample.
        samples: rows of the dataset table; `answers` is read.
    """
    from transformers.models.whisper.english_normalizer import EnglishTextNormalizer

    normalise = EnglishTextNormalizer({})
    values = np.zeros(len(samples))
    for i, (reply, sample) in enumerate(zip(replies, samples, strict=True)):
        said, reference = normalise(reply).strip(), normalise((*sample["answers"], "")[0]).strip()
        if said and reference:
            values[i] = max(0.0, 1.0 - jiwer.wer(reference, said))
    return values
