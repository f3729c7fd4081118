"""Run the encoders of a batch once, however many forward passes the batch goes through."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from copy import copy
from typing import Any
from unittest.mock import patch

import torch
from torch import Tensor

from lode.model.adapter import Adapter


def same_inputs(one: tuple[Any, ...], other: tuple[Any, ...]) -> bool:
    """Whether two sequences of arguments hold equal values."""
    return len(one) == len(other) and all(
        torch.equal(a, b) if isinstance(a, Tensor) and isinstance(b, Tensor) else a is b
        for a, b in zip(one, other, strict=True)
    )


@contextmanager
def encoders_once(adapter: Adapter) -> Iterator[None]:
    """Within the context an encoder that sees the inputs of its first call again repeats that answer.

    Interventions act on the language model alone, so the answer stays right under all of them.
    """

    def remember(forward: Any) -> Any:
        first: list[tuple[tuple[Any, ...], Any]] = []

        def call(*args: Any, **kwargs: Any) -> Any:
            inputs = (*args, *(kwargs[key] for key in sorted(kwargs)))
            if first and same_inputs(first[0][0], inputs):
                return copy(first[0][1])  # callers replace fields of the output
            answer = forward(*args, **kwargs)
            if not first:
                first.append((inputs, copy(answer)))
            return answer

        return call

    with ExitStack() as stack:
        for tower in {id(module): module for module in adapter.towers.values()}.values():
            stack.enter_context(patch.object(tower, "forward", remember(tower.forward)))
        yield
