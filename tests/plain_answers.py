"""What a model answers, found in the plainest way: one sample, one forward pass a token, no cache, no padding."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from lode.model.adapter import Adapter
from lode.model.encoding import encode
from tests.tiny_model import record

MAX_NEW_TOKENS = 8
PROMPTS = [record(str(i), f"question {i * i}?", image=i if i % 3 else None) for i in range(12)]


def plain_reply(
    adapter: Adapter, sample: dict[str, Any], max_new_tokens: int = MAX_NEW_TOKENS
) -> tuple[str, int, bool]:
    """Reply, length and truncation of one sample: arg-max of a full forward pass for every token, without a cache."""
    inputs = encode(adapter, [sample]).inputs
    end = adapter.processor.tokenizer.eos_token_id
    reply: list[int] = []
    with torch.inference_mode():
        while len(reply) < max_new_tokens:
            new = torch.tensor([reply], dtype=torch.long)
            tokens = {
                "input_ids": torch.cat([inputs["input_ids"], new], 1),
                "attention_mask": torch.ones(1, inputs["input_ids"].shape[1] + len(reply), dtype=torch.long),
                "mm_token_type_ids": torch.cat([inputs["mm_token_type_ids"], torch.zeros_like(new)], 1),
            }
            token = int(adapter.model(**{**inputs, **tokens}, use_cache=False).logits[0, -1].argmax())
            if token == end:
                return adapter.processor.tokenizer.decode(reply), len(reply), False
            reply.append(token)
    return adapter.processor.tokenizer.decode(reply), len(reply), True


def gold_tokens(adapter: Adapter, sample: dict[str, Any]) -> list[int]:
    return adapter.processor.tokenizer(sample["answers"][0], add_special_tokens=False)["input_ids"]


def slow_likelihood(
    adapter: Adapter, sample: dict[str, Any], ids: Sequence[int] | None = None, start: int = 0
) -> float:
    """Log-probability of the gold answer, one token and one forward pass after another, without padding.

    Of other tokens where they are given, from `start` on.
    """
    inputs = encode(adapter, [sample]).inputs
    ids = gold_tokens(adapter, sample) if ids is None else list(ids)
    total = 0.0
    with torch.inference_mode():
        for place, token in list(enumerate(ids))[start:]:
            said = torch.tensor([ids[:place]], dtype=torch.long)
            tokens = {
                "input_ids": torch.cat([inputs["input_ids"], said], 1),
                "attention_mask": torch.ones(1, inputs["input_ids"].shape[1] + place, dtype=torch.long),
                "mm_token_type_ids": torch.cat([inputs["mm_token_type_ids"], torch.zeros_like(said)], 1),
            }
            logits = adapter.model(**{**inputs, **tokens}, use_cache=False).logits[0, -1]
            total += float(logits.double().log_softmax(-1)[token])
    return total


def slow_end(adapter: Adapter, sample: dict[str, Any], ends: Sequence[int]) -> float:
    """Log-probability of any of the end tokens after the gold answer, each by a forward pass of its own."""
    ids = gold_tokens(adapter, sample)
    each = [slow_likelihood(adapter, sample, [*ids, end], len(ids)) for end in ends]
    return float(np.logaddexp.reduce(each))
