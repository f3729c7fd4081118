"""Does a set cost more on its own benchmarks: what is found for one set, outcome and kind of control."""

import pyarrow as pa

from lode.engine.fields import field
from lode.table._controls import CONTROLS
from lode.table._method_set import METHOD_SET
from lode.table._outcome import OUTCOME

COLUMNS = (
    *METHOD_SET,
    OUTCOME,
    field("own", pa.list_(pa.string()), "names", "benchmarks of the set's own"),
    field("others", pa.list_(pa.string()), "names", "the others"),
    field("unmeasurable", pa.list_(pa.string()), "names", "of all, those left out: clean is not above chance"),
    field("share_own", pa.float64(), "share", "mean over own benchmarks of drop / (clean - chance)", True),
    field("share_own_low", pa.float64(), "share", "lower end of the 95 % interval of share_own", True),
    field("share_others", pa.float64(), "share", "the same over the others", True),
    field("selectivity", pa.float64(), "share", "share_own - share_others; null: no own or no other benchmark", True),
    field(
        "standard_error", pa.float64(), "share", "of it, by clusters that err in all benchmarks that hold them", True
    ),
    field(
        "effective_clusters", pa.float64(), "clusters", "fewest of a benchmark that takes part, as if of one size", True
    ),
    field("interval_low", pa.float64(), "share", "lower end of its 95 % interval", True),
    field("interval_high", pa.float64(), "share", "upper end of that interval", True),
    field("wide_low", pa.float64(), "share", "lower end of its 99.99 % interval", True),
    field("wide_high", pa.float64(), "share", "upper end of that interval", True),
    field("specificity_f", pa.float64(), "F", "CRANE's specificity F of the shares, clipped at 0", True),
    *CONTROLS,
    field("control_values", pa.list_(pa.float64()), "share", "selectivity of each control, by draw", True),
    field("control_mean", pa.float64(), "share", "mean selectivity of the controls", True),
    field("control_max", pa.float64(), "share", "largest selectivity of a control", True),
)
