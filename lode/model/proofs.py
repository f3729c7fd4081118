"""Prove on short samples of noise that every site is where neurons are: hooks, readers, and which layers are alive.

Costs, for every site and model load, three passes over a probe, and 1 + ceil(layers / `NUM_ROWS`) passes over as many
copies of it as it has layers, `NUM_ROWS` at the most; and one pass a probe for all sites together.
"""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from lode.engine.errors import UserError
from lode.model.adapter import Adapter
from lode.model.encoding import encode
from lode.model.head import last_positions
from lode.model.probe import noise, sample
from lode.model.sample import kinds_of
from lode.model.sites import Site, size_of
from lode.model.watching import watching
from lode.model.weights import zeroed_columns
from lode.neurons import Pairs

#: Copies of a probe in one batch, in each of which another layer is silent.
NUM_ROWS = 8


class Seen(NamedTuple):
    """What one call of an activation module gives: the layer, its shape, and the largest size of each neuron."""

    layer: int
    shape: tuple[int, ...]
    size: Float[Tensor, " neuron"]


def probes(adapter: Adapter) -> Iterator[dict[str, Any]]:
    """Samples by which every site is reached: of the media that there must be, and of each other medium with them."""
    required = list(adapter.config.required_media)
    for more in ([], *([medium] for medium in adapter.config.media_tokens)):
        yield sample([noise(kind) for kind in dict.fromkeys([*required, *more])])


@torch.inference_mode()
def prove_sites(adapter: Adapter, names: Iterable[str]) -> Adapter:
    """Check that sites are where the config says, each by the first probe that reaches it.

    Returns:
        The adapter, whose sites of these names know now which of their layers are dead.

    Raises:
        UserError: what did not hold.
    """
    waiting = {name: replace(adapter.sites[name], dead=()) for name in names}  # a model may be proved again
    adapter, proved = replace(adapter, sites={**adapter.sites, **waiting}), {}
    for probe in probes(adapter):
        if not waiting:
            break
        inputs = encode(adapter, [probe]).inputs
        seen: dict[str, list[Seen]] = {name: [] for name in waiting}
        with watching(adapter, activations={name: partial(_keep, calls) for name, calls in seen.items()}):
            clean = adapter.model(**inputs).logits
        for name, calls in seen.items():
            if calls:
                proved[name] = prove_site(adapter, waiting.pop(name), probe, calls, clean)
    if waiting:
        raise UserError(
            f"model.sites: no hook fired at {', '.join(waiting)} on samples of "
            f"{', '.join(adapter.config.media_tokens) or 'text'}; expected modules that a forward pass calls. Fix the "
            "paths in the model's YAML"
        )
    return replace(adapter, sites={**adapter.sites, **proved})


def prove_site(adapter: Adapter, site: Site, probe: Any, calls: Sequence[Seen], clean: Tensor) -> Site:
    """Check that a zero at a site is a zero column of its reader, and what comes of it.

    Args:
        adapter: the model.
        site: that is proved.
        probe: a sample that reaches it.
        calls: what a clean pass shows of it.
        clean: logits of that pass.

    Raises:
        UserError: hooks do not fire once a layer, or see another width than the reader reads; the mask does not fit
            the rows; neurons that write most change no logit at 0, or another one at the site than in the weights; or
            the model is not restored.
    """
    check_calls(site, calls)
    inputs, places = encode(adapter, [probe]).inputs, {site.name: loudest(site, calls)}
    check_mask(site, inputs, probe, calls)
    what = f"model.sites.{site.name}: zeroing neurons {places[site.name].tolist()} (layer, neuron)"
    with watching(adapter, activations={site.name: partial(_zero, places[site.name])}):
        hooked = adapter.model(**inputs).logits
    with zeroed_columns(adapter, places):
        baked = adapter.model(**inputs).logits
    after = adapter.model(**inputs).logits
    if torch.equal(clean, baked):
        raise UserError(f"{what} does not change the logits: its reader is not where neurons write")
    if not torch.equal(hooked, baked):
        raise UserError(
            f"{what} moves logits by up to {float((hooked - baked).abs().max()):.3g} between activation and reader; "
            "expected that a zero activation is a zero column of the reader, bit for bit. Fix the paths in the YAML"
        )
    if not torch.equal(clean, after):
        raise UserError("the model does not return to its clean logits after an intervention")
    return replace(site, dead=dead_layers(adapter, site, probe))


