"""Stage 5a: greedy replies of the benchmark with no neuron, each set, and each control switched.

One model load, one preparation and one encoder pass of every batch serve all sets. One more run, of the unmodified
model with every medium blank, tells what the medium is worth to the task at all.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa
import torch
from torch import Tensor
from tqdm import tqdm

from lode.artifacts import read_table, write_table
from lode.dataset import spoken_options
from lode.errors import UserError
from lode.intervention import SHAM, Intervention, from_config, switched
from lode.media import blanked
from lode.model.adapter import Adapter
from lode.model.batching import in_batches
from lode.model.encoding import Batch, append_replies, append_tokens, encode
from lode.model.gold import encode_gold
from lode.model.head import last_positions
from lode.model.loading import load
from lode.model.tower import encoders_once
from lode.reference import check_donors, class_means, donors_of, token_means

#: Gives the context of an intervention for forward passes: what their tokens are, and which rows of the batch they are.
Switch = Callable[[Tensor, Sequence[int]], AbstractContextManager[None]]

SET_COLUMNS = ("set_name", "kind", "control_of", "control_kind", "control_draw")


@dataclass(frozen=True)
class NeuronSet:
    """A set to switch: its key columns and its unique (layer, neuron) pairs."""

    key: dict[str, Any]
    neurons: np.ndarray

    @property
    def modality(self) -> str:
        """What the set, or the set that this control is matched to, serves; that of the union is the whole prompt."""
        name = self.key["control_of"] or self.key["set_name"]
        return "prompt" if name == "all" else name


def no_neurons(set_name: str, kind: str) -> NeuronSet:
    """A set for which no intervention takes place."""
    return NeuronSet(dict(zip(SET_COLUMNS, (set_name, kind, "", "", -1), strict=True)), np.empty((0, 2), int))


#: The model as it is, shown the samples as they are, and with every medium blank.
CLEAN, BLANKED = no_neurons("none", "clean"), no_neurons("blank", "blanked")


def neuron_sets(table: pa.Table) -> list[NeuronSet]:
    """The unmodified model first, then every set of a neurons table in its order."""
    rows: dict[tuple[Any, ...], list[tuple[int, int]]] = {}
    columns = [table[name].to_pylist() for name in (*SET_COLUMNS, "layer", "neuron")]
    for *key, layer, neuron in zip(*columns, strict=True):
        rows.setdefault(tuple(key), []).append((layer, neuron))
    sets = [NeuronSet(dict(zip(SET_COLUMNS, key, strict=True)), np.array(sorted(set(n)))) for key, n in rows.items()]
    return [CLEAN, *sets]


@dataclass(frozen=True)
class Prepared:
    """A batch ready for every set: prompts, prompts with the gold answer appended, and the tokens of the options.

    `gold_tokens` says what every token of `with_gold` is.
    """

    samples: Sequence[Mapping[str, Any]]
    prompts: Batch
    gold_ids: list[list[int]]
    with_gold: dict[str, Tensor]
    gold_tokens: Tensor
    option_ids: list[list[int] | None]


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
    return Prepared(samples, prompts, gold_ids, with_gold, append_replies(prompts, gold_ids), options)


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
        likelihood: log-probability of the gold answer, summed over tokens [nats].
        options: log-probability of each option as the first token of the reply [nats]; None as in `option_tokens`.
        is_greedy: whether the greedy reply *is* the gold answer: the arg-max is the next gold token at every place,
            and then an end token.
    """

    likelihood: list[float]
    options: list[list[float] | None]
    is_greedy: list[bool]


