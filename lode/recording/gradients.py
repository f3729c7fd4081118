"""What a neuron does to the loss of the gold answer, group by group: attributions summed up, not gradients.

The loss is the negative log-likelihood of the gold answer, appended to the prompt; the losses of a batch are added, so
that one backward pass serves all its samples. What is kept is defined in `_attributions.py`.

Corrupt is the same prompt with every medium blank, of as many tokens. That changes the activations of the medium's own
tokens and, through attention, those of every later token: for `text` and `special`, attribution patching tells what a
neuron there carries *of the medium*, not of the words. Tokens before the first medium, and samples without one, do not
change and add zeros.

Sees nothing of the pass that all share, which ends with the prompt: it has passes of its own, over the samples with
their gold answers forwards and backwards, and with blank media forwards. Keeps by group, layer and neuron sums over
samples. Costs about three forward passes (docs/performance.md), with `num_steps` one there and back for every step and
layer more, and the activations and gradients of a whole batch.

What it does not tell: what happens when a neuron is switched for good; a slope holds for small changes.
"""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from lode.engine.errors import UserError
from lode.grouping import Grouping
from lode.media import blanked
from lode.model.adapter import Adapter
from lode.model.encoding import encode
from lode.model.gold import Answered, append_gold, gold_losses
from lode.model.tokens import PADDING, REPLY
from lode.model.tower import encoders_once
from lode.model.watching import watching
from lode.neurons import LM_GATE
from lode.recording import Draft, Prompts
from lode.recording._attributions import Sums, integrated_sums, patching_sums, product_sums, target_sums
from lode.recording._totals import LayerSums, Totals
from lode.table.gradients import GRADIENTS

TABLE = GRADIENTS

Members = Bool[Tensor, "batch group token"]
Layers = list[Float[Tensor, "batch token neuron"]]


def recording(adapter: Adapter, grouping: Grouping, alpha: float = 0.5, num_steps: int = 0) -> "Gradients":
    """An empty recording.

    Args:
        adapter: the model.
        grouping: what tokens are told apart.
        alpha: the exponent of CAN.
        num_steps: of integrated gradients, each of which costs a pass for every layer; 0: none are taken.
    """
    return Gradients(adapter, grouping, alpha, num_steps)


class Gradients(Totals):
    """The running sums.

    Attributes:
        adapter: the model.
        alpha, num_steps: as of `recording`.
    """

    def __init__(self, adapter: Adapter, grouping: Grouping, alpha: float, num_steps: int) -> None:
        super().__init__(grouping.names, adapter.num_layers, adapter.num_neurons)
        self.adapter, self.alpha, self.num_steps = adapter, alpha, num_steps

    def begin(self, prompts: Prompts) -> Draft:
        """Passes of its own, and their sums."""
        sums: dict[int, LayerSums] = {}
        return Draft(partial(self.add_batch, prompts, sums), finish=partial(self.finish, prompts, sums))

    def finish(self, prompts: Prompts, sums: dict[int, LayerSums]) -> None:
        """Attribute a batch, and refuse one that is not finite."""
        sums |= enumerate(attribute(self.adapter, prompts, self.alpha, self.num_steps))
        self.check(sums)


def attribute(adapter: Adapter, prompts: Prompts, alpha: float, num_steps: int) -> list[Sums]:
    """All attributions of a batch, by layer; arguments are those of `recording`."""
    answered = append_gold(adapter, prompts.batch, prompts.samples)
    with prompts.switched(answered_kinds(prompts.batch.token_kind, answered)):
        with encoders_once(adapter):
            clean, slopes, sums = clean_pass(adapter, answered, prompts.members)
            for layer, activations in enumerate(clean):
                here = prompts.members.to(activations.device)
                sums[layer] |= product_sums(activations.float(), slopes[layer].float(), here, alpha)
                if num_steps:
                    start = torch.zeros_like(activations)
                    path = integrated_gradients(adapter, answered, layer, start, activations, num_steps)
                    sums[layer] |= integrated_sums(path, here)
        for layer, patched in enumerate(patch(adapter, prompts, clean, slopes)):
            sums[layer] |= patched
    return sums


def answered_kinds(kinds: Int[Tensor, "batch token"], answered: Answered) -> Int[Tensor, "batch all_tokens"]:
    """What every token is where the gold answer follows the prompt: a token of the reply, -1 where it is padding."""
    reply = torch.where(answered.counted, REPLY, PADDING).to(kinds)
    return torch.cat([kinds, reply], dim=1)


