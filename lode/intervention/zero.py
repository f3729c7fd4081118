"""Zero: the activation of a neuron is 0 at every token, in prefill and decoding.

Baked into the weights: zeroing neuron n at the gate or the hidden site equals zeroing column n of
`down_proj`, so nothing runs at inference. Source: MINER (arXiv 2410.04819); METHODS 1.5.
"""

from contextlib import AbstractContextManager
from typing import Any

from torch import Tensor

from lode.model.adapter import Adapter
from lode.model.weights import zeroed_columns


def intervene(adapter: Adapter, neurons: Any, attention_mask: Tensor) -> AbstractContextManager[None]:
    """Zero the neurons at every token alike."""
    del attention_mask  # weights act on every token
    return zeroed_columns(adapter, neurons)
