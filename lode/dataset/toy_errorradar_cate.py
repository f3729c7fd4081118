"""Of which of five kinds is the error in a made-up student's solution: the offline twin of ErrorRadar's CATE.

The items are those of `toy_errorradar_step`: equal arguments give the same ones. The kinds are lettered in an order of
each sample's own; the reply is the letter. A cluster is an item.

What is asked of whom: CAL shows in the text alone, KNOW, MIS and REAS to whoever knows the rule, VIS only to whoever
sees the picture; nor does the right answer tell which reading is wrong. But where
every solution holds an error, VIS is what remains when the text shows none: a blank picture need cost nothing here,
unless `none_frac` leaves open that nothing is wrong.

With `none_frac` some solutions hold no error. Beside the right answer they are told by comparing two numbers: take
`with_answer: false` with it.
"""

from collections.abc import Iterator

from lode.dataset import Sample
from lode.dataset._errorradar import Asking, category_sample
from lode.dataset._toy_errorradar_items import items

HELD_OUT = "clusters"


def samples(
    split: str,
    num_samples: int,
    seed: int,
    proportions: str = "balanced",
    none_frac: float = 0.0,
    with_answer: bool = True,
    think_first: bool = False,
) -> Iterator[Sample]:
    """Yield samples of the split; equal arguments give equal bytes on one machine.

    Args:
        split: `train`, `mine` or `test`; items are split by their pictures.
        num_samples: how many.
        seed: of the split, and of the order of the kinds.
        proportions: of kinds of problems and of errors: `balanced`, or as in the `paper`.
        none_frac: share of solutions without an error.
        with_answer: the prompt tells the right answer.
        think_first: the reply may reason before it answers; raise `max_new_tokens` with it.

    Raises:
        UserError: there are no such proportions, or no such share.
    """
    asking = Asking(with_answer, think_first, may_be_right=none_frac > 0)
    for solution in items(split, num_samples, seed, proportions, none_frac):
        yield category_sample(solution, asking, seed)
