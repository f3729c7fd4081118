"""How well replies name classes, beside what guesses do: a row a score and neuron set."""

import pyarrow as pa

from lode.engine.fields import field
from lode.engine.tables import Table
from lode.table._class_score import CLASS_SCORE
from lode.table._neuron_set import NEURON_SET
from lode.table._run import INTERVENTION, MODEL, SELECTION
from lode.table._switched import NUM_NEURONS

CLASS_SUMMARY = Table(
    "class_summary",
    pa.schema(
        [
            *CLASS_SCORE,
            *NEURON_SET,
            NUM_NEURONS,
            field("num_samples", pa.int32(), "samples", "samples"),
            field("accuracy", pa.float64(), "share", "samples that are called what they are"),
            field(
                "interval_low",
                pa.float64(),
                "share",
                "lower end of its 95 % interval by clusters; null: one cluster",
                True,
            ),
            field("interval_high", pa.float64(), "share", "upper end of that interval", True),
            field(
                "above_constant", pa.bool_(), "flag", "interval_low lies above best_constant; null: one cluster", True
            ),
            field("macro_f1", pa.float64(), "share", "mean F1 of the classes that some sample is of"),
            field(
                "kappa", pa.float64(), "ratio", "Cohen's kappa, 0 by chance; null: all of one class and called it", True
            ),
            field("said_entropy", pa.float64(), "nats", "entropy of what is named; 0: one answer to all"),
            field("invalid_frac", pa.float64(), "share", "replies that name no class"),
            field(
                "best_constant", pa.float64(), "share", "accuracy of the constant class that is best on these samples"
            ),
            field(
                "mined_constant",
                pa.float64(),
                "share",
                "accuracy of the class that is commonest in the split `mine`; null: no sample is of that split",
                True,
            ),
            field("uniform", pa.float64(), "share", "accuracy of a guess that takes every choice as often"),
        ]
    ),
    keys=(MODEL, SELECTION, INTERVENTION),
    path=("model", "selection", "intervention", "dataset"),
)
