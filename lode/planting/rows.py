"""What passes a module of an encoder or a projector on real samples: rows of media, and whose they are."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from lode.engine.errors import UserError
from lode.grouping import Grouping
from lode.model.adapter import Adapter
from lode.model.encoding import encode
from lode.model.sample import kinds_of
from lode.model.tokens import TOKEN_KINDS

Sample = Mapping[str, Any]


@dataclass(frozen=True)
class Rows:
    """Rows of media of some samples.

    Attributes:
        values: what a module reads, or gives (row, feature).
        group: place among the groups that are planted, -1 for none of them (row).
        sample: which sample the row is of (row).
    """

    values: Float[Tensor, "row feature"]
    group: Int[Tensor, " row"]
    sample: Int[Tensor, " row"]

    def members(self, place: int) -> Bool[Tensor, " row"]:
        """Which rows are of a group."""
        return self.group == place


def group_of(sample: Sample, grouping: Grouping, groups: Sequence[str]) -> int:
    """The place of the group that the rows of a sample's medium are of, -1 for none.

    Raises:
        UserError: the sample holds several kinds of media, or none.
    """
    kinds = sorted(kinds_of(sample))
    if len(kinds) != 1:
        raise UserError(
            f"sample {sample['sample_id']} holds {' and '.join(kinds) or 'no medium'}: neurons of an encoder are "
            "planted by rows of one kind of medium. Leave its dataset out of mining_datasets"
        )
    codes = grouping.codes_of(torch.full((1, 1), TOKEN_KINDS.index(kinds[0])), [sample])
    part = grouping.parts[int(codes[0, 0])]
    return next((place for place, name in enumerate(groups) if part in grouping.groups[name]), -1)


@torch.no_grad()
def observe_rows(
    adapter: Adapter,
    modules: Sequence[nn.Module],
    samples: Sequence[Sample],
    grouping: Grouping,
    groups: Sequence[str],
    of_input: bool,
) -> list[Rows]:
    """Run every sample alone, as its rows do not say whose they are, and keep what modules read or give.

    Args:
        adapter: the model.
        modules: each of which every sample passes once.
        samples: rows of a dataset table.
        grouping: what is compared.
        groups: that are planted.
        of_input: whether what the modules read is kept, and not what they give.
    """
    kept: list[list[Tensor]] = [[] for _ in modules]
    hooks = [module.register_forward_hook(partial(keep, kept[place], of_input)) for place, module in enumerate(modules)]
    try:
        for sample in samples:
            adapter.model(**encode(adapter, [sample]).inputs, use_cache=False, logits_to_keep=1)
    finally:
        for hook in hooks:
            hook.remove()
    codes = torch.tensor([group_of(sample, grouping, groups) for sample in samples])
    counts = torch.tensor([len(part) for part in kept[0]])
    group, number = codes.repeat_interleave(counts), torch.arange(len(samples)).repeat_interleave(counts)
    return [Rows(torch.cat(parts), group, number) for parts in kept]


def keep(parts: list[Tensor], of_input: bool, _module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
    """Keep the rows of one sample."""
    parts.append((inputs[0] if of_input else output).flatten(0, -2).cpu())