def check_calls(site: Site, calls: Sequence[Seen]) -> None:
    """Refuse hooks that do not fire once a layer, in order, with one activation for each column of the reader.

    Raises:
        UserError: says what fired.
    """
    expected = list(enumerate(site.widths))
    if [(call.layer, call.shape[-1]) for call in calls] != expected:
        raise UserError(
            f"model.sites.{site.name}: {len(calls)} hooks fired with shapes {sorted({call.shape for call in calls})}; "
            f"expected one a layer, in order: {size_of(site)}, as its reader reads. Fix the paths in the model's YAML"
        )
    if site.has_tokens and len({call.shape for call in calls}) > 1:
        raise UserError(
            f"model.sites.{site.name}: layers of {', '.join(map(str, sorted(set(site.widths))))} neurons; expected "
            "layers of one width within the language model. Choose another model"
        )


def check_mask(site: Site, inputs: Mapping[str, Tensor], probe: Any, calls: Sequence[Seen]) -> None:
    """Refuse a mask that does not tell the padding of the one kind of medium of a probe; of several, no capture does.

    Raises:
        UserError: it is no input of the model, or does not fit the rows.
    """
    kinds = sorted(kinds_of(probe) & set(site.media))
    if len(kinds) == 1:
        site.real_rows(inputs, kinds[0], math.prod(calls[0].shape[:-1]))


def loudest(site: Site, calls: Sequence[Seen]) -> Pairs:
    """Of every layer the neuron that writes most: of a zeroed column, nothing."""
    written = (
        call.size * reader.weight.norm(dim=0).to(call.size) for call, reader in zip(calls, site.reader, strict=True)
    )
    return np.array([(layer, int(sizes.argmax())) for layer, sizes in enumerate(written)])


def dead_layers(adapter: Adapter, site: Site, probe: Any) -> tuple[int, ...]:
    """The layers of a site that move no logit of the last position where all their neurons are at 0.

    Copies of the probe go through together, each with another layer silent, and are compared with a batch of equal
    shape, whose bits are those of a silent layer that does not matter.
    """
    num_rows = min(NUM_ROWS, site.num_layers)
    inputs, dead = encode(adapter, [probe] * num_rows).inputs, []
    with last_positions(adapter, 1):
        whole = adapter.model(**inputs).logits
        for first in range(0, site.num_layers, num_rows):
            with watching(adapter, activations={site.name: partial(_silence, site, num_rows, first)}):
                silent = adapter.model(**inputs).logits
            rows = range(min(num_rows, site.num_layers - first))
            dead += [first + row for row in rows if torch.equal(silent[row], whole[row])]
    return tuple(dead)


def _keep(calls: list[Seen], layer: int, activations: Tensor) -> None:
    calls.append(Seen(layer, tuple(activations.shape), activations.abs().flatten(0, -2).amax(0)))


def _zero(pairs: Pairs, layer: int, activations: Tensor) -> Tensor:
    activations = activations.clone()
    activations[..., pairs[pairs[:, 0] == layer, 1].tolist()] = 0
    return activations


def _silence(site: Site, num_rows: int, first: int, layer: int, activations: Tensor) -> Tensor | None:
    """Zero a layer in the sample whose turn it is: samples are equal parts of the rows, one after the other."""
    if not first <= layer < first + num_rows:
        return None
    count = activations.shape[:-1].numel()
    if count % num_rows:
        raise UserError(
            f"model.sites.{site.name}: {count} rows of {num_rows} equal samples; expected as many of each. The layers "
            "of a site that mixes samples cannot be proved: take it out of the model's YAML"
        )
    parts = activations.reshape(num_rows, -1, activations.shape[-1]).clone()
    parts[layer - first] = 0
    return parts.reshape(activations.shape)
