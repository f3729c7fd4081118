"""What is captured of what a neuron does to the loss of the gold answer: sums that add up over shards."""

import pyarrow as pa

from lode.engine.fields import field
from lode.table._counts import COUNTS
from lode.table._neuron import KEYS


def _attributions(name: str, unit: str, meaning: str, nullable: bool = False) -> tuple[pa.Field, pa.Field]:
    return (
        field(f"{name}_sum", pa.float64(), unit, f"sum over samples of the {meaning}, with its sign", nullable),
        field(f"{name}_abs_sum", pa.float64(), unit, f"sum over samples of the magnitude of the {meaning}", nullable),
    )


#: L is the negative log-likelihood of the gold answer, a the activation at the gate site, g = dL/da.
_ATTRIBUTIONS = (
    *_attributions("patching", "nats", "token sum of g * (a with blank media - a)"),
    field("act_grad_sum", pa.float64(), "nats", "sum over samples of the token sum of |a * g|"),
    field("can_sum", pa.float64(), "activation * (nats / activation)^alpha", "the same of |g|^alpha * |a|"),
    *_attributions("target", "logits", "token sum of gate * up * (w . U_y), y the first gold token"),
    *_attributions(
        "integrated", "nats", "token sum of the integrated gradients from a = 0; with gradients.num_steps", True
    ),
)
COLUMNS = (*KEYS, *COUNTS, *_ATTRIBUTIONS)
