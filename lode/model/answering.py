"""What a model answers: how likely it finds the gold answer, its end and the options, and what it writes itself.

An answer can be lost in two ways. Its *content*: the gold answer becomes less likely. Or its *stopping*: the right
answer, and then babble, since an end token after it becomes less likely. One teacher-forced pass measures both.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from lode.dataset import spoken_options
from lode.model.adapter import Adapter
from lode.model.choosing import Options, option_likelihoods, prepare_options
from lode.model.encoding import Batch, append_replies, append_tokens, encode
from lode.model.gold import encode_gold
from lode.model.head import last_positions
from lode.model.switching import Switch


@dataclass(frozen=True)
class Prepared:
    """A batch ready for every set: prompts, prompts with the gold answer appended, and the tokens of the options.

    `gold_tokens` says what every token of `with_gold` is; `whole_options` are options of which the whole text counts.
    """

    samples: Sequence[Mapping[str, Any]]
    prompts: Batch
    gold_ids: list[list[int]]
    with_gold: dict[str, Tensor]
    gold_tokens: Tensor
    option_ids: list[list[int] | None]
    whole_options: Sequence[Options] = ()


def prepare_batch(adapter: Adapter, samples: Sequence[Mapping[str, Any]], max_new_tokens: int = 0) -> Prepared:
    """Encode prompts, gold answers and options once.

    Raises:
        UserError: a sample that `encode` or `encode_gold` refuses.
    """
    prompts = encode(adapter, samples)
    tokenizer = adapter.processor.tokenizer
    gold_ids = encode_gold(adapter, prompts, samples, max_new_tokens)
    with_gold = append_tokens(prompts, gold_ids, tokenizer.pad_token_id)
    options = [option_tokens(tokenizer, sample) for sample in samples]
    whole = prepare_options(adapter, prompts, samples)
    return Prepared(samples, prompts, gold_ids, with_gold, append_replies(prompts, gold_ids), options, whole)


def option_tokens(tokenizer: Any, sample: Mapping[str, Any]) -> list[int] | None:
    """The token of each option of a multiple choice; None where there are no options, or one is several tokens.

    The reply is a letter where the dataset says so (MMLU), else the text of an option.
    """
    if not sample["choices"]:
        return None
    options = spoken_options(sample["choices"], json.loads(sample["meta"]))
    ids = [tokenizer(option, add_special_tokens=False)["input_ids"] for option in options]
    return [token for (token,) in ids] if all(len(tokens) == 1 for tokens in ids) else None


@dataclass(frozen=True)
class Reply:
    """What the model says: text, length in tokens, and whether it hit the limit."""

    text: str
    num_tokens: int
    truncated: bool


def end_tokens(adapter: Adapter) -> list[int]:
    """The ids that end a reply."""
    ends = adapter.model.generation_config.eos_token_id
    return [ends] if isinstance(ends, int) else list(ends)


@dataclass(frozen=True)
class Judgement:
    """What one pass over prompts with their gold answers tells, one entry a sample.

    Attributes:
        content: log-probability of the gold answer, summed over tokens [nats].
        stopping: log-probability of an end token, whichever, after the gold answer [nats].
        options: log-probability of each option as the first token of the reply [nats]; None as in `option_tokens`.
        is_greedy: whether the greedy reply *is* the gold answer: the arg-max is the next gold token at every place,
            and then an end token.
    """

    content: list[float]
    stopping: list[float]
    options: list[list[float] | None]
    is_greedy: list[bool]


def judge_gold(adapter: Adapter, batch: Prepared) -> Judgement:
    """One forward pass over prompts with their gold answers."""
    lengths = [len(ids) for ids in batch.gold_ids]
    with last_positions(adapter, max(lengths) + 1):
        logits = adapter.model(**batch.with_gold, use_cache=False).logits.float()
    log_probabilities = logits.log_softmax(-1)
    targets = batch.with_gold["input_ids"][:, -max(lengths) :, None].to(logits.device)
    gold = log_probabilities[:, :-1].gather(-1, targets)[..., 0].cpu()
    ends = end_tokens(adapter)
    after = log_probabilities[range(len(lengths)), lengths]  # the place after the last gold token
    best = logits.argmax(-1).tolist()
    return Judgement(
        [gold[row, :length].sum().item() for row, length in enumerate(lengths)],
        after[:, ends].logsumexp(-1).tolist(),
        [
            None if ids is None else row[ids].tolist()
            for row, ids in zip(log_probabilities[:, 0], batch.option_ids, strict=True)
        ],
        [row[: len(ids)] == ids and row[len(ids)] in ends for row, ids in zip(best, batch.gold_ids, strict=True)],
    )


def generate(adapter: Adapter, prompts: Batch, max_new_tokens: int) -> list[Reply]:
    """Greedy replies."""
    with last_positions(adapter, 1):
        output = adapter.model.generate(**prompts.inputs, max_new_tokens=max_new_tokens, do_sample=False)
    ids = output[:, prompts.inputs["input_ids"].shape[1] :].cpu()
    finished = torch.isin(ids, torch.tensor(end_tokens(adapter)))
    ended = finished.any(1).tolist()
    lengths = torch.where(finished.any(1), finished.int().argmax(1), ids.shape[1]).tolist()
    text = adapter.processor.batch_decode(
        [row[:length] for row, length in zip(ids, lengths, strict=True)], skip_special_tokens=True
    )
    return [Reply(t, n, not end) for t, n, end in zip(text, lengths, ended, strict=True)]


def judge(adapter: Adapter, batch: Prepared, switch: Switch) -> Judgement:
    """What the gold pass tells under one intervention."""
    with switch(batch.gold_tokens, range(len(batch.samples))):
        return judge_gold(adapter, batch)


def judge_options(adapter: Adapter, batch: Prepared, judgement: Judgement, switch: Switch) -> list[list[float] | None]:
    """Log-probability of each option under one intervention [nats]: of its whole text where that counts (`BY_TEXT`).

    Args:
        adapter: the model.
        batch: the samples.
        judgement: of the gold pass under the same intervention.
        switch: the intervention.
    """
    whole = option_likelihoods(adapter, batch.whole_options, batch.samples, switch)
    return [new or known for new, known in zip(whole, judgement.options, strict=True)]


def write(adapter: Adapter, batch: Prepared, judgement: Judgement, switch: Switch, max_new_tokens: int) -> list[Reply]:
    """Greedy replies under one intervention.

    Most replies of a good model are the gold answer, which the pass that takes its likelihood proves; only the
    other samples are decoded token by token.
    """
    everyone = range(len(batch.samples))
    known = {
        row: Reply(sample["answers"][0], len(batch.gold_ids[row]), False)
        for row, sample in enumerate(batch.samples)
        if judgement.is_greedy[row] and len(batch.gold_ids[row]) < max_new_tokens
    }
    rest = [row for row in everyone if row not in known]
    if rest:
        prompts = encode(adapter, [batch.samples[row] for row in rest]) if known else batch.prompts
        with switch(prompts.token_kind, rest):
            known |= dict(zip(rest, generate(adapter, prompts, max_new_tokens), strict=True))
    return [known[row] for row in everyone]
