"""Are the same contents in two forms alike? A row a pair of benchmarks, variant, place and layer."""

import pyarrow as pa

from lode.engine.fields import field
from lode.engine.tables import Table
from lode.table._run import MODEL
from lode.table._traced import STATE, VARIANT

ALIGNMENT = Table(
    "alignment",
    pa.schema(
        [
            field("form_a", pa.string(), "name", "the benchmark of one form"),
            field("form_b", pa.string(), "name", "that of the other, with samples of the same items"),
            VARIANT,
            field("group_a", pa.string(), "name", "whose states: the mean over its tokens in the one; or `last`"),
            field("group_b", pa.string(), "name", "the same in the other form"),
            STATE,
            field("num_pairs", pa.int32(), "samples", "of the same item in both"),
            field("num_contents", pa.int32(), "contents", "clusters of these that can be told from templates"),
            field("num_templates", pa.int32(), "templates", "prompts of the form that has fewer"),
            field("cka", pa.float64(), "share", "unbiased linear CKA of contents; null: they do not differ in a form, "
                  "or fewer than six can be told", True),
            field("null_high", pa.float64(), "share", "95 % point with whole contents permuted", True),
            field("p_value", pa.float64(), "p", "rank of it among these", True),
            field("retrieval", pa.float64(), "share", "of contents whose nearest in the other form is the same", True),
            field("chance", pa.float64(), "share", "one in so many contents", True),
            field("retrieval_high", pa.float64(), "share", "95 % point of it with contents so permuted", True),
            field("retrieval_p", pa.float64(), "p", "rank of it among these", True),
        ]
    ),
    keys=(MODEL,),
    path=("model",),
)  # fmt: skip
