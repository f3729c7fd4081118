"""What the recordings of a trace share: prompts with their gold answers, which tokens are looked at, whose a row is.

Tokens are looked at by part of the grouping (disjoint groups, so that no token is of two), and the last token of the
prompt, from which the reply is made, is a group `last` of its own besides. Which tokens of a sample are drawn depends
on the seed, the id of the sample and the part alone: not on the batch, nor on what the media show.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn.functional import pad

from lode.grouping import Grouping
from lode.model.adapter import Adapter
from lode.model.encoding import Batch, append_replies, append_tokens
from lode.model.gold import encode_gold
from lode.model.switching import Switch, untouched
from lode.model.tokens import PADDING, REPLY
from lode.neurons import SetKey
from lode.recording import Prompts, prepare
from lode.recording._shift import LAST

Sample = Mapping[str, Any]

#: Nothing is switched.
NONE = SetKey("none", "clean")
#: The samples as they are.
CLEAN = "clean"
#: And with the weights of the language model in another order.
PERMUTED = "permuted_weights"


class Traced(NamedTuple):
    """What the rows of a recording are of: how the samples are shown, and which set is off."""

    variant: str = CLEAN
    key: SetKey = NONE

    def columns(self, count: int) -> dict[str, list[Any]]:
        """The same value in each of so many rows."""
        return {name: [value] * count for name, value in {"variant": self.variant, **self.key._asdict()}.items()}


class Place(NamedTuple):
    """A token that is looked at: its row and place in a padded batch, and its group."""

    row: int
    at: int
    group: str


def answered_prompts(
    adapter: Adapter, samples: Sequence[Sample], grouping: Grouping, switch: Switch = untouched
) -> Prompts:
    """Prompts with the first accepted answer appended, which are of no group: one pass tells both.

    Raises:
        UserError: a sample that `encode` or `encode_gold` refuses.
    """
    prompts = prepare(adapter, samples, grouping, switch)
    ids = encode_gold(adapter, prompts.batch, samples)
    inputs = append_tokens(prompts.batch, ids, adapter.processor.tokenizer.pad_token_id)
    batch = Batch(inputs, append_replies(prompts.batch, ids))
    longer = batch.token_kind.shape[1] - prompts.codes.shape[1]
    codes = torch.cat([prompts.codes, batch.token_kind[:, prompts.codes.shape[1] :].to(prompts.codes)], dim=1)
    return replace(prompts, batch=batch, codes=codes, members=pad(prompts.members, (0, longer)))


def last_place(prompts: Prompts) -> int:
    """Where the last token of every prompt is: prompts are padded on the left, so it is one place."""
    return int((prompts.batch.token_kind >= 0).any(0).nonzero().max())


def order_of(seed: int, sample_id: str, part: str, count: int) -> tuple[Int[np.ndarray, " token"], float]:
    """A seeded order of the tokens of a part in a sample, and a number in [0, 1) that is the sample's own there."""
    named = sha256(f"{seed}|{sample_id}|{part}".encode()).digest()
    rng = np.random.default_rng(int.from_bytes(named[:8], "big"))
    return rng.permutation(count), float(rng.random())


def places_of(prompts: Prompts, grouping: Grouping, tokens_per_group: int, seed: int) -> list[Place]:
    """The tokens of a batch that are looked at: so many of each part at most, and the last one of each prompt."""
    found, last = [], last_place(prompts)
    codes = prompts.codes.cpu().numpy()
    for row, sample in enumerate(prompts.samples):
        for code in np.unique(codes[row][codes[row] >= 0]).tolist():
            places, part = np.flatnonzero(codes[row] == code), grouping.parts[code]
            order, _ = order_of(seed, sample["sample_id"], part, len(places))
            found += [Place(row, int(at), part) for at in np.sort(places[order[:tokens_per_group]])]
        found.append(Place(row, last, LAST))
    return found


def gather(
    states: Float[Tensor, "batch token hidden"], places: Sequence[tuple[int, int]]
) -> Float[Tensor, "place hidden"]:
    """A copy of the states at (row, place) pairs."""
    rows, ats = torch.tensor([place[:2] for place in places], device=states.device).reshape(-1, 2).T
    return states[rows, ats]


@dataclass(frozen=True)
class Gold:
    """The tokens of the gold answers of a batch, sample after sample.

    Attributes:
        places: (row, place) of the state that each is read from: that of the token before it.
        targets: their ids.
    """

    places: list[tuple[int, int]]
    targets: Int[Tensor, " target"]


def gold_of(prompts: Prompts) -> Gold:
    """The gold answers of a batch; none where the prompts have none."""
    found = (prompts.batch.token_kind == REPLY).nonzero()
    targets = prompts.batch.inputs["input_ids"][found[:, 0], found[:, 1]]
    return Gold([(row, at - 1) for row, at in found.tolist()], targets)


def first_place(prompts: Prompts) -> list[int]:
    """Where the prompt of each sample begins in the padded batch."""
    return (prompts.batch.token_kind != PADDING).int().argmax(1).tolist()
