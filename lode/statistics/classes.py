"""What replies that name a class are worth: by class, against chance, and whether they collapse into one class.

Gold and named classes are texts; `INVALID` is a reply that names none. It is never right, and counts as a class of its
own that no sample has. The counting is scikit-learn's.

With TP of a class the samples of it that are called it:

    recall = TP / samples of it;  precision = TP / samples called it;  F1 = 2 TP / (samples of it + samples called it)
    macro-F1 = mean of F1 over the classes that some sample is of
    kappa = (p_o - p_e) / (1 - p_e):  p_o the accuracy, p_e that of replies with the same shares, dealt out at random
    entropy = -sum of q ln q over the shares q of what is named [nats]: 0 where all replies are one (collapse)

Source: docs/methods.md 4.21; Cohen 1960 (kappa). None tells a guess from knowledge without the baselines beside it: the
best constant class, and 1 / n where n choices are to choose from.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int
from scipy.stats import entropy
from sklearn.metrics import cohen_kappa_score, confusion_matrix, precision_recall_fscore_support

#: What a reply without a class is called.
INVALID = ""


@dataclass(frozen=True)
class Classes:
    """How replies and gold classes go together.

    Attributes:
        names: the classes, without `INVALID`.
        confusion: samples by gold class and by what they are called, `INVALID` last.
        recall, precision, f1: of each class; NaN where nothing is of it, called it, or either.
    """

    names: tuple[str, ...]
    confusion: Int[np.ndarray, "gold said"]
    recall: Float[np.ndarray, " gold"]
    precision: Float[np.ndarray, " gold"]
    f1: Float[np.ndarray, " gold"]

    @property
    def num_gold(self) -> Int[np.ndarray, " gold"]:
        """Samples of each class."""
        return np.asarray(self.confusion.sum(axis=1))

    @property
    def num_said(self) -> Int[np.ndarray, " said"]:
        """Samples that are called each class, `INVALID` last."""
        return np.asarray(self.confusion.sum(axis=0))

    @property
    def macro_f1(self) -> float:
        """The mean F1 of the classes that some sample is of."""
        return float(self.f1[self.num_gold > 0].mean())

    @property
    def invalid_frac(self) -> float:
        """The share of replies that name no class."""
        return float(self.num_said[-1] / self.num_said.sum())

    @property
    def said_entropy(self) -> float:
        """The entropy of what is named, `INVALID` included [nats]."""
        return float(entropy(self.num_said))


def classes(gold: Sequence[str], said: Sequence[str], names: Sequence[str]) -> Classes:
    """Count replies by gold and named class.

    Args:
        gold: the class of each sample; at least one sample.
        said: what its reply names, one of `names` or `INVALID`.
        names: all classes, in the order of the result.
    """
    assert {*gold} <= {*names}, "a gold class without a name"
    assert {*said} <= {*names, INVALID}, "a named class without a name"
    counts = confusion_matrix(gold, said, labels=[*names, INVALID])[:-1]
    precision, recall, f1, _ = precision_recall_fscore_support(gold, said, labels=list(names), zero_division=np.nan)
    return Classes(tuple(names), counts, recall, precision, f1)


def kappa(gold: Sequence[str], said: Sequence[str]) -> float:
    """Cohen's kappa of replies and gold classes, in [-1, 1]; 0 by chance; NaN where all of both are one class."""
    if len({*gold, *said}) < 2:
        return float("nan")
    return float(cohen_kappa_score(gold, said))


def best_constant(gold: Sequence[str], known: Sequence[str]) -> float:
    """The accuracy of always naming the class that is commonest among others: of equal ones the first by name.

    Args:
        gold: the class of each sample.
        known: the classes of the samples that the commonest is taken from: those that neurons were mined on, or the
            same ones, and then no constant reply does better.
    """
    counts = Counter(known)
    common = min(counts, key=lambda name: (-counts[name], name))
    return sum(name == common for name in gold) / len(gold)


def uniform(num_choices: Sequence[int]) -> float:
    """The accuracy of a guess that takes every choice of a sample as often: the mean of 1 / n."""
    return float(np.mean([1 / number for number in num_choices]))
