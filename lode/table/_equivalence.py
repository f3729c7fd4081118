"""Whether a change is shown to be small."""

import pyarrow as pa

from lode.engine.fields import field

EQUIVALENT = field(
    "equivalent",
    pa.bool_(),
    "flag",
    "the whole interval of the drop lies within +-0.10, so both one-sided tests pass at 5 %: a change of at most 10 "
    "points; false: not shown; null: not a score in [0, 1], or no more than 0.10 above chance: a drop to chance "
    "would pass",
    nullable=True,
)
