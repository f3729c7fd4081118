"""Run the encoders of a batch once, however many forward passes the batch goes through."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from copy import copy
from dataclasses import dataclass, field
from typing import Any
from unittest.mock import patch

import torch
from torch import Tensor

from lode.engine.errors import UserError
from lode.model.adapter import Adapter


def same_inputs(one: tuple[Any, ...], other: tuple[Any, ...]) -> bool:
    """Whether two sequences of arguments hold equal values."""
    return len(one) == len(other) and all(
        torch.equal(a, b) if isinstance(a, Tensor) and isinstance(b, Tensor) else a is b
        for a, b in zip(one, other, strict=True)
    )


@dataclass
class _Kept:
    """The forward of an encoder that repeats the answer to the inputs of its first call."""

    forward: Callable[..., Any]
    first: list[tuple[tuple[Any, ...], Any]] = field(default_factory=list)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        inputs = (*args, *(kwargs[key] for key in sorted(kwargs)))
        if self.first and same_inputs(self.first[0][0], inputs):
            return copy(self.first[0][1])  # callers replace fields of the output
        answer = self.forward(*args, **kwargs)
        if not self.first:
            self.first.append((inputs, copy(answer)))
        return answer


@contextmanager
def encoders_once(adapter: Adapter) -> Iterator[None]:
    """Within the context an encoder that sees the inputs of its first call again repeats that answer.

    The answer stays right whatever is done in the language model. A switch within an encoder would be passed by, a
    perfect null that says nothing: neither context may be entered within the other (`encoders_run`).

    Raises:
        UserError: somebody needs the encoders to run.
    """
    contexts = adapter.contexts
    if contexts.running:
        raise UserError(
            "the answers of the encoders cannot be kept while neurons within one are switched or watched; expected the "
            "context of that switch to be left before encoders_once is entered"
        )
    with ExitStack() as stack:
        for tower in {id(module): module for module in adapter.towers.values()}.values():
            stack.enter_context(patch.object(tower, "forward", _Kept(tower.forward)))
        contexts.keeping += 1
        try:
            yield
        finally:
            contexts.keeping -= 1
