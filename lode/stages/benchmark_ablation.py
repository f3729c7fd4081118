"""Stage 5a: the benchmark with no neuron, each set, and each control switched.

One model load, one preparation and one encoder pass of every batch serve all sets; where a set has neurons within an
encoder, it runs anew. Under every set the likelihood of the gold answer is taken (content), and that of an end token
after it (stopping): one pass; of a choice among whole texts, one more an option. Greedy replies are written by the
clean model, by the sets, and by the first `ablation.num_written` controls of each kind: a reply costs a pass a token.
One more run, of the unmodified model with every medium blank, tells what the medium is worth to the task at all.
"""

import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import nullcontext
from functools import partial
from itertools import groupby
from typing import Any

import torch
from tqdm import tqdm

from lode.config import StepConfig
from lode.engine.errors import UserError
from lode.engine.tables import write_table
from lode.grouping import grouping_of
from lode.intervention import Intervention
from lode.intervention._reference import donors_of
from lode.intervention._switches import ready, switches_of, within_encoder
from lode.media import blanked
from lode.model.adapter import Adapter
from lode.model.answering import Prepared, Reply, judge, judge_options, prepare_batch, write
from lode.model.batching import in_batches
from lode.model.loading import load
from lode.model.switching import Switch, untouched
from lode.model.tested import tested_samples
from lode.model.tower import encoders_once
from lode.neurons import NeuronSet, SetKey, sets_of
from lode.scoring._diagnostics import begins
from lode.table._owner import read_of
from lode.table.neurons import NEURONS
from lode.table.predictions import PREDICTIONS

#: The model as it is, shown the samples as they are, and with every medium blank: sets without neurons.
CLEAN, BLANKED = NeuronSet(SetKey("none", "clean")), NeuronSet(SetKey("blank", "blanked"))


def writes_replies(key: SetKey, num_written: int) -> bool:
    """Whether a set writes replies: what is no control does, and the first controls of each kind."""
    return key.kind != "control" or key.control_draw < num_written


def predictions(
    adapter: Adapter, batch: Prepared, neuron_set: NeuronSet, switch: Switch, max_new_tokens: int, writes: bool = True
) -> list[dict[str, Any]]:
    """Rows of the predictions table for one set; `writes`: with replies, not the likelihoods alone."""
    judgement = judge(adapter, batch, switch)
    options = judge_options(adapter, batch, judgement, switch)
    replies = write(adapter, batch, judgement, switch, max_new_tokens) if writes else None
    prompt_lengths = (batch.prompts.token_kind >= 0).sum(1).tolist()
    return [
        {
            "sample_id": sample["sample_id"],
            "cluster_id": sample["cluster_id"],
            **neuron_set.key._asdict(),
            "num_neurons": neuron_set.num_neurons,
            "gold": sample["answers"][0],
            "num_gold_tokens": len(batch.gold_ids[row]),
            "gold_log_likelihood": judgement.content[row],
            "gold_token_log_likelihood": judgement.content[row] / len(batch.gold_ids[row]),
            "end_log_likelihood": judgement.stopping[row],
            "choice_log_likelihoods": options[row],
            "num_prompt_tokens": prompt_lengths[row],
            **(_written(replies[row], sample) if replies else {}),
        }
        for row, sample in enumerate(batch.samples)
    ]


def _written(reply: Reply, sample: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "reply": reply.text,
        "begins_with_answer": begins(reply.text, sample["answers"]),
        "num_reply_tokens": reply.num_tokens,
        "truncated": reply.truncated,
    }


@torch.inference_mode()
def ablate_batch(
    adapter: Adapter,
    samples: Sequence[Mapping[str, Any]],
    sets: Sequence[NeuronSet],
    intervention: Intervention,
    max_new_tokens: int,
    donors: Sequence[Mapping[str, Any]] = (),
    num_written: int = sys.maxsize,
) -> Iterator[list[dict[str, Any]]]:
    """Rows of the predictions table, one list for each set; `donors` are the other samples, where they are needed."""
    batch = prepare_batch(adapter, samples, max_new_tokens)
    switches = switches_of(adapter, samples, batch.prompts.token_kind, intervention, donors)
    for anew, some in groupby(sets, partial(within_encoder, adapter)):
        with nullcontext() if anew else encoders_once(adapter):
            for neuron_set in some:
                writes = writes_replies(neuron_set.key, num_written)
                # An intervention on no neuron may still act: the others of none are all.
                switch = untouched if neuron_set is CLEAN else switches.of(neuron_set)
                yield predictions(adapter, batch, neuron_set, switch, max_new_tokens, writes)


@torch.inference_mode()
def blanked_batch(adapter: Adapter, samples: Sequence[Mapping[str, Any]], max_new_tokens: int) -> list[dict[str, Any]]:
    """Rows of the unmodified model that is shown nothing; none for samples without media."""
    shown = [blanked(sample) for sample in samples if sample["media"]]
    return (
        predictions(adapter, prepare_batch(adapter, shown, max_new_tokens), BLANKED, untouched, max_new_tokens)
        if shown
        else []
    )


def run(cfg: StepConfig, made_by: dict[str, Any]) -> None:
    """Run one shard of a benchmark under every set of a neurons table, and once with blank media.

    Raises:
        UserError: the model was trained on these samples, the shard holds none, or the neurons are another model's.
    """
    tested = tested_samples(cfg)
    shard = int(cfg.io["shard"])
    samples = tested[shard :: cfg.ablation.shards]
    if not samples:
        raise UserError(
            f"{cfg.dataset.name}: shard {shard} of {cfg.ablation.shards} has none of the {len(tested)} "
            "'test' samples; use fewer shards (ablation.shards) or more samples"
        )
    sets = [CLEAN, *sets_of(read_of(cfg.io["neurons"], NEURONS, cfg.model.name))]
    intervention = ready(cfg, grouping_of(cfg.grouping))
    donors = donors_of(tested, cfg.seed) if "donors" in intervention.needs else {}
    adapter = load(cfg.model, cfg.io["manifest"], cfg.runtime.device, cfg.runtime.threads)
    limit = cfg.dataset.max_new_tokens

    def work(part: Sequence[Mapping[str, Any]]) -> list[list[dict[str, Any]]]:
        others_of = [donors[sample["sample_id"]] for sample in part] if donors else []
        of_sets = ablate_batch(adapter, part, sets, intervention, limit, others_of, cfg.ablation.num_written)
        clean, *others = tqdm(of_sets, total=len(sets), unit="set", leave=False)
        return [clean, blanked_batch(adapter, part, limit), *others]

    batches, batch_size = in_batches(samples, cfg.ablation.batch_size, work, cfg.dataset.name)
    rows = [row for of_set in zip(*batches, strict=True) for part in of_set for row in part]
    write_table(cfg.io["predictions"], PREDICTIONS, rows, {**made_by, "batch_size": batch_size})
