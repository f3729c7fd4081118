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

from lode.dataset._errorradar import META as META
from lode.dataset._errorradar import category_sample
from lode.dataset._toy_errorradar_items import samples_of_items

HELD_OUT = "clusters"

#: The options are those of `_toy_errorradar_items.py` beside this file.
samples = samples_of_items(category_sample)
