"""The logit lens: a residual state read as the model reads its last one, by the final norm and the language head.

Source: docs/methods.md 7.1. The final norm is the child `norm` of the parent of the list of layers, in every family
that Lode has a YAML for; that it is, and that nothing comes between it and the logits, is proved by `prove_lens`.
"""

from collections.abc import Iterator, Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from lode.engine.errors import UserError
from lode.model.adapter import Adapter
from lode.model.encoding import encode
from lode.model.probe import noise, sample
from lode.model.sites import module_at
from lode.model.watching import watching

#: Logits of as many states at once as fit into these bytes, in single precision.
_BLOCK_BYTES = 2**27


def final_norm(adapter: Adapter) -> nn.Module:
    """What normalises the last residual states.

    Raises:
        UserError: the parent of the layers has no child `norm`.
    """
    parent = adapter.config.layers.rpartition(".")[0]
    return module_at(adapter.model, f"{parent}.norm".lstrip("."), "model.layers")


def lens_logits(adapter: Adapter, states: Float[Tensor, "*place hidden"]) -> Float[Tensor, "*place vocabulary"]:
    """Logits of residual states, in the format of the model."""
    logits: Tensor = adapter.model.get_output_embeddings()(final_norm(adapter)(states))
    return logits


def rows_at_once(adapter: Adapter) -> int:
    """Of how many states logits are made at once."""
    return max(1, _BLOCK_BYTES // (4 * adapter.model.get_output_embeddings().weight.shape[0]))


def lens_blocks(adapter: Adapter, states: Float[Tensor, "place hidden"]) -> Iterator[tuple[slice, Tensor]]:
    """Log-probabilities (place, vocabulary) of states, block by block in single precision, with the places of each."""
    step = rows_at_once(adapter)
    for start in range(0, len(states), step):
        some = slice(start, start + step)
        yield some, lens_logits(adapter, states[some]).float().log_softmax(-1)


def logits_by_layer(
    adapter: Adapter, states: Sequence[Float[Tensor, "place hidden"]]
) -> Iterator[tuple[slice, slice, Float[Tensor, "layer place vocabulary"], Float[Tensor, "place vocabulary"]]]:
    """Logits of states in single precision, block by block: which places and layers, theirs, and the last layer's.

    Several layers go through the head at once, as it is slow with few rows.

    Args:
        adapter: the model.
        states: by layer.
    """
    most, last = rows_at_once(adapter), len(states) - 1
    width = max(1, most // 8)
    for start in range(0, len(states[0]), width):
        some = slice(start, start + width)
        final = lens_logits(adapter, states[last][some]).float()
        deep = max(1, most // len(final))
        for first in range(0, last, deep):
            layers = slice(first, min(first + deep, last))
            stacked = torch.stack([state[some].to(final.device) for state in states[layers]])
            yield some, layers, lens_logits(adapter, stacked).float(), final
        yield some, slice(last, last + 1), final[None], final


def rank_of(logits: Float[Tensor, "*place vocabulary"], own: Float[Tensor, "*place"]) -> Int[Tensor, "*place"]:
    """Ranks of logits, or log-probabilities, among those of their places: 1 is the likeliest."""
    return (logits > own[..., None]).sum(-1) + 1


def best_ranks(logits: Float[Tensor, "*place vocabulary"], tokens: Sequence[int]) -> Int[Tensor, "*place"]:
    """The rank of the likeliest of some tokens, by place."""
    return rank_of(logits, logits[..., list(tokens)].amax(-1))


@torch.inference_mode()
def prove_lens(adapter: Adapter) -> None:
    """Check on a short probe that the lens of the last residual states is the logits, bit for bit.

    Raises:
        UserError: it is not, or there is no final norm.
    """
    inputs = encode(adapter, [sample([noise(kind) for kind in adapter.config.required_media])]).inputs
    last: dict[int, Tensor] = {}

    def see(layer: int, states: Tensor) -> None:
        if layer == adapter.num_layers:
            last[layer] = states.clone()

    with watching(adapter, states=see):
        logits = adapter.model(**inputs, use_cache=False).logits
    found = lens_logits(adapter, last[adapter.num_layers])
    if not torch.equal(found.to(logits), logits):
        raise UserError(
            f"model {adapter.config.name}: the final norm and the language head give other logits than the model, by "
            f"up to {float((found.to(logits) - logits).abs().max()):.3g}; expected the same bits. Something comes "
            "after the last layer that the lens does not know: choose another model"
        )
