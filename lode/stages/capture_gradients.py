"""Stage 2b: a forward and a backward pass of every mined sample; keep attributions summed up, not gradients.

The loss is the negative log-likelihood of the gold answer, appended to the prompt; the losses of a batch are added, so
that one backward pass serves all its samples. What is kept is defined in `lode/importance/gradients.py`.

Corrupt is the same prompt with every medium blank, of as many tokens. That changes the activations of the medium's own
tokens and, through attention, those of every later token: for `text` and `special`, attribution patching tells what a
neuron there carries *of the medium*, not of the words. Tokens before the first medium, and samples without one, do not
change and add zeros.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from lode.dataset._mining import mined_samples
from lode.engine.errors import UserError
from lode.engine.tables import write_table
from lode.importance.gradients import Sums, integrated_sums, patching_sums, product_sums, target_sums
from lode.importance.miner import membership
from lode.importance.statistics import Totals
from lode.media import blanked
from lode.model.adapter import Adapter
from lode.model.batching import in_batches
from lode.model.encoding import Batch, encode
from lode.model.gold import Answered, append_gold, gold_losses
from lode.model.loading import load
from lode.model.tower import encoders_once
from lode.model.watching import watching
from lode.neurons import LM_GATE
from lode.table.gradients import GRADIENTS

Members = Bool[Tensor, "batch modality token"]
Layers = list[Float[Tensor, "batch token neuron"]]


def attribute(
    adapter: Adapter,
    samples: Sequence[Mapping[str, Any]],
    batch_size: int,
    alpha: float,
    num_steps: int,
    title: str = "",
) -> Totals:
    """Attributions of all samples.

    Args:
        adapter: the model.
        samples: rows of a dataset table.
        batch_size: how many at once to begin with.
        alpha: the exponent of CAN.
        num_steps: of integrated gradients, each of which costs a pass for every layer; 0: none are taken.
        title: what the progress bar says.
    """
    totals = Totals(adapter.num_layers, adapter.num_neurons)

    def work(part: Sequence[Mapping[str, Any]]) -> None:
        attribute_batch(adapter, part, totals, alpha, num_steps)

    _, totals.batch_size = in_batches(samples, batch_size, work, title)
    return totals


def attribute_batch(
    adapter: Adapter, samples: Sequence[Mapping[str, Any]], totals: Totals, alpha: float, num_steps: int
) -> None:
    """Add one batch, when everything is known of it."""
    batch = encode(adapter, samples)
    answered = append_gold(adapter, batch, samples)
    members = membership(batch.token_modality)
    with encoders_once(adapter):
        clean, slopes, sums = clean_pass(adapter, answered, members)
        for layer, activations in enumerate(clean):
            here = members.to(activations.device)
            sums[layer] |= product_sums(activations.float(), slopes[layer].float(), here, alpha)
            if num_steps:
                start = torch.zeros_like(activations)
                path = integrated_gradients(adapter, answered, layer, start, activations, num_steps)
                sums[layer] |= integrated_sums(path, here)
    for layer, patched in enumerate(patch(adapter, samples, batch, clean, slopes)):
        sums[layer] |= patched
    totals.add_batch(members, dict(enumerate(sums)))


def clean_pass(adapter: Adapter, answered: Answered, members: Members) -> tuple[Layers, Layers, list[Sums]]:
    """One pass there and back over the samples as they are.

    Returns:
        Activations at the gate site and the gradients of each sample's loss there, by layer, at the tokens of the
        prompt; and the contributions to the target token.
    """
    num_tokens = members.shape[-1]
    watched: dict[int, Tensor] = {}
    sums: list[Sums] = [{} for _ in range(adapter.num_layers)]

    def see_gate(layer: int, activations: Tensor) -> None:
        # Nothing before the first layer needs a gradient; from there on all does.
        watched[layer] = activations if activations.requires_grad else activations.requires_grad_()

    def see_hidden(layer: int, inputs: Tensor) -> None:
        hidden = inputs.detach()[:, :num_tokens].float()
        toward = target_rows(adapter, answered).to(hidden.device) @ adapter.gate.reader[layer].weight.float()
        sums[layer] |= target_sums(hidden, toward, members.to(hidden.device))

    with torch.enable_grad(), watching(adapter, activations={LM_GATE: see_gate}, hidden={LM_GATE: see_hidden}):
        losses = gold_losses(adapter, answered)
    slopes = torch.autograd.grad(losses.sum(), [watched[layer] for layer in range(adapter.num_layers)])
    clean = [watched[layer].detach()[:, :num_tokens] for layer in range(adapter.num_layers)]
    return clean, [slope[:, :num_tokens] for slope in slopes], sums


def target_rows(adapter: Adapter, answered: Answered) -> Float[Tensor, "batch hidden"]:
    """U_y: the row of the language head of the first token of each gold answer."""
    weight = adapter.model.get_output_embeddings().weight
    return weight[answered.targets[:, 0].to(weight.device)].float()


def integrated_gradients(
    adapter: Adapter,
    answered: Answered,
    layer: int,
    start: Float[Tensor, "batch token neuron"],
    end: Float[Tensor, "batch token neuron"],
    num_steps: int,
) -> Float[Tensor, "batch token neuron"]:
    """Attribution of each activation of a layer when all of them move on a straight line from `start` to `end`.

    The gradient is taken in the middle of `num_steps` equal steps; the sum over the layer tends to the loss at the end
    less that at the start. Tokens of the gold answer keep their own activations, which do not depend on the line.
    """
    num_tokens = end.shape[1]
    total = torch.zeros_like(end, dtype=torch.float32)
    for step in range(num_steps):
        point = torch.lerp(start, end, (step + 0.5) / num_steps).requires_grad_()

        def move(at: int, activations: Tensor, point: Tensor = point) -> Tensor | None:
            return torch.cat([point, activations[:, num_tokens:]], dim=1) if at == layer else None

        with torch.enable_grad(), watching(adapter, activations={LM_GATE: move}):
            losses = gold_losses(adapter, answered)
        total += torch.autograd.grad(losses.sum(), point)[0].float()
    return (end - start).float() * total / num_steps


@torch.no_grad()
def patch(
    adapter: Adapter, samples: Sequence[Mapping[str, Any]], batch: Batch, clean: Layers, slopes: Layers
) -> list[Sums]:
    """Attribution patching of every layer, by one pass over the samples with blank media.

    Raises:
        UserError: a prompt is another one with a blank medium.
    """
    changed = torch.tensor([bool(sample["media"]) for sample in samples], device=batch.token_modality.device)
    members = membership(batch.token_modality) & changed[:, None, None]
    sums: list[Sums] = [{} for _ in clean]

    def see_corrupt(layer: int, activations: Tensor) -> None:
        a, c, g = (each[:, : members.shape[-1]].float() for each in (clean[layer], activations, slopes[layer]))
        sums[layer] = patching_sums(a, c, g, members.to(a.device))

    if not changed.any():
        for layer, activations in enumerate(clean):
            see_corrupt(layer, activations)
        return sums
    corrupt = encode(adapter, [blanked(sample) for sample in samples])
    if not torch.equal(corrupt.inputs["input_ids"], batch.inputs["input_ids"]):
        names = ", ".join(sample["sample_id"] for sample in samples if sample["media"])
        raise UserError(
            f"samples {names}: prompts with blank media have other tokens; expected the same, to patch token by token. "
            "Does the processor of the model look at more than the size of a medium?"
        )
    with watching(adapter, activations={LM_GATE: see_corrupt}):
        gold_losses(adapter, append_gold(adapter, corrupt, samples))  # as long as the clean pass, so equal bits
    return sums


def run(cfg: Any, made_by: dict[str, Any]) -> None:
    """Attribute one shard: every `shards`-th sample of the mining split."""
    samples = mined_samples(cfg.io.dataset, cfg.split, int(cfg.io.shard), cfg.capture.shards)
    adapter = load(cfg.model, cfg.io.manifest, cfg.runtime.device, cfg.runtime.threads)
    options = cfg.gradients
    totals = attribute(adapter, samples, options.batch_size, options.alpha, options.num_steps, cfg.dataset.name)
    facts = {**made_by, "num_samples": len(samples), "batch_size": totals.batch_size}
    write_table(cfg.io.gradients, GRADIENTS, totals.columns(), facts)
