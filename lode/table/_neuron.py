"""Which neuron a row is about, and on the tokens of which group."""

import pyarrow as pa

from lode.engine.fields import field

#: The gate of the language model's feed-forward layers.
LM_GATE = "lm_gate"

SITE = field("site", pa.string(), "name", "where the value is read: `lm_gate`, the language model's gate")
GROUP = field("group", pa.string(), "name", "group of the tokens")
LAYER = field("layer", pa.int16(), "index", "language-model layer, 0 is nearest the input")
NEURON = field("neuron", pa.int32(), "index", "position in the layer's feed-forward intermediate vector")
#: The keys of a dense table.
KEYS = (SITE, GROUP, LAYER, NEURON)