def clean_pass(adapter: Adapter, answered: Answered, members: Members) -> tuple[Layers, Layers, list[Sums]]:
    """One pass there and back over the samples as they are.

    Returns:
        Activations at the gate site and the gradients of each sample's loss there, by layer, at the tokens of the
        prompt; and the contributions to the target token.
    """
    num_tokens, layers = members.shape[-1], range(adapter.num_layers)
    watched: dict[int, Tensor] = {}
    sums: list[Sums] = [{} for _ in layers]
    see_hidden = partial(see_target, adapter, answered, members, sums)
    with (
        torch.enable_grad(),
        watching(adapter, activations={LM_GATE: partial(see_gate, watched)}, hidden={LM_GATE: see_hidden}),
    ):
        losses = gold_losses(adapter, answered)
    slopes = torch.autograd.grad(losses.sum(), [watched[layer] for layer in layers])
    clean = [watched[layer].detach()[:, :num_tokens] for layer in layers]
    return clean, [slope[:, :num_tokens] for slope in slopes], sums


def see_gate(watched: dict[int, Tensor], layer: int, activations: Tensor) -> None:
    """Keep the activations of a layer. Nothing before the first layer needs a gradient; from there on all does."""
    watched[layer] = activations if activations.requires_grad else activations.requires_grad_()


def see_target(
    adapter: Adapter, answered: Answered, members: Members, sums: Sequence[Sums], layer: int, hidden: Tensor
) -> None:
    """Contributions of a layer to the target token."""
    prompt = hidden.detach()[:, : members.shape[-1]].float()
    toward = target_rows(adapter, answered).to(hidden.device) @ adapter.gate.reader[layer].weight.float()
    sums[layer].update(target_sums(prompt, toward, members.to(hidden.device)))


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
    total = torch.zeros_like(end, dtype=torch.float32)
    for step in range(num_steps):
        point = torch.lerp(start, end, (step + 0.5) / num_steps).requires_grad_()
        with torch.enable_grad(), watching(adapter, activations={LM_GATE: partial(move, layer, point)}):
            losses = gold_losses(adapter, answered)
        total += torch.autograd.grad(losses.sum(), point)[0].float()
    return (end - start).float() * total / num_steps


def move(moved: int, point: Float[Tensor, "batch token neuron"], layer: int, activations: Tensor) -> Tensor | None:
    """Put other activations in the place of those of the prompt, in one layer."""
    return torch.cat([point, activations[:, point.shape[1] :]], dim=1) if layer == moved else None


@torch.no_grad()
def patch(adapter: Adapter, prompts: Prompts, clean: Layers, slopes: Layers) -> list[Sums]:
    """Attribution patching of every layer, by one pass over the samples with blank media.

    Raises:
        UserError: a prompt is another one with a blank medium.
    """
    samples = prompts.samples
    changed = torch.tensor([bool(sample["media"]) for sample in samples], device=prompts.codes.device)
    members = prompts.members & changed[:, None, None]
    sums: list[Sums] = [{} for _ in clean]
    see = partial(see_corrupt, clean, slopes, members, sums)
    if not changed.any():
        for layer, activations in enumerate(clean):
            see(layer, activations)
        return sums
    corrupt = encode(adapter, [blanked(sample) for sample in samples])
    if not torch.equal(corrupt.inputs["input_ids"], prompts.batch.inputs["input_ids"]):
        raise other_tokens(samples)
    with watching(adapter, activations={LM_GATE: see}):
        gold_losses(adapter, append_gold(adapter, corrupt, samples))  # as long as the clean pass, so equal bits
    return sums


def see_corrupt(
    clean: Layers, slopes: Layers, members: Members, sums: list[Sums], layer: int, activations: Tensor
) -> None:
    """Attribution patching of a layer."""
    a, c, g = (each[:, : members.shape[-1]].float() for each in (clean[layer], activations, slopes[layer]))
    sums[layer] = patching_sums(a, c, g, members.to(a.device))


def other_tokens(samples: Sequence[Mapping[str, Any]]) -> UserError:
    """The error for prompts that are others with a blank medium."""
    names = ", ".join(sample["sample_id"] for sample in samples if sample["media"])
    return UserError(
        f"samples {names}: prompts with blank media have other tokens; expected the same, to patch token by token. "
        "Does the processor of the model look at more than the size of a medium?"
    )
