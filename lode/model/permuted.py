"""A language model whose weights are the same numbers in another order: what is left of a measure is no learning."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from jaxtyping import Int
from torch import Tensor

from lode.model.adapter import Adapter
from lode.model.sites import module_at


def order_of_weights(weight: Tensor, seed: int, index: int) -> Int[Tensor, " weight"]:
    """The order of the weights of one matrix; it is the same on one kind of device."""
    generator = torch.Generator(device=weight.device).manual_seed(seed * 1_000_003 + index)
    return torch.randperm(weight.numel(), generator=generator, device=weight.device)


@contextmanager
def permuted_weights(adapter: Adapter, seed: int) -> Iterator[None]:
    """Within the context the weights of every matrix of the language model's layers stand in a seeded order.

    Vectors (norms, biases), embeddings, encoders and the head stay. Leaving it restores the weights bit for bit; no
    copy is held but of one matrix at a time.
    """
    layers = module_at(adapter.model, adapter.config.layers, "model.layers")
    matrices = [weight.data for weight in layers.parameters() if weight.ndim > 1]
    done = 0
    try:
        for index, weight in enumerate(matrices):
            order = order_of_weights(weight, seed, index)
            weight.copy_(weight.flatten()[order].view_as(weight))
            done = index + 1
        yield
    finally:
        for index, weight in enumerate(matrices[:done]):
            back = torch.empty_like(weight).flatten()
            back[order_of_weights(weight, seed, index)] = weight.flatten()
            weight.copy_(back.view_as(weight))