def judge_gold(adapter: Adapter, batch: Prepared) -> Judgement:
    """One forward pass over prompts with their gold answers."""
    longest = max(len(ids) for ids in batch.gold_ids)
    with last_positions(adapter, longest + 1):
        logits = adapter.model(**batch.with_gold, use_cache=False).logits.float()
    targets = batch.with_gold["input_ids"][:, -longest:, None].to(logits.device)
    log_probabilities = logits[:, :-1].log_softmax(-1)
    gold = log_probabilities.gather(-1, targets)[..., 0].cpu()
    first = log_probabilities[:, 0]
    best = logits.argmax(-1).tolist()
    ends = end_tokens(adapter)
    return Judgement(
        [gold[row, : len(ids)].sum().item() for row, ids in enumerate(batch.gold_ids)],
        [None if ids is None else row[ids].tolist() for row, ids in zip(first, batch.option_ids, strict=True)],
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


def answer(adapter: Adapter, batch: Prepared, switch: Switch, max_new_tokens: int) -> tuple[Judgement, list[Reply]]:
    """What the gold pass tells, and greedy replies, under one intervention.

    Most replies of a good model are the gold answer, which the pass that takes its likelihood proves; only the
    other samples are decoded token by token.
    """
    everyone = range(len(batch.samples))
    with switch(batch.gold_tokens, everyone):
        judgement = judge_gold(adapter, batch)
    known = {
        row: Reply(sample["answers"][0], len(batch.gold_ids[row]), False)
        for row, sample in enumerate(batch.samples)
        if judgement.is_greedy[row] and len(batch.gold_ids[row]) < max_new_tokens
    }
    rest = [row for row in everyone if row not in known]
    if rest:
        prompts = encode(adapter, [batch.samples[row] for row in rest]) if known else batch.prompts
        with switch(prompts.token_modality, rest):
            known |= dict(zip(rest, generate(adapter, prompts, max_new_tokens), strict=True))
    return judgement, [known[row] for row in everyone]


def predictions(
    adapter: Adapter, batch: Prepared, neuron_set: NeuronSet, switch: Switch, max_new_tokens: int
) -> list[dict[str, Any]]:
    """Rows of the predictions table for one set."""
    judgement, replies = answer(adapter, batch, switch, max_new_tokens)
    prompt_lengths = (batch.prompts.token_modality >= 0).sum(1).tolist()
    return [
        {
            "sample_id": sample["sample_id"],
            "cluster_id": sample["cluster_id"],
            **neuron_set.key,
            "num_neurons": len(neuron_set.neurons),
            "reply": replies[row].text,
            "gold": sample["answers"][0],
            "gold_log_likelihood": judgement.likelihood[row],
            "choice_log_likelihoods": judgement.options[row],
            "num_prompt_tokens": prompt_lengths[row],
            "num_reply_tokens": replies[row].num_tokens,
            "truncated": replies[row].truncated,
        }
        for row, sample in enumerate(batch.samples)
    ]


def untouched(tokens: Tensor, rows: Sequence[int]) -> AbstractContextManager[None]:
    """No intervention."""
    del tokens, rows
    return nullcontext()


@torch.inference_mode()
def ablate_batch(
    adapter: Adapter,
    samples: Sequence[Mapping[str, Any]],
    sets: Sequence[NeuronSet],
    intervention: Intervention,
    max_new_tokens: int,
    donors: Sequence[Mapping[str, Any]] = (),
) -> Iterator[list[dict[str, Any]]]:
    """Rows of the predictions table, one list for each set; `donors` are the other samples, where they are needed."""
    batch = prepare_batch(adapter, samples, max_new_tokens)
    means: list[Tensor] | None = None
    if "donors" in intervention.needs:
        means, held = token_means(adapter, donors)
        check_donors(samples, batch.prompts.token_modality, held)

    def switch_of(neuron_set: NeuronSet) -> Switch:
        if neuron_set is CLEAN:  # an intervention on no neuron may still act: the others of none are all
            return untouched
        act = SHAM if neuron_set.key["control_kind"] == "sham" else intervention

        def switch(tokens: Tensor, rows: Sequence[int]) -> AbstractContextManager[None]:
            some = means is not None and len(rows) < len(samples)
            part = [layer[list(rows)] for layer in means or ()] if some else means
            return switched(adapter, act, neuron_set.neurons, neuron_set.modality, tokens, part)

        return switch

    with encoders_once(adapter):
        for neuron_set in sets:
            yield predictions(adapter, batch, neuron_set, switch_of(neuron_set), max_new_tokens)


@torch.inference_mode()
def blanked_batch(adapter: Adapter, samples: Sequence[Mapping[str, Any]], max_new_tokens: int) -> list[dict[str, Any]]:
    """Rows of the unmodified model that is shown nothing; none for samples without media."""
    shown = [blanked(sample) for sample in samples if sample["media"]]
    return (
        predictions(adapter, prepare_batch(adapter, shown, max_new_tokens), BLANKED, untouched, max_new_tokens)
        if shown
        else []
    )


def run(cfg: Any, made_by: dict[str, Any]) -> None:
    """Run one shard of a benchmark under every set of a neurons table, and once with blank media."""
    rows_of_split = [row for row in read_table(cfg.io.dataset, "dataset").to_pylist() if row["split"] == "report"]
    samples = rows_of_split[int(cfg.io.shard) :: cfg.ablation.shards]
    if not samples:
        raise UserError(
            f"{cfg.dataset.name}: shard {cfg.io.shard} of {cfg.ablation.shards} has none of the {len(rows_of_split)} "
            "'report' samples; use fewer shards (ablation.shards) or more samples"
        )
    sets = neuron_sets(read_table(cfg.io.neurons, "neurons"))
    intervention = from_config(cfg.intervention)
    if "class_means" in intervention.needs:
        means = class_means(read_table(cfg.io.importance, "importance"))
        intervention = replace(intervention, class_means=means)
    donors = donors_of(rows_of_split, cfg.seed) if "donors" in intervention.needs else {}
    adapter = load(cfg.model, cfg.io.manifest, cfg.runtime.device, cfg.runtime.threads)
    limit = cfg.dataset.max_new_tokens

    def work(part: Sequence[Mapping[str, Any]]) -> list[list[dict[str, Any]]]:
        others_of = [donors[sample["sample_id"]] for sample in part] if donors else []
        of_sets = ablate_batch(adapter, part, sets, intervention, limit, others_of)
        clean, *others = tqdm(of_sets, total=len(sets), unit="set", leave=False)
        return [clean, blanked_batch(adapter, part, limit), *others]

    batches, batch_size = in_batches(samples, cfg.ablation.batch_size, work, cfg.dataset.name)
    rows = [row for of_set in zip(*batches, strict=True) for part in of_set for row in part]
    write_table(cfg.io.output, "predictions", rows, {**made_by, "batch_size": batch_size})
