"""Residual states of a seeded reservoir of tokens, at every layer.

Of each part of the grouping the `reservoir` tokens that come first in a seeded order: one of every sample before a
second of any, so that samples weigh equally, whatever their lengths and the batches. Besides, the last token of the
prompt of as many samples (group `last`). A token that is kept is kept at all layers, so that layers can be compared.

Sees the residual states of the pass that all share. Keeps ``state`` (values, or where there are more than 256 of them
x R / 16 with R a seeded Gaussian map (hidden, 256), the same for all layers: lengths and products are kept on average,
Johnson & Lindenstrauss 1984) and ``norm``, the length of the whole state >= 0. Costs a copy of these tokens, 61 MB for
four groups of a model of 29 states; it does not grow with the samples. Source: docs/methods.md 7.3.

What it does not tell: anything yet; it is what measures of states are made of.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa
import torch
from jaxtyping import Float
from torch import Tensor

from lode.grouping import Grouping
from lode.model.adapter import Adapter
from lode.model.tokens import MEDIA, TOKEN_KINDS
from lode.recording import Draft, Prompts, Views
from lode.recording._shift import LAST
from lode.recording._traced import Traced, first_place, gather, last_place, order_of
from lode.table.states import STATES

TABLE = STATES

#: The most values of a state that are kept as they are.
WIDTH = 256
#: Where a token comes in the order of its group: how many of its sample come before it, a draw, the sample.
Turn = tuple[int, float, str]


@dataclass(frozen=True)
class Token:
    """A token that may be kept.

    Attributes:
        turn: the tokens of the lowest turns are kept.
        group: of the token.
        row, at: where it is in the padded batch.
        facts: what its rows say of it.
    """

    turn: Turn
    group: str
    row: int
    at: int
    facts: Mapping[str, Any]


@dataclass(frozen=True)
class Kept:
    """A token with its states (state, value) and their lengths (state)."""

    token: Token
    states: Float[np.ndarray, "state value"]
    norms: Float[np.ndarray, " state"]


def recording(
    adapter: Adapter, grouping: Grouping, reservoir: int = 512, seed: int = 0, traced: Traced | None = None
) -> "Reservoir":
    """An empty recording.

    Args:
        adapter: the model.
        grouping: what tokens are told apart.
        reservoir: tokens of each group that are kept.
        seed: of which, and of the map.
        traced: what the rows are of; states are kept of no set.
    """
    return Reservoir(adapter, grouping, reservoir, seed, traced or Traced())


def gaussian_map(width: int, seed: int) -> Float[Tensor, "width value"] | None:
    """The map of states of a width; None where they are kept as they are."""
    if width <= WIDTH:
        return None
    drawn = np.random.default_rng(seed).standard_normal((width, WIDTH), dtype=np.float32)
    return torch.from_numpy(drawn) / WIDTH**0.5


class Reservoir:
    """The tokens so far; arguments are those of `recording`."""

    def __init__(self, adapter: Adapter, grouping: Grouping, reservoir: int, seed: int, traced: Traced) -> None:
        self.adapter, self.grouping, self.reservoir = adapter, grouping, reservoir
        self.seed, self.variant, self.kept = seed, traced.variant, dict[str, list[Kept]]()
        self.map = gaussian_map(adapter.model.get_input_embeddings().weight.shape[1], seed)
        self.num_seen = 0

    def begin(self, prompts: Prompts) -> Draft:
        """Keep the states of the tokens whose turn may be early enough."""
        tokens = [token for token in self.tokens_of(prompts) if self.may_enter(token)]
        seen: dict[int, tuple[Tensor, Tensor]] = {}

        def see(layer: int, states: Tensor) -> None:
            seen[layer] = self.reduced(gather(states, [(token.row, token.at) for token in tokens]).float())

        return Draft(partial(self.add, tokens, seen), Views(states=see))

    def reduced(self, states: Float[Tensor, "token hidden"]) -> tuple[Tensor, Tensor]:
        """States as they are kept, and the lengths of the whole ones; both on the CPU."""
        values = states if self.map is None else states @ self.map.to(states.device)
        return values.cpu(), states.norm(dim=-1).cpu()

    def tokens_of(self, prompts: Prompts) -> list[Token]:
        """Every token of the prompts of a batch, `reservoir` of a sample and part at most, and the last of each."""
        found, last, first = [], last_place(prompts), first_place(prompts)
        codes, kinds = prompts.codes.cpu().numpy(), prompts.batch.token_kind.cpu().numpy()
        ids = np.where(np.isin(kinds, list(map(TOKEN_KINDS.index, MEDIA))), -1, prompts.batch.inputs["input_ids"].cpu())
        for row, sample in enumerate(prompts.samples):
            name, said = sample["sample_id"], {key: sample[key] for key in ("sample_id", "cluster_id")}

            def token(turn: Turn, group: str, at: int, row: int = row, said: Mapping[str, Any] = said) -> Token:
                facts = {"position": at - first[row], "token_id": int(ids[row, at]), "is_last": at == last}
                return Token(turn, group, row, at, {**said, "group": group, **facts})

            for code in np.unique(codes[row][codes[row] >= 0]).tolist():
                places, part = np.flatnonzero(codes[row] == code), self.grouping.parts[code]
                order, draw = order_of(self.seed, name, part, len(places))
                chosen = places[order[: self.reservoir]].tolist()
                found += [token((turn, draw, name), part, at) for turn, at in enumerate(chosen)]
            found.append(token((0, order_of(self.seed, name, LAST, 1)[1], name), LAST, last))
        return found

    def may_enter(self, token: Token) -> bool:
        """Whether a token comes before the last one that is kept of its group."""
        kept = self.kept.get(token.group, [])
        return len(kept) < self.reservoir or token.turn < kept[-1].token.turn

    def add(self, tokens: Sequence[Token], seen: Mapping[int, tuple[Tensor, Tensor]]) -> None:
        """Put tokens in their turn, and drop what is too many."""
        self.num_seen += len(tokens)
        if not tokens:
            return
        states, norms = (torch.stack([seen[layer][of] for layer in sorted(seen)], 1).numpy() for of in (0, 1))
        for token, of_token, lengths in zip(tokens, states, norms, strict=True):
            self.kept.setdefault(token.group, []).append(Kept(token, of_token.copy(), lengths.copy()))
        for group, kept in self.kept.items():
            self.kept[group] = sorted(kept, key=lambda each: each.token.turn)[: self.reservoir]

    def columns(self) -> dict[str, Any]:
        """Of all tokens that are kept, group after group."""
        names = [*self.grouping.parts, LAST]
        kept = [each for name in names for each in self.kept.get(name, [])]
        num_states = self.adapter.num_layers + 1
        facts = {key: [each.token.facts[key] for each in kept for _ in range(num_states)] for key in
                 ("sample_id", "cluster_id", "group", "position", "token_id", "is_last")}  # fmt: skip
        values = np.concatenate([each.states for each in kept]) if kept else np.empty((0, 1), dtype=np.float32)
        offsets = np.arange(len(values) + 1, dtype=np.int32) * values.shape[1]
        return {
            "variant": [self.variant] * len(values),
            **facts,
            "layer": np.tile(np.arange(num_states, dtype=np.int16), len(kept)),
            "norm": np.concatenate([each.norms for each in kept]) if kept else np.empty(0, dtype=np.float32),
            "state": pa.ListArray.from_arrays(offsets, values.ravel()),
        }

    def facts(self) -> dict[str, int]:
        """How many tokens were looked at, and how many are kept of a group at most."""
        return {"reservoir": self.reservoir, "num_seen": self.num_seen}
