"""Which step of a made-up student's solution is the first wrong one: the offline twin of ErrorRadar's STEP.

Five kinds of problems (plane, solid, diagram, algebra, commonsense) whose facts are in the picture only, and five kinds
of error, balanced, each in many places (`lode/dataset/_toy_errorradar.py`). Always saying one step is right in less
than a fifth. The reply is the number of the step. A cluster is an item.

What is asked of whom: CAL shows in the text alone, KNOW, MIS and REAS to whoever knows the rule. A wrong reading shows
to whoever sees the picture; nor does the right answer, or where lines that say nothing stand, tell which one it is.
Where every solution holds an error, a text without another one leaves VIS, and one of its two or three readings is a
guess, right in 0.33 to 0.5; with `none_frac` such a text may hold no error at all, and "none" is the better guess.

Kinds are not in the same places: KNOW and MIS at steps 1 to 4, VIS at 2 to 7, CAL and REAS at 4 to 9. So a model that
always says 3 is right in some VIS and in no CAL, and one that always says 8 the other way round: accuracies by kind
must be compared within equal `gold_step` (the stratum key `category+gold_step`). VIS and CAL share steps 4 to 7.

With `think_first` the answer is the check of every step up to the first wrong one, told aloud, and then the number;
steps that say nothing are passed over.

With `none_frac` some solutions hold no error. Beside the right answer they are told by comparing two numbers: take
`with_answer: false` with it.
"""

from lode.dataset._errorradar import META as META
from lode.dataset._toy_errorradar_aloud import told_aloud
from lode.dataset._toy_errorradar_items import samples_of_items

HELD_OUT = "clusters"

#: The options are those of `_toy_errorradar_items.py` beside this file.
samples = samples_of_items(told_aloud)
