"""Multiple choice by log-likelihood: is the right option the likeliest?

Formula: 1 if the option with the largest log-probability as the first token of the reply is the right one, else 0; of
equal ones the first counts. 0 where the options are more than one token each, so that no likelihood was taken.

Range: 0 or 1; guessing among k options gives 1 / k.

Source: Hendrycks et al. 2020 (MMLU, arXiv 2009.03300), whose own evaluation compares the four letters; the field's
standard since (lm-evaluation-harness).

What it does not tell: whether the model would say the option. It is blind to a broken format, which is why it stands
beside `mmlu_paper`: a set that only breaks the format leaves this score as it was.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float

COLUMN = "choice_log_likelihoods"
UNIT = "score in [0, 1]"
SEES_STOPPING = False


def score(
    replies: Sequence[Sequence[float] | None], samples: Sequence[Mapping[str, Any]]
) -> Float[np.ndarray, " sample"]:
    """Score each sample: 1 where the likeliest option is the right one, else 0.

    Args:
        replies: the log-probability of each option, one sequence per sample [nats].
        samples: rows of the dataset table; `answer_index` is read.
    """
    right = [
        values is not None and int(np.argmax(values)) == sample["answer_index"]
        for values, sample in zip(replies, samples, strict=True)
    ]
    return np.array(right, dtype=np.float64)
