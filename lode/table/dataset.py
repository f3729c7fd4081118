"""The samples of a dataset, those to mine on and those to test on: a row a sample."""

import pyarrow as pa

from lode.engine.fields import field
from lode.engine.tables import Table
from lode.table._run import DATASET_NAME

_MEDIUM = pa.struct(
    [
        pa.field("kind", pa.string(), nullable=False),
        pa.field("bytes", pa.binary(), nullable=False),
        pa.field("mime", pa.string(), nullable=False),
    ]
)
DATASET = Table(
    "dataset",
    pa.schema(
        [
            field("sample_id", pa.string(), "id", "unique within the dataset"),
            field("cluster_id", pa.string(), "id", "samples that share a medium share a cluster"),
            field("split", pa.string(), "name", "`mine` selects neurons, `test` measures effects"),
            field("prompt", pa.string(), "text", "the user's turn, without chat markup"),
            field("media", pa.list_(_MEDIUM), "encoded", "images, videos or sounds, encoded as files"),
            field("answers", pa.list_(pa.string()), "text", "accepted answers or references"),
            field("choices", pa.list_(pa.string()), "text", "options of a multiple choice, else empty"),
            field("answer_index", pa.int32(), "index", "the right option, -1 where there are none"),
            field("meta", pa.string(), "JSON", "whatever else the source holds"),
        ]
    ),
    keys=(DATASET_NAME,),
    path=("dataset",),
)
