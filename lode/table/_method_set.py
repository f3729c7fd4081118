"""Which set of the method a row is about, its controls beside it."""

import pyarrow as pa

from lode.engine.fields import field
from lode.table._switched import NUM_NEURONS

METHOD_SET = (field("set_name", pa.string(), "name", "the method set that was switched"), NUM_NEURONS)
