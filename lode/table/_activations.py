"""What is captured of a neuron's activations on the tokens of a group: sums that add up over shards."""

import pyarrow as pa

from lode.engine.fields import field


def _moments(name: str, meaning: str, nullable: bool = False) -> tuple[pa.Field, pa.Field]:
    return (
        field(f"{name}_sum", pa.float64(), "activation", f"sum over samples of the {meaning}", nullable),
        field(f"{name}_sumsq", pa.float64(), "activation^2", f"sum over samples of the squared {meaning}", nullable),
    )


_SUMS = (
    *_moments("mean", "mean over tokens"),
    *_moments("abs_mean", "mean over tokens of the magnitude"),
    *_moments("max", "maximum over tokens"),
    *_moments("attn_k", "key-weighted token sum; null at a site without attention", nullable=True),
    *_moments("attn_q", "query-weighted token sum; null at a site without attention", nullable=True),
)
#: What is captured only where the config asks for it; otherwise null.
_OPTIONAL = (
    field(
        "histogram",
        pa.list_(pa.int32()),
        "samples",
        "samples by bin of their mean over tokens, edges of lode/recording/_histogram.py; with capture.num_bins",
        nullable=True,
    ),
    field(
        "hidden_abs_sum",
        pa.float64(),
        "hidden",
        "sum over samples of the mean over tokens of the magnitude of what the reader reads; with capture.hidden_site",
        nullable=True,
    ),
)
ACTIVATIONS = (
    field("positive_count", pa.int64(), "tokens", "tokens with an activation > 0"),
    *_SUMS,
    *_OPTIONAL,
    field("down_norm", pa.float64(), "weight", "Euclidean norm of the neuron's column of its reader (down_proj)"),
)
