"""Which step of a made-up student's solution is the first wrong one: the offline twin of ErrorRadar's STEP.

Five kinds of problems (plane, solid, diagram, algebra, commonsense) whose facts are in the picture only, and five kinds
of error, balanced, each in many places (`lode/dataset/_toy_errorradar.py`). Always saying one step is right in less
than a fifth. The reply is the number of the step. A cluster is an item.

What is asked of whom: CAL shows in the text alone, KNOW, MIS and REAS to whoever knows the rule, VIS only to whoever
sees the picture; nor does the right answer tell which reading is wrong. So a
blank picture should cost VIS alone.

Kinds are not in the same places: KNOW and MIS at steps 1 to 4, VIS at 2 to 6, CAL and REAS at 5 to 8. So a model that
always says 3 is right in a fifth of VIS and in no CAL, and one that always says 7 the other way round: accuracies by
kind must be compared within equal `gold_step` (the stratum key `category+gold_step`). VIS and CAL share steps 5 and 6;
KNOW and MIS share none with CAL and REAS, and cannot be compared with them.

With `none_frac` some solutions hold no error. Beside the right answer they are told by comparing two numbers: take
`with_answer: false` with it.
"""

from collections.abc import Iterator

from lode.dataset import Sample
from lode.dataset._errorradar import Asking, step_sample
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
        seed: of the split.
        proportions: of kinds of problems and of errors: `balanced`, or as in the `paper`.
        none_frac: share of solutions without an error.
        with_answer: the prompt tells the right answer.
        think_first: the reply may reason before it answers; raise `max_new_tokens` with it.

    Raises:
        UserError: there are no such proportions, or no such share.
    """
    asking = Asking(with_answer, think_first, may_be_right=none_frac > 0)
    for solution in items(split, num_samples, seed, proportions, none_frac):
        yield step_sample(solution, asking)
