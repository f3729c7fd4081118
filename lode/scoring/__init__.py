"""Scores: one file each. A plug-in turns what a model did with samples into one number per sample.

A plug-in `lode/scoring/<name>.py` has three constants and one public function::

    COLUMN = "reply"
    UNIT = "score in [0, 1]"
    SEES_STOPPING = False
    def score(replies: Sequence[str], samples: Sequence[Mapping[str, Any]]) -> Float[np.ndarray, " sample"]

- `COLUMN`: the column of the predictions table that is scored. `replies[i]` is its value for `samples[i]`: the greedy
  reply, or a log-likelihood. `samples[i]` is a row of the `dataset` table (`lode/table/dataset.py`), of which a score
  may read every column but `media`: the stage leaves the encoded files out.
- `UNIT`: one of `UNITS`. The result is one finite float64 per sample, in the range of the unit; higher is better.
- `SEES_STOPPING`: whether what follows the answer can change the score. A model that gives the right answer and then
  does not stop loses points where this is true, and none where it is false. A fact, which the contract test proves. The
  headline of a benchmark is a score that does not see stopping.

A plug-in that no reply of one constant answer can fill (the column is a log-likelihood of the gold answer) also has
`chance(samples)`: the value, on each sample, of the best guess that does not look at the prompt. Its samples have the
further column `num_gold_tokens`, of the predictions table. Of each, as kinds of samples are not equally easy to guess.

A plug-in that reads the column as one of the choices of its sample also has `said(replies, samples)`: the place of that
choice, -1 where it is none. Where choices are classes (`dataset.classes`), tables of classes are made of it.

- The score of a sample depends on its own value and row alone: the stage scores each distinct (sample, value) once.
  It may also depend on the references of all samples given (`cider_d`), never on how often a sample occurs, nor on
  another reply.
- An empty reply scores 0, whatever the references: a collapsed model must not be rewarded. A sample without a
  reference or right option scores 0, and a blank reference is no reference.
- Only light imports at the top: plug-ins are imported while the job graph is built. Libraries go inside `score`.
- The docstring of the module says what is measured, the formula, the range, the source, and what it does not tell.

All of them beside each other: docs/methods.md 6.1.
"""

import math
from collections import Counter
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

#: The outcomes that are compared across benchmarks; the first is the primary one.
COMPARED = ("content", "stopping", "score")

#: What a score may be measured in, and the range of legal values. Of the first alone 0.10 is 10 points: people reach
#: 0.09 of CIDEr-D / 10, so that a drop of 0.10 is all of it.
UNITS: dict[str, tuple[float, float]] = {
    "score in [0, 1]": (0.0, 1.0),
    "CIDEr-D / 10": (0.0, 1.0),
    "share, at most 1": (float("-inf"), 1.0),
    "nats": (float("-inf"), 0.0),
}


def guesses(answers: Sequence[str]) -> Float[np.ndarray, " sample"]:
    """How likely each answer is to a guess that knows the other samples' answers, and not the prompt [nats].

    With one probability it says the answer of another sample, each as probable as the next; else it puts together
    words, each as frequent as among the other answers (plus one: it knows all words). The probability is the best of
    those in steps of 0.01. So a guess of a class has about the log of its frequency, and one of a sentence that no
    other sample has, that of its words. See docs/methods.md 6.2.

    Args:
        answers: the first answer of each sample.
    """
    counts, words = Counter(answers), Counter(word for answer in answers for word in answer.split())
    others = max(len(answers) - 1, 1)
    said = np.array([(counts[answer] - 1) / others for answer in answers])
    put_together = np.array([_put_together(answer.split(), words) for answer in answers])
    mixed = [np.log(share * said + (1 - share) * put_together) for share in np.arange(0, 1, 0.01)]
    return max(mixed, key=np.mean)


def _put_together(answer: Sequence[str], words: Counter[str]) -> float:
    """The probability of an answer, word by word, given the words of the other answers."""
    own = Counter(answer)
    places = words.total() - len(answer) + len(words)
    return math.prod((words[word] - own[word] + 1) / places for word in answer)
