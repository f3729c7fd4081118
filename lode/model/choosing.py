"""How likely a model finds the options of a multiple choice, each as a whole text: a pass an option.

Options that are letters, or one token each, cost no pass: they are read off the pass over the gold answer
(`lode.model.answering.judge_gold`).
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any

from jaxtyping import Int
from torch import Tensor

from lode.dataset import BY_TEXT
from lode.model.adapter import Adapter
from lode.model.encoding import Batch, append_replies
from lode.model.gold import Answered, append_ids, gold_losses
from lode.model.sample import check_lengths, check_text
from lode.model.switching import Switch


@dataclass(frozen=True)
class Options:
    """Prompts with one option appended: the first of every sample, or the second, and so on.

    Attributes:
        answered: model inputs; no token is counted of a sample without such an option.
        tokens: what every token is.
    """

    answered: Answered
    tokens: Int[Tensor, "batch token"]


def whole_texts(sample: Mapping[str, Any]) -> Sequence[str]:
    """The options of a sample whose likelihood is taken as whole texts; none where its `meta` does not say so."""
    is_text = bool(sample["choices"]) and BY_TEXT.items() <= json.loads(sample["meta"]).items()
    return sample["choices"] if is_text else ()


def prepare_options(adapter: Adapter, batch: Batch, samples: Sequence[Mapping[str, Any]]) -> list[Options]:
    """Encode the options, place by place; none where no sample is chosen by whole texts.

    Raises:
        UserError: an option with markup of the model, or too long for the model's context.
    """
    texts = [whole_texts(sample) for sample in samples]
    if not any(texts):
        return []
    for sample, options in zip(samples, texts, strict=True):
        for option in options:
            check_text(adapter.config, sample, "option", option)
    tokenizer = adapter.processor.tokenizer
    ids = [[tokenizer(text, add_special_tokens=False)["input_ids"] for text in options] for options in texts]
    lengths = batch.inputs["attention_mask"].sum(1).tolist()
    longest = [max(map(len, options), default=0) for options in ids]
    check_lengths(adapter, samples, [n + more for n, more in zip(lengths, longest, strict=True)])
    places = zip_longest(*ids, fillvalue=[])
    return [Options(append_ids(adapter, batch, of), append_replies(batch, of)) for of in places]


def option_likelihoods(
    adapter: Adapter, options: Sequence[Options], samples: Sequence[Mapping[str, Any]], switch: Switch
) -> list[list[float] | None]:
    """Log-probability of each option under one intervention, summed over its tokens [nats]; None without options."""
    found = []
    for option in options:
        with switch(option.tokens, range(len(samples))):
            found.append((-gold_losses(adapter, option.answered)).tolist())
    counts = [len(whole_texts(sample)) for sample in samples]
    return [[of[row] for of in found[:count]] or None for row, count in enumerate(counts)]
