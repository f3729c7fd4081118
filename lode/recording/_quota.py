"""An equal number of tokens: of every sample, and of each part of the grouping, no more than a quota.

A budget of B tokens for a dataset of n mined samples is a quota of ceil(B / n) tokens a sample, so that all samples,
and datasets with samples of any length, weigh alike; a sample with fewer gives all it has, and what was taken is
recorded. Tokens are drawn without replacement by the id of their sample, in the same way at every site, in every shard
and in every run.
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
    """Tokens of each part to take of one sample.

    Args:
        budget: of a dataset; None: all tokens.
        num_samples: of its mined split, in all shards.
    """
    return None if budget is None else ceil(budget / num_samples)


def draw(
    codes: Int[Tensor, "batch token"], samples: Sequence[Mapping[str, Any]], num_parts: int, quota: int | None
) -> Int[Tensor, "batch token"]:
    """The codes of tokens, where those that were not drawn are of no part.

    Args:
        codes: the place of its part for every token.
        samples: of the batch, in its order.
        num_parts: of the grouping.
        quota: of each part and sample; None: all.
    """
    if quota is None:
        return codes
    found = codes.clone()
    for row, sample in enumerate(samples):
        for part in range(num_parts):
            places = (codes[row] == part).nonzero()[:, 0]
            if len(places) > quota:
                seed = sha256(f"{sample['sample_id']}|{part}".encode()).digest()[:8]
                order = np.random.default_rng(int.from_bytes(seed)).permutation(len(places))
                found[row, places[torch.as_tensor(order[quota:], device=places.device)]] = PADDING
    return found


def within_quota(prompts: Prompts, grouping: Grouping, quota: int | None) -> Prompts:
    """A batch with no more tokens of each part than the quota in any sample; all else as it was."""
    if quota is None:
        return prompts
    codes = draw(prompts.codes, prompts.samples, len(grouping.parts), quota)
    members = membership(codes, grouping)
    num_samples, num_tokens = members.any(-1).sum(0).cpu().numpy(), members.sum((0, 2)).cpu().numpy()
    return replace(prompts, codes=codes, members=members, num_samples=num_samples, num_tokens=num_tokens)
