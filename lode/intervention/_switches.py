"""From a step's config and neuron sets to the contexts that passes run in, for one batch of samples."""

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from typing import Any

from jaxtyping import Float, Int
from torch import Tensor

from lode.config import StepConfig
from lode.grouping import Grouping
from lode.intervention import SHAM, Intervention, from_config
from lode.intervention._acting import switched
from lode.intervention._reference import check_donors, class_means, token_means
from lode.model.adapter import Adapter
from lode.model.switching import Switch
from lode.neurons import NeuronSet
from lode.table._owner import read_of
from lode.table.importance import IMPORTANCE


def ready(cfg: StepConfig, grouping: Grouping) -> Intervention:
    """The intervention of a step, with the class means that it needs, from the importance table of the model.

    Raises:
        UserError: the intervention needs them, and the table is another model's.
    """
    intervention = from_config(cfg.intervention, grouping)
    if "class_means" not in intervention.needs:
        return intervention
    means = class_means(read_of(cfg.io["importance"], IMPORTANCE, cfg.model.name), grouping)
    return replace(intervention, class_means=means)


def within_encoder(adapter: Adapter, neuron_set: NeuronSet) -> bool:
    """Whether neurons of the set lie within an encoder, which must run anew for it."""
    return any(name in adapter.sites and adapter.sites[name].in_encoder for name in neuron_set.places)


def needs_one_sample(adapter: Adapter, sets: Sequence[NeuronSet], intervention: Intervention) -> bool:
    """Whether a batch may hold one sample only: activations of patches, frames or queries are replaced by hooks."""
    if intervention.in_weights and intervention.everywhere:
        return False
    sites = {name for neuron_set in sets for name in neuron_set.places}
    return any(name in adapter.sites and not adapter.sites[name].has_tokens for name in sites)


@dataclass(frozen=True)
class Switches:
    """What one intervention does to any set, on the samples of one batch.

    Attributes:
        adapter: the model.
        samples: of the batch.
        intervention: what is done; a control of kind `sham` is scaled by 1 instead.
        means: of every layer those of another sample for each sample, where needed.
    """

    adapter: Adapter
    samples: Sequence[Mapping[str, Any]]
    intervention: Intervention
    means: Sequence[Float[Tensor, "batch place neuron"]] | None = None

    def of(self, neuron_set: NeuronSet) -> Switch:
        """The switch of a set."""
        act = SHAM if neuron_set.key.control_kind == "sham" else self.intervention

        def switch(tokens: Tensor, rows: Sequence[int]) -> AbstractContextManager[None]:
            means = None if self.means is None else [layer[list(rows)] for layer in self.means]
            codes = self.intervention.compared.codes_of(tokens, [self.samples[row] for row in rows])
            return switched(self.adapter, act, neuron_set.places, neuron_set.group, codes, means)

        return switch


def switches_of(
    adapter: Adapter,
    samples: Sequence[Mapping[str, Any]],
    token_kinds: Int[Tensor, "batch token"],
    intervention: Intervention,
    donors: Sequence[Mapping[str, Any]],
) -> Switches:
    """The switches for a batch.

    Args:
        adapter: the model.
        samples: of the batch.
        token_kinds: of every token of their prompts.
        intervention: what is done.
        donors: another sample for each, where the intervention needs them.

    Raises:
        UserError: a donor lacks a part that its sample holds.
    """
    means = None
    if "donors" in intervention.needs:
        grouping = intervention.compared
        means, held = token_means(adapter, donors, grouping)
        check_donors(samples, grouping.codes_of(token_kinds, samples), held, grouping)
    return Switches(adapter, samples, intervention, means)
