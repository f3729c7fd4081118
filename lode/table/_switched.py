"""How many neurons were switched."""

import pyarrow as pa

from lode.engine.fields import field

NUM_NEURONS = field("num_neurons", pa.int32(), "neurons", "unique neurons that were switched")
