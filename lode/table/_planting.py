"""How strongly neurons were planted."""

import pyarrow as pa

from lode.engine.fields import field

STRENGTH = field("strength", pa.float64(), "standard deviations", "how far planted gates are down outside their group")
