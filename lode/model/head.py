"""Let the language head see some positions only: logits of all would be the largest tensor of a pass."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

from jaxtyping import Bool
from torch import Tensor

from lode.model.adapter import Adapter


def last_positions(adapter: Adapter, count: int) -> AbstractContextManager[None]:
    """Within the context every forward pass gives the logits of its last `count` positions.

    `logits_to_keep` does the same, but not every class knows it: Qwen2-Audio takes it and computes all logits.
    """
    return _head_sees(adapter.model, lambda states: states[:, -count:])


def logits_at(model: Any, places: Bool[Tensor, "sample token"]) -> AbstractContextManager[None]:
    """Within the context a forward pass of a model of transformers gives logits (place, word), of these places alone.

    They are in the order of samples and, within one, of tokens.
    """
    return _head_sees(model, lambda states: states[places])


@contextmanager
def _head_sees(model: Any, some: Callable[[Tensor], Tensor]) -> Iterator[None]:
    def cut(_module: Any, inputs: tuple[Any, ...]) -> tuple[Any, ...]:
        return (some(inputs[0]), *inputs[1:])

    handle = model.get_output_embeddings().register_forward_pre_hook(cut)
    try:
        yield
    finally:
        handle.remove()
