"""Cut attention between two groups of tokens while the model answers."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any

from torch import Tensor

from lode.checks.cut import check_pair
from lode.grouping import grouping_of
from lode.library.opening import Model
from lode.library.sections import choose
from lode.library.switching import refuse_unknown
from lode.model.cutting import check_layers, cut_attention, edges_between, refuse_flash, tokens_of


@contextmanager
def cut(
    model: Model, source: str, target: str = "last", layers: Sequence[int] | None = None, grouping: str = "modality"
) -> Iterator[Model]:
    """Within the context tokens of one group cannot see those of another; leaving it restores the model bit for bit.

    `lode.answer`, `lode.lens` and `lode.flow` answer for what is left. Contexts may be nested, in one another and in
    `lode.switched`. The model may not be called directly meanwhile: what each of its tokens is must be known.

    Args:
        model: that of `lode.open`.
        source: whose keys are hidden: a group of the grouping, `media`, or `before`: all before the last token.
        target: from whose queries: one of these, or `last`: the last token of the prompt and all of the answer.
        layers: in which layers of the language model, counted from 0; None: in all of them.
        grouping: the name of a YAML in `config/grouping/`: what groups there are.

    Raises:
        UserError: no such group or layer, or an attention that takes no mask.
    """
    compared = grouping_of(choose("grouping", grouping, ()).grouping)
    check_pair((source, target), compared.groups)
    refuse_flash(model.adapter)
    where = check_layers(model.adapter, range(model.adapter.num_layers) if layers is None else layers)

    def act(tokens: Tensor, samples: Sequence[Mapping[str, Any]]) -> AbstractContextManager[None]:
        keys, queries = (tokens_of(name, tokens, samples, compared) for name in (source, target))
        return cut_attention(model.adapter, edges_between(keys, queries, tokens), where)

    handle = model.adapter.gate.activation[0].register_forward_pre_hook(refuse_unknown(model))
    model.switches.append(act)
    try:
        yield model
    finally:
        model.switches.remove(act)
        handle.remove()
