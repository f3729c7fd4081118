"""Where in depth a set sits, under each normalisation of the importance: a row a site, set and normalisation."""

import pyarrow as pa

from lode.engine.fields import field
from lode.engine.tables import Table
from lode.table._neuron import SITE
from lode.table._run import MODEL, SELECTION

PROFILES = Table(
    "profiles",
    pa.schema(
        [
            SITE,
            field("set_name", pa.string(), "name", "the group that the neurons were selected for"),
            field(
                "normalisation",
                pa.string(),
                "name",
                "of the importance; `captured`: the one that it was captured under; empty: the selection reads none",
            ),
            field(
                "layers", pa.list_(pa.int16()), "index", "those that can matter, numbered from 0 in all that follows"
            ),
            field("counts", pa.list_(pa.int32()), "neurons", "of the set by layer"),
            field("uniform_low", pa.list_(pa.int32()), "neurons", "95 % of uniform draws have as many or more"),
            field("uniform_high", pa.list_(pa.int32()), "neurons", "95 % of uniform draws have as many or fewer"),
            field(
                "mass",
                pa.list_(pa.float64()),
                "share",
                "of the sum of all scores by layer; null where a score is below 0 or not finite, or all are 0",
                nullable=True,
            ),
            field("centre", pa.float64(), "layer", "centre of mass of the counts; NaN: the set is empty"),
            field("interval_low", pa.float64(), "layer", "lower end of its 95 % interval over re-selections"),
            field("interval_high", pa.float64(), "layer", "upper end of it"),
            field("mass_centre", pa.float64(), "layer", "centre of mass of `mass`", nullable=True),
            field("expected", pa.float64(), "layer", "centre of an even spread, (L - 1) / 2"),
            field("centre_low", pa.float64(), "layer", "lower end of what 95 % of uniform draws have as centre"),
            field("centre_high", pa.float64(), "layer", "upper end of it"),
            field("chi_square", pa.float64(), "chi-square", "of the counts against an even spread"),
            field("p_value", pa.float64(), "probability", "uniform draws spread as unevenly, by count of draws"),
            field("side", pa.int32(), "sign", "-1: shallow, 1: deep, 0: cannot be told, under this normalisation"),
            field(
                "claim",
                pa.string(),
                "name",
                "`shallow` or `deep`: every normalisation says so; `neither`; `not_asked`: only one was captured",
            ),
        ]
    ),
    keys=(MODEL, SELECTION),
    path=("model", "selection"),
)
