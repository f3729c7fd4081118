"""Which neuron a row is about, and on the tokens of which group."""

import pyarrow as pa

from lode.engine.fields import field

SITE = field("site", pa.string(), "name", "where in the model the neuron is (`sites` of the model's YAML)")
GROUP = field("group", pa.string(), "name", "group of the tokens")
LAYER = field("layer", pa.int16(), "index", "layer of the site, 0 is nearest the input")
NEURON = field("neuron", pa.int32(), "index", "position in the layer's feed-forward intermediate vector")
#: Rows of one block are dense, and blocks stand one after the other.
BLOCK = field(
    "block", pa.int16(), "index", "block of the samples of the shard, from 0; null: they are not cut", nullable=True
)
#: The keys of a dense table.
KEYS = (SITE, GROUP, LAYER, NEURON)
