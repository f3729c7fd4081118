"""Let the language head see the last positions only: logits of all would be the largest tensor of a pass."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

from lode.model.adapter import Adapter


def last_positions(adapter: Adapter, count: int) -> AbstractContextManager[None]:
    """Within the context every forward pass gives the logits of its last `count` positions."""
    return last_logits(adapter.model, count)


@contextmanager
def last_logits(model: Any, count: int) -> Iterator[None]:
    """The same, of a model of transformers.

    `logits_to_keep` does the same, but not every class knows it: Qwen2-Audio takes it and computes all logits.
    """

    def cut(_module: Any, inputs: tuple[Any, ...]) -> tuple[Any, ...]:
        return (inputs[0][:, -count:], *inputs[1:])

    handle = model.get_output_embeddings().register_forward_pre_hook(cut)
    try:
        yield
    finally:
        handle.remove()
