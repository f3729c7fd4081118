"""Which neuron a row is about, and on the tokens of which modality."""

import pyarrow as pa

from lode.engine.fields import field

LAYER = field("layer", pa.int16(), "index", "layer of the site, 0 is nearest the input")
NEURON = field("neuron", pa.int32(), "index", "position in the layer's feed-forward intermediate vector")
KEYS = (field("modality", pa.string(), "name", "modality of the tokens"), LAYER, NEURON)
