"""Let the language head see the last positions only: logits of all would be the largest tensor of a pass."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from lode.model.adapter import Adapter


@contextmanager
def last_positions(adapter: Adapter, count: int) -> Iterator[None]:
    """Within the context every forward pass gives the logits of its last `count` positions.

    `logits_to_keep` does the same, but not every class knows it: Qwen2-Audio takes it and computes all logits.
    """

    def cut(_module: Any, inputs: tuple[Any, ...]) -> tuple[Any, ...]:
        return (inputs[0][:, -count:], *inputs[1:])

    handle = adapter.model.get_output_embeddings().register_forward_pre_hook(cut)
    try:
        yield
    finally:
        handle.remove()
