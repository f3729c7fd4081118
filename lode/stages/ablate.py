"""Stage 5a: greedy replies of the benchmark with no neuron, each set, and each control switched.

One model load, one preparation and one encoder pass of every batch serve all sets.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from typing import Any

import numpy as np
import pyarrow as pa
import torch
from torch import Tensor
from tqdm import tqdm

from lode.artifacts import read_table, write_table
from lode.intervention import scale
from lode.model.adapter import Adapter
from lode.model.encoding import Batch, append_tokens, encode
from lode.model.loading import load
from lode.model.tower import encoders_once

SET_COLUMNS = ("set_name", "kind", "control_of", "control_kind", "control_draw")


@dataclass(frozen=True)
class NeuronSet:
    """A set to switch: its key columns and its unique (layer, neuron) pairs."""

    key: dict[str, Any]
    neurons: np.ndarray


CLEAN = NeuronSet(dict(zip(SET_COLUMNS, ("none", "clean", "", "", -1), strict=True)), np.empty((0, 2), int))


def neuron_sets(table: pa.Table) -> list[NeuronSet]:
    """The unmodified model first, then every set of a neurons table in its order."""
    rows: dict[tuple[Any, ...], list[tuple[int, int]]] = {}
    columns = [table[name].to_pylist() for name in (*SET_COLUMNS, "layer", "neuron")]
    for *key, layer, neuron in zip(*columns, strict=True):
        rows.setdefault(tuple(key), []).append((layer, neuron))
    sets = [NeuronSet(dict(zip(SET_COLUMNS, key, strict=True)), np.array(sorted(set(n)))) for key, n in rows.items()]
    return [CLEAN, *sets]


#: What the control of this name undergoes whatever the intervention: it must change nothing.
SHAM = partial(scale.intervene, strength=1.0)


@dataclass(frozen=True)
class Prepared:
    """A batch ready for every set: prompts, and prompts with the gold answer appended."""

    samples: Sequence[dict[str, Any]]
    prompts: Batch
    gold_ids: list[list[int]]
    with_gold: dict[str, Tensor]


def prepare_batch(adapter: Adapter, samples: Sequence[dict[str, Any]]) -> Prepared:
    """Encode prompts and gold answers once."""
    prompts = encode(adapter, samples)
    tokenizer = adapter.processor.tokenizer
    gold_ids = [tokenizer(sample["answers"][0], add_special_tokens=False)["input_ids"] for sample in samples]
    return Prepared(samples, prompts, gold_ids, append_tokens(prompts, gold_ids, tokenizer.pad_token_id))


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


def judge_gold(adapter: Adapter, batch: Prepared) -> tuple[list[float], list[bool]]:
    """One forward pass over prompts with their gold answers.

    Returns:
        The log-probability of each gold answer, summed over tokens [nats], and whether the greedy reply
        *is* the gold answer: the arg-max is the next gold token at every place, and then an end token.
    """
    longest = max(len(ids) for ids in batch.gold_ids)
    logits = adapter.model(**batch.with_gold, use_cache=False, logits_to_keep=longest + 1).logits.float()
    targets = batch.with_gold["input_ids"][:, -longest:, None]
    gold = logits[:, :-1].log_softmax(-1).gather(-1, targets)[..., 0].cpu()
    best = logits.argmax(-1).tolist()
    ends = end_tokens(adapter)
    is_greedy = [
        row[: len(ids)] == ids and row[len(ids)] in ends for row, ids in zip(best, batch.gold_ids, strict=True)
    ]
    return [gold[row, : len(ids)].sum().item() for row, ids in enumerate(batch.gold_ids)], is_greedy


def generate(adapter: Adapter, prompts: Batch, max_new_tokens: int) -> list[Reply]:
    """Greedy replies."""
    output = adapter.model.generate(**prompts.inputs, max_new_tokens=max_new_tokens, do_sample=False)
    ids = output[:, prompts.inputs["input_ids"].shape[1] :].cpu()
    finished = torch.isin(ids, torch.tensor(end_tokens(adapter)))
    ended = finished.any(1).tolist()
    lengths = torch.where(finished.any(1), finished.int().argmax(1), ids.shape[1]).tolist()
    text = adapter.processor.batch_decode(
        [row[:length] for row, length in zip(ids, lengths, strict=True)], skip_special_tokens=True
    )
    return [Reply(t, n, not end) for t, n, end in zip(text, lengths, ended, strict=True)]


def answer(adapter: Adapter, batch: Prepared, switched: Any, max_new_tokens: int) -> tuple[list[float], list[Reply]]:
    """Gold log-likelihoods and greedy replies under one intervention.

    Most replies of a good model are the gold answer, which the pass that takes its likelihood proves; only the
    other samples are decoded token by token.
    """
    with switched(batch.with_gold):
        likelihood, is_greedy = judge_gold(adapter, batch)
    known = {
        row: Reply(sample["answers"][0], len(batch.gold_ids[row]), False)
        for row, sample in enumerate(batch.samples)
        if is_greedy[row] and len(batch.gold_ids[row]) < max_new_tokens
    }
    rest = [row for row in range(len(batch.samples)) if row not in known]
    if rest:
        prompts = encode(adapter, [batch.samples[row] for row in rest]) if known else batch.prompts
        with switched(prompts.inputs):
            known |= dict(zip(rest, generate(adapter, prompts, max_new_tokens), strict=True))
    return likelihood, [known[row] for row in range(len(batch.samples))]


@torch.inference_mode()
def ablate_batch(
    adapter: Adapter, samples: Sequence[dict[str, Any]], sets: Sequence[NeuronSet], intervene: Any, max_new_tokens: int
) -> Iterator[list[dict[str, Any]]]:
    """Rows of the predictions table, one list for each set."""
    batch = prepare_batch(adapter, samples)
    prompt_lengths = (batch.prompts.token_modality >= 0).sum(1).tolist()

    def switch(neuron_set: NeuronSet) -> Callable[[dict[str, Tensor]], AbstractContextManager[None]]:
        if neuron_set is CLEAN:  # an intervention on no neuron may still act: the complement of none is all
            return lambda inputs: nullcontext()
        act = SHAM if neuron_set.key["control_kind"] == "sham" else intervene
        return lambda inputs: act(adapter, neuron_set.neurons, inputs["attention_mask"])

    with encoders_once(adapter):
        for neuron_set in sets:
            likelihood, replies = answer(adapter, batch, switch(neuron_set), max_new_tokens)
            yield [
                {
                    "sample_id": sample["sample_id"],
                    "cluster_id": sample["cluster_id"],
                    **neuron_set.key,
                    "num_neurons": len(neuron_set.neurons),
                    "reply": replies[row].text,
                    "gold": sample["answers"][0],
                    "gold_log_likelihood": likelihood[row],
                    "num_prompt_tokens": prompt_lengths[row],
                    "num_reply_tokens": replies[row].num_tokens,
                    "truncated": replies[row].truncated,
                }
                for row, sample in enumerate(samples)
            ]


def run(cfg: Any, made_by: dict[str, Any]) -> None:
    """Run one benchmark under every set of a neurons table."""
    samples = [row for row in read_table(cfg.io.dataset, "dataset").to_pylist() if row["split"] == "report"]
    sets = neuron_sets(read_table(cfg.io.neurons, "neurons"))
    plugin = import_module(f"lode.intervention.{cfg.intervention.plugin}")
    intervene = partial(plugin.intervene, **cfg.intervention.options)
    adapter = load(cfg.model, cfg.io.manifest, cfg.runtime.device, cfg.runtime.threads)
    by_set: list[list[dict[str, Any]]] = [[] for _ in sets]
    starts = range(0, len(samples), cfg.ablation.batch_size)
    with tqdm(total=len(sets) * len(starts), desc=cfg.dataset.name, unit="set") as progress:
        for start in starts:
            part = samples[start : start + cfg.ablation.batch_size]
            rows = ablate_batch(adapter, part, sets, intervene, cfg.dataset.max_new_tokens)
            for index, predictions in enumerate(rows):
                by_set[index].extend(predictions)
                progress.update()
    write_table(cfg.io.output, "predictions", [row for rows in by_set for row in rows], made_by)
