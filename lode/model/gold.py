"""Prompts with the gold answer appended, and how unlikely the model finds it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from lode.engine.errors import UserError
from lode.model.adapter import Adapter
from lode.model.encoding import Batch, append_tokens
from lode.model.head import last_positions
from lode.model.sample import check_lengths, check_text


@dataclass(frozen=True)
class Answered:
    """Model inputs of prompts with their gold answers, the answers' tokens right-padded.

    Attributes:
        inputs: what the model is called with.
        targets: tokens of the answers.
        counted: which of them are tokens of the answer and no padding.
    """

    inputs: dict[str, Tensor]
    targets: Int[Tensor, "batch answer"]
    counted: Bool[Tensor, "batch answer"]


def encode_gold(
    adapter: Adapter, batch: Batch, samples: Sequence[Mapping[str, Any]], max_new_tokens: int = 0
) -> list[list[int]]:
    """The tokens of the first accepted answer of every sample.

    Args:
        adapter: the model.
        batch: the prompts.
        samples: rows of a dataset table.
        max_new_tokens: what a reply may take of the context in place of the answer.

    Raises:
        UserError: an answer without a token, with markup of the model, or too long for the model's context.
    """
    for sample in samples:
        check_text(adapter.config, sample, "gold answer", sample["answers"][0])
    tokenizer = adapter.processor.tokenizer
    ids = [tokenizer(sample["answers"][0], add_special_tokens=False)["input_ids"] for sample in samples]
    for sample, tokens in zip(samples, ids, strict=True):
        if not tokens:
            raise UserError(
                f"sample {sample['sample_id']}: its gold answer {sample['answers'][0]!r} has no token; expected a text "
                "to take the likelihood of. Fix `answers` in the dataset"
            )
    lengths = batch.inputs["attention_mask"].sum(1).tolist()
    check_lengths(adapter, samples, [n + max(len(t), max_new_tokens) for n, t in zip(lengths, ids, strict=True)])
    return ids


def append_gold(adapter: Adapter, batch: Batch, samples: Sequence[Mapping[str, Any]]) -> Answered:
    """Append the first accepted answer of every sample to its prompt; raises as `encode_gold` does."""
    return append_ids(adapter, batch, encode_gold(adapter, batch, samples))


def append_ids(adapter: Adapter, batch: Batch, ids: Sequence[Sequence[int]]) -> Answered:
    """Append the tokens of a text to every prompt; of no token, where a prompt has no text."""
    inputs = append_tokens(batch, ids, adapter.processor.tokenizer.pad_token_id)
    longest = max(map(len, ids))
    counted = torch.tensor([[place < len(tokens) for place in range(longest)] for tokens in ids])
    return Answered(inputs, inputs["input_ids"][:, -longest:], counted.to(inputs["input_ids"].device))


def gold_losses(adapter: Adapter, answered: Answered) -> Float[Tensor, "batch"]:
    """Negative log-likelihood of every gold answer, summed over its tokens [nats], by one forward pass."""
    num_targets = answered.targets.shape[1]
    with last_positions(adapter, num_targets + 1):
        logits = adapter.model(**answered.inputs, use_cache=False).logits[:, :-1].float()
    targets, counted = (tensor.to(logits.device) for tensor in (answered.targets, answered.counted))
    likelihood = logits.log_softmax(-1).gather(-1, targets[..., None])[..., 0]
    return -(likelihood * counted).sum(-1)
