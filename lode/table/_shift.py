"""How far states of a group of tokens were moved."""

import pyarrow as pa

from lode.engine.fields import field

GROUP = field("group", pa.string(), "name", "group of the tokens, or `last`: the last token of the prompt")
SHIFT = (
    field("shift", pa.float64(), "share of length", "mean over samples of that over tokens of |h' - h| / |h|"),
    field("interval_low", pa.float64(), "share of length", "lower end of its 95 % interval; null: one cluster", True),
    field("interval_high", pa.float64(), "share of length", "upper end of that interval", True),
)
#: How a set stands among its controls.
RANK = (
    field(
        "p_value",
        pa.float64(),
        "probability",
        "(1 + controls with at least this value) / (1 + controls): as they are, and per magnitude, its square and its "
        "cube; the largest counts",
    ),
    field(
        "size_ratio",
        pa.float64(),
        "ratio",
        "mean of what its controls write over what it writes, at the site where it is smallest; null: unknown",
        True,
    ),
    field(
        "verdict",
        pa.string(),
        "name",
        "of this row alone, `beyond_controls`: above every one, also per magnitude; `within_controls`; `unmatchable`: "
        "they write below 0.9 of what it does; `too_few_controls`: fewer than 20; `no_controls`; of contrasts "
        "`nothing_to_lose`: the clean model is not above chance on a side",
    ),
)
