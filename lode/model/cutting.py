"""Cut edges of the language model's attention: some queries may not see some keys any more.

An edge goes from a key S to a query R that sees it. Cut means that its weight is 0, and those of the query's other keys
sum to 1 again. A token's edge to itself is never cut, so that each query keeps one key. What the mask of a layer is
(None, booleans, or what is added to the products) depends on the implementation of attention; flash attention takes
none of one's own. Source: docs/methods.md 7.5.

Tokens are told apart by the parts of a grouping; besides, ``last`` is the last token of the prompt and all tokens of
the answer, from which the answer is read; ``media`` all tokens of media; ``before`` all of the prompt before its last
token. The last token of the prompt is of no other group.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from numpy.lib.stride_tricks import sliding_window_view
from torch import Tensor
from torch.nn.functional import pad

from lode.engine.errors import UserError, unknown_name
from lode.grouping import Grouping
from lode.model.adapter import Adapter
from lode.model.attention import Attention, observed, visible_keys
from lode.model.tokens import MEDIA, PADDING, REPLY, TOKEN_KINDS

#: Groups of tokens that every grouping has here: where answers are read, media, and all before the last token.
LAST, ALL_MEDIA, BEFORE = "last", "media", "before"


@dataclass(frozen=True)
class Edges:
    """Which edges are cut, in every layer of a window.

    Attributes:
        cut: of a batch as it is padded.
        later: the same of queries that come after these tokens, as of a reply that is written token by token.
    """

    cut: Bool[Tensor, "batch query key"]
    later: Bool[Tensor, "batch key"]

    def rows(self, first: int, num_queries: int) -> Bool[Tensor, "batch query key"]:
        """Those of the queries from place `first` on, of which some may come after the batch's own tokens."""
        own = self.cut[:, first : first + num_queries]
        further = num_queries - own.shape[1]
        return torch.cat([own, self.later[:, None].expand(-1, further, -1)], dim=1) if further else own

    def num(self) -> Int[Tensor, " batch"]:
        """How many edges are cut in each layer of the window."""
        return self.cut.sum((1, 2))


def last_of_prompt(kinds: Int[Tensor, "batch token"]) -> int:
    """Where the last token of every prompt is: prompts are padded on the left, so it is one place."""
    return int((kinds >= 0).any(0).nonzero().max())


def tokens_of(
    name: str, kinds: Int[Tensor, "batch token"], samples: Sequence[Mapping[str, Any]], grouping: Grouping
) -> Bool[Tensor, "batch token"]:
    """The tokens of a group.

    Args:
        name: `last`, `media`, `before`, or a group of the grouping.
        kinds: what every token is, as in `Batch.token_kind`, of prompts alone or with their answers.
        samples: of the batch.
        grouping: what tokens are told apart.

    Raises:
        UserError: there is no such group.
    """
    last = last_of_prompt(kinds)
    if name == LAST:
        found = kinds == REPLY
        found[:, last] = True
        return found
    if name == BEFORE:
        found = kinds >= 0
    elif name == ALL_MEDIA:
        found = torch.isin(kinds, torch.tensor([TOKEN_KINDS.index(kind) for kind in MEDIA], device=kinds.device))
    elif name in grouping.groups:
        found = torch.isin(grouping.codes_of(kinds, samples), torch.tensor(grouping.places(name), device=kinds.device))
    else:
        raise unknown_name("group of tokens", name, [LAST, ALL_MEDIA, BEFORE, *grouping.groups])
    found[:, last] = False
    return found


def seen_before(kinds: Int[Tensor, "batch token"]) -> Bool[Tensor, "batch query key"]:
    """Edges of a causal model: to every real token from the real tokens before it, not from itself."""
    real, count = kinds != PADDING, kinds.shape[1]
    earlier = torch.ones(count, count, dtype=torch.bool, device=kinds.device).tril(-1)
    return earlier & real[:, :, None] & real[:, None]


def edges_between(
    source: Bool[Tensor, "batch token"], target: Bool[Tensor, "batch token"], kinds: Int[Tensor, "batch token"]
) -> Edges:
    """All edges from source to target; what is written after the batch is a target where the answer's tokens are one.

    Args:
        source: keys.
        target: queries.
        kinds: what every token is.
    """
    cut = target[:, :, None] & source[:, None] & seen_before(kinds)
    return Edges(cut, source & target[:, last_of_prompt(kinds), None])


def matched_edges(edges: Edges, kinds: Int[Tensor, "batch token"], seed: int) -> Edges:
    """As many edges into each query, from the keys that come first in an order that is one rule for all samples.

    A group is the same kind of tokens in every sample, so a draw is the same places in every sample: else its mean over
    samples would vary far less than that of a group. And it hides as long runs of neighbours, as a picture is a run,
    and losing neighbours together may cost more than losing as many apart. The tokens of the group take part, so that
    a group that is like any other tokens is one draw among them; the last token of the prompt and the answer do not.

    Args:
        edges: what is matched.
        kinds: what every token is.
        seed: of the rule.
    """
    keys = kinds >= 0
    keys[:, last_of_prompt(kinds)] = False
    runs = run_lengths(edges.cut.any(1))
    rows = zip(keys.cpu(), runs, strict=True)
    order = torch.stack([order_of(row, run, seed) for row, run in rows]).to(kinds.device)
    allowed = seen_before(kinds) & keys[:, None]
    cut = first_in_order(allowed, edges.cut.sum(-1), order)
    later = first_in_order(keys[:, None], edges.later.sum(-1)[:, None], order)[:, 0]
    return Edges(cut, later)


