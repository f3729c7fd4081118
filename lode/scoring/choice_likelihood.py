"""Multiple choice by log-likelihood: is the right option the likeliest?

Formula: 1 if the option with the largest log-probability as the first token of the reply is the right one, else 0; of
equal ones the first counts. Where a dataset says that an answer is the text of its option (`BY_TEXT`), each option's
log-probability is that of its whole text, summed over tokens, and need not be one token.

Range: 0 or 1; guessing among k options gives 1 / k.

Refused, never scored: a dataset in which a sample has no options, no right one, or an option of several tokens that is
no `BY_TEXT`, so that no likelihood was taken (the predictions hold null there).

Source: Hendrycks et al. 2020 (MMLU, arXiv 2009.03300), whose own evaluation compares the four letters; the field's
standard since (lm-evaluation-harness).

What it does not tell: whether the model would say the option. It is blind to a broken format, which is why it stands
beside `mmlu_paper`: a set that only breaks the format leaves this score as it was. Of whole texts the short and the
common have a head start, whatever is asked.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float

from lode.engine.errors import UserError

COLUMN = "choice_log_likelihoods"
UNIT = "score in [0, 1]"
SEES_STOPPING = False


def said(replies: Sequence[Sequence[float] | None], samples: Sequence[Mapping[str, Any]]) -> list[int]:
    """The place of the likeliest option of each sample, of equal ones the first; raises as `score`."""
    pairs = list(zip(replies, samples, strict=True))
    told = [values for values, sample in pairs if values is not None and sample["answer_index"] >= 0]
    if len(told) < len(pairs):
        sample = next(sample for values, sample in pairs if values is None or sample["answer_index"] < 0)
        raise UserError(
            f"choice_likelihood: {len(pairs) - len(told)} of {len(pairs)} samples cannot be scored, "
            f"{sample['sample_id']} first: its choices are {list(sample['choices'])}, the right one "
            f"{sample['answer_index']}; expected a right choice, and choices of one token each. Letter the choices, or "
            "drop choice_likelihood from dataset.scores"
        )
    return [int(np.argmax(values)) for values in told]


def score(
    replies: Sequence[Sequence[float] | None], samples: Sequence[Mapping[str, Any]]
) -> Float[np.ndarray, " sample"]:
    """Score each sample: 1 where the likeliest option is the right one, else 0.

    Args:
        replies: the log-probability of each option, one sequence per sample [nats].
        samples: rows of the dataset table; `sample_id`, `choices` and `answer_index` are read.

    Raises:
        UserError: a sample without likelihoods, or without a right option.
    """
    pairs = zip(said(replies, samples), samples, strict=True)
    return np.array([place == sample["answer_index"] for place, sample in pairs], dtype=np.float64)
