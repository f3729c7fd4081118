"""A set of the tiny model, a prompt, and what must hold when a switch is off again."""

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pyarrow as pa
import torch

import lode
from lode.library.answering import Answer
from lode.library.opening import Model

FACTS = "tiny_qwen2_vl"
SOME = [(0, 3), (0, 40), (2, 7)]
PROMPT = "what is this?"
MAX_NEW_TOKENS = 8


def ask(model: Model, media: Any = None, gold: str | None = "ab") -> Answer:
    return lode.answer(model, PROMPT, media, gold, MAX_NEW_TOKENS)


@contextmanager
def restored(model: Model) -> Iterator[None]:
    """Weights, hooks and answers are afterwards what they were before."""
    before, weights = ask(model), copy.deepcopy(model.adapter.model.state_dict())
    yield
    assert all(torch.equal(value, weights[key]) for key, value in model.adapter.model.state_dict().items())
    hooks = [(m._forward_hooks, m._forward_pre_hooks) for m in model.adapter.gate.activation]
    assert not any(before or after for before, after in hooks)
    assert not model.switches
    assert ask(model) == before


def rows(**columns: Any) -> pa.Table:
    return pa.table({"layer": [0, 0, 2], "neuron": [3, 40, 7], **columns})
