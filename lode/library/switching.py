"""Switch a neuron set while the model answers."""

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import replace
from typing import Any

import pyarrow as pa
import torch
from torch import Tensor

import lode.intervention as interventions
from lode.checks.intervention import check_intervention
from lode.engine.errors import UserError, unknown_name
from lode.intervention import Intervention
from lode.intervention._reference import class_means
from lode.library.neuron_lists import Neurons, check_owner, modality_of, neurons_of
from lode.library.opening import Model
from lode.library.sections import choose
from lode.shapes import MEMBERS


@contextmanager
def switched(
    model: Model,
    neurons: Neurons,
    intervention: str = "zero",
    *overrides: str,
    modality: str | None = None,
    importance: pa.Table | None = None,
) -> Iterator[Model]:
    """Within the context `lode.answer` answers with the neurons switched; leaving it restores the model bit for bit.

    Contexts may be nested. `zero` at all tokens changes the weights, so `model.adapter.model` may be called directly
    too; every other intervention must know what each token is, and a direct call is refused.

    Args:
        model: that of `lode.open`.
        neurons: the rows of one set of a neurons table (`lode.load(...).table("neurons", ...)`), a neuron list
            (`lode.read_neurons`), or (layer, neuron) pairs of the language model's gate.
        intervention: the name of a YAML in `config/intervention/`.
        *overrides: of the section `intervention`, as on the command line: `"intervention.tokens=own"`.
        modality: of the set, where the intervention asks for it; else that of the set's name.
        importance: rows of the importance table of this model, for interventions that take values from it.

    Raises:
        UserError: neurons that are not one set of this model; no such intervention, or one that lacks what it needs.
    """
    places, made = neurons_of(model, neurons), intervention_of(intervention, overrides)
    served = served_by(made, modality or modality_of(neurons))
    if "class_means" in made.needs:
        made = replace(made, class_means=means_of(model, importance, served))

    def act(tokens: Tensor, rows: Sequence[int]) -> AbstractContextManager[None]:
        del rows
        return interventions.switched(model.adapter, made, places, served, tokens)

    with ExitStack() as stack:
        if made.in_weights and made.everywhere:
            stack.enter_context(act(torch.empty(0, 0, dtype=torch.long), ()))
            act = nothing
        else:
            stack.callback(model.adapter.gate.activation[0].register_forward_pre_hook(refuse_unknown(model)).remove)
        model.switches.append(act)
        stack.callback(model.switches.remove, act)
        yield model


def nothing(tokens: Tensor, rows: Sequence[int]) -> AbstractContextManager[None]:
    """No more is done: the weights are switched already."""
    del tokens, rows
    return nullcontext()


def refuse_unknown(model: Model) -> Any:
    """A hook that refuses a forward pass of which no switch knows the tokens: it would pass by the intervention."""

    def hook(_module: Any, _inputs: Any) -> None:
        if not model.tokens_known:
            raise UserError(
                "the model was called directly while an intervention is on that must know what each token is; call "
                "lode.answer, or go by `with model.switch(tokens, rows):`"
            )

    return hook


def intervention_of(name: str, overrides: Sequence[str]) -> Intervention:
    """The intervention of a YAML and overrides, without reference values.

    Raises:
        UserError: there is none, it does not compose, or it takes its values from other samples of a benchmark.
    """
    section = choose("intervention", name, overrides).intervention
    check_intervention(section)
    made = interventions.from_config(section)
    if "donors" in made.needs:
        raise UserError(
            f"intervention {name}: it takes values from another sample of the same benchmark, and a single prompt has "
            "none; expected one of the others, or a run of the workflow with interventions=[" + name + "]"
        )
    return made


def served_by(intervention: Intervention, modality: str | None) -> str:
    """The modality of the set; any where the intervention does not ask for it.

    Raises:
        UserError: it does, and there is none.
    """
    if modality is not None and modality not in MEMBERS:
        raise unknown_name("modality", modality, MEMBERS)
    if modality is None and (intervention.tokens == "own" or "class_means" in intervention.needs):
        raise UserError(
            "the intervention asks for the modality of the set, and the neurons do not say it; expected "
            f"modality=<one of {', '.join(MEMBERS)}>"
        )
    return modality or "prompt"


def means_of(model: Model, importance: pa.Table | None, modality: str) -> Any:
    """Mean activations of every neuron, by modality, from the importance table of the model.

    Raises:
        UserError: no table, rows of other models, or none of the modality.
    """
    name, size = model.adapter.config.name, (model.adapter.num_layers, model.adapter.num_neurons)
    if importance is None:
        raise UserError(
            "the intervention takes values from the importance table; expected "
            f'importance=lode.load(...).table("importance", model="{name}")'
        )
    check_owner(model, importance, "importance")
    means = class_means(importance)
    if modality not in means:
        raise unknown_name("modality of the importance table", modality, means)
    if means[modality].shape[1:] != size:
        raise UserError(f"importance of {means[modality].shape[1:]} neurons; model {name} has {size}")
    return means
