"""Switch a neuron set while the model answers."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import replace
from typing import Any

import pyarrow as pa
import torch
from torch import Tensor, nn

from lode.checks.intervention import check_intervention
from lode.engine.errors import UserError, unknown_name
from lode.grouping import PROMPT, Grouping, grouping_of
from lode.intervention import Intervention, from_config
from lode.intervention import _acting as acting
from lode.intervention._reference import class_means
from lode.library.neuron_lists import Neurons, check_owner, group_of, neurons_of
from lode.library.opening import Model
from lode.library.sections import choose
from lode.neurons import Places


@contextmanager
def switched(
    model: Model,
    neurons: Neurons,
    intervention: str = "zero",
    *overrides: str,
    group: str | None = None,
    importance: pa.Table | None = None,
    grouping: str = "modality",
) -> Iterator[Model]:
    """Within the context `lode.answer` answers with the neurons switched; leaving it restores the model bit for bit.

    Contexts may be nested. `zero` at all tokens changes the weights, so `model.adapter.model` may be called directly
    too; every other intervention must know what each token is, and a direct call of the model, or of a part that holds
    switched neurons, is refused.

    Args:
        model: that of `lode.open`.
        neurons: the rows of one set of a neurons table (`lode.load(...).table("neurons", ...)`), a neuron list
            (`lode.read_neurons`), or (layer, neuron) pairs of the language model's gate.
        intervention: the name of a YAML in `config/intervention/`.
        *overrides: of the section `intervention`, as on the command line: `"intervention.tokens=own"`.
        group: of the set, where the intervention asks for it; else that of the set's name.
        importance: rows of the importance table of this model, for interventions that take values from it.
        grouping: the name of a YAML in `config/grouping/`: what groups there are.

    Raises:
        UserError: neurons that are not one set of this model; no such intervention, or one that lacks what it needs.
    """
    compared = grouping_of(choose("grouping", grouping, ()).grouping)
    places, made = neurons_of(model, neurons), intervention_of(intervention, overrides, compared)
    served = served_by(made, compared, group or group_of(neurons, compared))
    if "class_means" in made.needs:
        made = replace(made, class_means=means_of(model, importance, compared, served))

    def act(tokens: Tensor, samples: Sequence[Mapping[str, Any]]) -> AbstractContextManager[None]:
        return acting.switched(model.adapter, made, places, served, compared.codes_of(tokens, samples))

    with ExitStack() as stack:
        if made.in_weights and made.everywhere:
            stack.enter_context(act(torch.empty(0, 0, dtype=torch.long), ()))
            act = nothing
        else:
            for module in guarded(model, places):
                stack.callback(module.register_forward_pre_hook(refuse_unknown(model)).remove)
        model.switches.append(act)
        stack.callback(model.switches.remove, act)
        yield model


def nothing(tokens: Tensor, samples: Sequence[Mapping[str, Any]]) -> AbstractContextManager[None]:
    """No more is done: the weights are switched already."""
    del tokens, samples
    return nullcontext()


def guarded(model: Model, places: Places) -> list[nn.Module]:
    """Where a direct call comes by: every layer of every switched site, and the first gate of the language model.

    A tower can be called without the language model, and one of its layers without those before it.
    """
    gate, sites = model.adapter.gate, [model.adapter.sites[name] for name in places]
    return list(dict.fromkeys([gate.activation[0], *(module for site in sites for module in site.activation)]))


def refuse_unknown(model: Model) -> Any:
    """A hook that refuses a forward pass of which no switch knows the tokens: it would pass by the intervention."""

    def hook(_module: Any, _inputs: Any) -> None:
        if not model.tokens_known:
            raise UserError(
                "the model was called directly while an intervention is on that must know what each token is; call "
                "lode.answer, or go by `with model.switch(tokens, rows):`"
            )

    return hook


def intervention_of(name: str, overrides: Sequence[str], grouping: Grouping) -> Intervention:
    """The intervention of a YAML and overrides, without reference values.

    Raises:
        UserError: there is none, it does not compose, or it takes its values from other samples of a benchmark.
    """
    section = choose("intervention", name, overrides).intervention
    check_intervention(section)
    made = from_config(section, grouping)
    if "donors" in made.needs:
        raise UserError(
            f"intervention {name}: it takes values from another sample of the same benchmark, and a single prompt has "
            "none; expected one of the others, or a run of the workflow with interventions=[" + name + "]"
        )
    return made


def served_by(intervention: Intervention, grouping: Grouping, group: str | None) -> str:
    """The group of the set; any where the intervention does not ask for it.

    Raises:
        UserError: it does, and there is none.
    """
    if group is not None and group not in grouping.groups:
        raise unknown_name("group", group, grouping.groups)
    if group is None and (intervention.tokens == "own" or "class_means" in intervention.needs):
        raise UserError(
            "the intervention asks for the group of the set, and the neurons do not say it; expected "
            f"group=<one of {', '.join(grouping.groups)}>"
        )
    return group or PROMPT


def means_of(model: Model, importance: pa.Table | None, grouping: Grouping, group: str) -> Any:
    """Mean activations of every neuron, by group, from the importance table of the model.

    Raises:
        UserError: no table, rows of other models, or none of the group.
    """
    name, size = model.adapter.config.name, (model.adapter.num_layers, model.adapter.num_neurons)
    if importance is None:
        raise UserError(
            "the intervention takes values from the importance table; expected "
            f'importance=lode.load(...).table("importance", model="{name}")'
        )
    check_owner(model, importance, "importance")
    means = class_means(importance, grouping)
    if group not in means:
        raise unknown_name("group of the importance table", group, means)
    if means[group].shape[1:] != size:
        raise UserError(f"importance of {means[group].shape[1:]} neurons; model {name} has {size}")
    return means
