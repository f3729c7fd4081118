"""How near the words of the objects that a sample shows are at its media tokens, by the logit lens.

A dataset that knows them says so in `objects` of the `meta` of a sample. The null is the same of words of objects that
another sample shows and this one does not.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float, Float64
from torch import Tensor

from lode.model.adapter import Adapter
from lode.model.lens import lens_blocks, rank_of
from lode.model.tokens import MEDIA, TOKEN_KINDS
from lode.recording import Prompts
from lode.recording._shift import LAST
from lode.recording._traced import Place


def objects_of(sample: Mapping[str, Any]) -> tuple[str, ...]:
    """The words of the objects that a sample shows, each once; none where they are not known."""
    return tuple(dict.fromkeys(json.loads(sample.get("meta") or "{}").get("objects", ())))


def other_objects(samples: Sequence[Mapping[str, Any]]) -> dict[str, tuple[str, ...]]:
    """By `sample_id` as many words as the sample has, which it has not: of the samples after it, in a ring.

    Fewer where the others together show no more.
    """
    known = [objects_of(sample) for sample in samples]
    found = {}
    for at, sample in enumerate(samples):
        ring = dict.fromkeys(word for words in [*known[at + 1 :], *known[:at]] for word in words)
        found[sample["sample_id"]] = tuple(word for word in ring if word not in known[at])[: len(known[at])]
    return found


def word_tokens(adapter: Adapter, words: Sequence[str]) -> list[int]:
    """The first token of each word, as it stands in a text: after a space."""
    tokenizer = adapter.processor.tokenizer
    return [tokenizer(f" {word}", add_special_tokens=False)["input_ids"][0] for word in words]


def word_ranks(
    adapter: Adapter,
    prompts: Prompts,
    places: Sequence[Place],
    states: Sequence[Float[Tensor, "more_places hidden"]],
    others: Mapping[str, Sequence[str]],
) -> Float64[np.ndarray, "2 place state"]:
    """Ranks of words of the sample's objects and of another's at media tokens; not a number elsewhere.

    Args:
        adapter: the model.
        prompts: the batch.
        places: tokens that are looked at.
        states: of these first, by layer.
        others: by `sample_id`, as `other_objects` gives.
    """
    found = np.full((2, len(places), len(states)), np.nan)
    media, kinds = [TOKEN_KINDS.index(kind) for kind in MEDIA], prompts.batch.token_kind.cpu().numpy()
    for row, sample in enumerate(prompts.samples):
        own = objects_of(sample)
        chosen = [n for n, p in enumerate(places) if p.row == row and p.group != LAST and kinds[row, p.at] in media]
        for side, words in enumerate((own, others.get(sample["sample_id"], ()) if own else ())):
            tokens = word_tokens(adapter, words) if chosen else []
            for layer, of_layer in enumerate(states if tokens else ()):
                found[side, chosen, layer] = best_ranks(adapter, of_layer[chosen], tokens)
    return found


def best_ranks(
    adapter: Adapter, states: Float[Tensor, "place hidden"], tokens: Sequence[int]
) -> Float64[np.ndarray, " place"]:
    """The rank of the likeliest of some tokens, by state."""
    found = np.empty(len(states))
    for some, log_p in lens_blocks(adapter, states):
        found[some] = rank_of(log_p, log_p[:, list(tokens)].amax(-1)).cpu().numpy()
    return found