def run_lengths(keys: Bool[Tensor, "batch token"]) -> list[int]:
    """How many neighbours the tokens of each row stand beside each other, on average, rounded; at least 1."""
    begins = keys.clone()
    begins[:, 1:] &= ~keys[:, :-1]
    return (keys.sum(1) / begins.sum(1).clamp_min(1)).round().clamp_min(1).int().tolist()


def order_of(keys: Bool[Tensor, " token"], run: int, seed: int) -> Int[Tensor, " token"]:
    """The tokens of a row in an order: the keys by the rule of a seed, and then the others; padding changes nothing."""
    own = keys.nonzero()[:, 0]
    return torch.cat([own[torch.from_numpy(order_of_places(len(own), run, seed))], (~keys).nonzero()[:, 0]])


def order_of_places(count: int, run: int, seed: int) -> Int[np.ndarray, " place"]:
    """A random order of places in runs of neighbours, which changes as little as it can with how many places there are.

    Places are counted from the first or from the last, which is drawn. Each place where a run fits begins one; runs
    come in the order of numbers that are drawn for their places, so that a rule means the same places in samples of
    other lengths; a place comes with the first run that holds it.

    Args:
        count: places.
        run: neighbours that come together; at most `count`.
        seed: of the rule: the same for all samples.
    """
    rng = np.random.default_rng(seed)
    from_last = rng.random() < 0.5
    run = max(1, min(run, count))
    ranks = np.pad(rng.random(max(0, count - run + 1)), run - 1, constant_values=np.inf)
    first = sliding_window_view(ranks, run).min(1) if count else ranks
    order = np.lexsort((np.arange(count), first))
    return count - 1 - order if from_last else order


def first_in_order(
    allowed: Bool[Tensor, "batch query key"], count: Int[Tensor, "batch query"], order: Int[Tensor, "batch key"]
) -> Bool[Tensor, "batch query key"]:
    """Of the allowed keys of each query, so many that come first in an order.

    Args:
        allowed: at least as many as `count`.
        count: of each query.
        order: of keys, one for all queries.
    """
    places = order[:, None].expand_as(allowed)
    ordered = allowed.gather(2, places)
    chosen = ordered & (ordered.cumsum(-1) <= count[..., None])
    return torch.zeros_like(allowed).scatter(2, places, chosen)


def no_edges(kinds: Int[Tensor, "batch token"]) -> Edges:
    """Nothing is cut, though every layer is given a mask of its own: what cuts are compared with."""
    nothing = torch.zeros_like(kinds, dtype=torch.bool)
    return Edges(nothing[:, :, None] & nothing[:, None], nothing)


@contextmanager
def cut_attention(adapter: Adapter, edges: Edges, layers: Sequence[int]) -> Iterator[None]:
    """Within the context the edges are cut in these layers of the language model, in every forward pass.

    Contexts may be nested, and within others that watch: what is observed is what is left.

    Args:
        adapter: the model.
        edges: of the batch that passes go over.
        layers: counted from 0.

    Raises:
        UserError: flash attention, or no such layer.
    """
    refuse_flash(adapter)
    chosen = frozenset(check_layers(adapter, layers))

    def masker(layer: int, mask: Tensor | None, query: Tensor, key: Tensor, window: int | None) -> Tensor | None:
        return without(edges, mask, query, key, window) if layer in chosen else mask

    adapter.contexts.maskers.append(masker)
    try:
        with observed(adapter, _see_nothing):
            yield
    finally:
        adapter.contexts.maskers.remove(masker)


def without(
    edges: Edges, mask: Tensor | None, query: Float[Tensor, "batch head query dim"], key: Tensor, window: int | None
) -> Tensor:
    """The mask of a layer less the edges that are cut, in its own form; that of None is booleans."""
    num_queries, num_keys = query.shape[2], key.shape[2]
    visible = visible_keys(mask, query, window, num_keys)
    rows = edges.rows(num_keys - num_queries, num_queries)
    gone = pad(rows, (0, num_keys - rows.shape[2])).to(query.device)[:, None]
    if mask is not None and mask.dtype != torch.bool:
        return torch.where(gone & visible, torch.finfo(mask.dtype).min, mask)
    return visible & ~gone


def check_layers(adapter: Adapter, layers: Sequence[int]) -> Sequence[int]:
    """These layers.

    Raises:
        UserError: the language model has no such layer.
    """
    wrong = [layer for layer in layers if not 0 <= layer < adapter.num_layers]
    if wrong:
        raise UserError(
            f"layer {wrong[0]}: model {adapter.config.name} has layers 0 to {adapter.num_layers - 1}; expected these "
            "alone, counted from 0. Name others"
        )
    return layers


def refuse_flash(adapter: Adapter) -> None:
    """Refuse an attention that takes no mask of one's own.

    Raises:
        UserError: it is flash attention.
    """
    name = adapter.config.attn_implementation
    if name not in ("sdpa", "eager"):
        raise UserError(
            f"model {adapter.config.name}: model.attn_implementation = {name} takes no mask in which single edges are "
            "cut; expected sdpa or eager. Set model.attn_implementation=sdpa"
        )


def _see_nothing(_layer: int, _attention: Attention) -> None:
    """What is observed is of no interest here: the mask is changed before."""
