"""An equal number of tokens: of every sample no more than a quota, of whatever parts they are.

A budget of B tokens for a dataset of n mined samples is a quota of ceil(B / n) tokens a sample, so that all samples,
and datasets with samples of any length, weigh alike; a sample with fewer gives all it has, and what was taken and what
is missing is recorded. Tokens are drawn uniformly from all of a sample, so that parts keep the shares that they have
in it, in the mean: groups of all tokens are the natural mixture. A group of some parts gets its share of the budget,
not the budget, and of a short part (the words beside thousands of patches) a sample may give no token, and then does
not count as one that holds it. Tokens are drawn without replacement by the id of their sample, in the same way at
every site, in every shard and in every run.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from hashlib import sha256
from math import ceil
from typing import Any

import numpy as np
import torch
from jaxtyping import Int
from torch import Tensor

from lode.grouping import Grouping
from lode.importance.miner import membership
from lode.model.tokens import PADDING
from lode.recording import Prompts


def quota_of(budget: int | None, num_samples: int) -> int | None:
    """Tokens to take of one sample.

    Args:
        budget: of a dataset; None: all tokens.
        num_samples: of its mined split, in all shards.
    """
    return None if budget is None else ceil(budget / num_samples)


def draw(
    codes: Int[Tensor, "batch token"], samples: Sequence[Mapping[str, Any]], quota: int | None
) -> Int[Tensor, "batch token"]:
    """The codes of tokens, where those that were not drawn are of no part.

    Args:
        codes: the place of its part for every token.
        samples: of the batch, in its order.
        quota: of each sample; None: all.
    """
    if quota is None:
        return codes
    found = codes.clone()
    for row, sample in enumerate(samples):
        places = (codes[row] >= 0).nonzero()[:, 0]
        if len(places) > quota:
            seed = sha256(sample["sample_id"].encode()).digest()[:8]
            order = np.random.default_rng(int.from_bytes(seed)).permutation(len(places))
            found[row, places[torch.as_tensor(order[quota:], device=places.device)]] = PADDING
    return found


def within_quota(prompts: Prompts, grouping: Grouping, quota: int | None) -> Prompts:
    """A batch with no more tokens than the quota in any sample; all else as it was."""
    if quota is None:
        return prompts
    codes = draw(prompts.codes, prompts.samples, quota)
    members = membership(codes, grouping)
    num_samples, num_tokens = members.any(-1).sum(0).cpu().numpy(), members.sum((0, 2)).cpu().numpy()
    return replace(prompts, codes=codes, members=members, num_samples=num_samples, num_tokens=num_tokens)
