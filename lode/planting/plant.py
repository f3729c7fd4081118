"""Put designed neurons into a widened copy of a model."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from lode.engine.errors import UserError
from lode.model.adapter import Adapter, find_parts, token_id
from lode.model.tokens import TOKEN_KINDS
from lode.neurons import LM_GATE
from lode.planting.calibration import LayerTokens
from lode.planting.circuits import Design, Layer, design_layers, paired
from lode.planting.wide import widen

#: The constant in the embeddings as a share of the smallest residual stream: far below float32's rounding of its
#: length, so that no norm feels it; in a channel of its own it is still exact.
_SHARE = 2.0**-20

Truth = list[dict[str, Any]]


def check_room(tokens: Sequence[LayerTokens], width: int, options: Any) -> None:
    """Refuse samples that hold other modalities than those planted, and more channels than there is room for."""
    held = {TOKEN_KINDS[code] for code in tokens[0].modality.unique().tolist()}
    if held != set(options.groups):
        raise UserError(
            f"planting.groups = {', '.join(options.groups)}, but the samples hold {', '.join(sorted(held))}; "
            "they must be the same"
        )
    if "video" in held:
        raise UserError(
            "image and video tokens come out of the same projector: neither can be planted beside the other"
        )
    num_channels = len(options.groups) + len(paired(options)) * options.num_pairs * (len(tokens) - 1)
    if num_channels > width:
        raise UserError(f"planting asks for {num_channels} channels, and there is room for {width}: plant fewer pairs")


def plant(adapter: Adapter, tokens: Sequence[LayerTokens], options: Any) -> tuple[Adapter, Truth]:
    """A copy of the model with neurons of known purpose, and what is true of every neuron.

    Args:
        adapter: the model as it is.
        tokens: what its layers read on real samples.
        options: the `planting` section.

    Raises:
        UserError: the model or the samples do not allow it.
    """
    rng = np.random.default_rng(options.seed)
    blocks = adapter.model.model.language_model.layers
    check_room(tokens, adapter.model.config.text_config.hidden_size, options)
    shape = (options.groups, options.host_frac, options.strength, rng)
    layers = [Layer(block.mlp, seen, *shape) for block, seen in zip(blocks, tokens, strict=True)]
    signal = _SHARE * min(float(seen.rms.min()) for seen in tokens)
    designs = design_layers(layers, options, signal)
    wide = widen(adapter.model, len(designs[0].added))
    open_channels(adapter, wide, tokens, options.groups, signal)
    truth: Truth = []
    for index, (design, block) in enumerate(zip(designs, wide.model.language_model.layers, strict=True)):
        order = rng.permutation(block.mlp.gate_proj.out_features)
        write_layer(block.mlp, design, adapter.num_neurons, torch.from_numpy(order))
        truth += [
            {"site": LM_GATE, "layer": index, "neuron": place, **row} for place, row in enumerate(facts(design, order))
        ]
    return find_parts(adapter.config, wide, adapter.processor), truth


def facts(design: Design, order: np.ndarray) -> Truth:
    """Role, modality and pair of each neuron of a layer; `order` is where each comes from."""
    num_before = len(order) - len(design.added)
    rows = []
    for source in order.tolist():
        if source >= num_before:
            neuron = design.added[source - num_before]
            rows.append({"role": neuron.role, "group": neuron.modality, "pair": neuron.pair})
        else:
            rows.append({"role": "host" if source in design.hosts else "existing", "group": "", "pair": -1})
    return rows


@torch.no_grad()
def open_channels(
    adapter: Adapter, wide: Any, tokens: Sequence[LayerTokens], modalities: Sequence[str], signal: float
) -> None:
    """Let the embedding of every token carry the constant of its modality, and the norms show it to neurons."""
    width = adapter.model.config.text_config.hidden_size
    special = [token_id(adapter, token) for token in adapter.config.special_tokens]
    media = [token_id(adapter, token) for token in adapter.config.media_tokens.values()]
    embeddings: Tensor = wide.model.language_model.embed_tokens.weight
    for index, modality in enumerate(modalities):
        channel = width + index
        if modality == "text":
            embeddings[:, channel] = signal
            embeddings[special + media, channel] = 0
        elif modality == "special":
            embeddings[special, channel] = signal
        else:
            wide.model.visual.merger.mlp[-1].bias[channel] = signal
    for block, seen in zip(wide.model.language_model.layers, tokens, strict=True):
        shown = signal * 2**0.5 * float((1 / seen.rms).mean())
        block.post_attention_layernorm.weight[width:] = 1 / shown


@torch.no_grad()
def write_layer(mlp: Any, design: Design, num_before: int, order: Tensor) -> None:
    """Write the designed rows behind those that were there, then shuffle: an index must tell nothing."""
    for host, share in design.hosts.items():
        mlp.up_proj.weight[host] -= share
    for place, neuron in enumerate(design.added, start=num_before):
        mlp.gate_proj.weight[place] = neuron.gate
        mlp.up_proj.weight[place] = neuron.up
        mlp.down_proj.weight[:, place] = neuron.down
    for weight in (mlp.gate_proj.weight, mlp.up_proj.weight):
        weight.copy_(weight[order].clone())
    mlp.down_proj.weight.copy_(mlp.down_proj.weight[:, order].clone())
