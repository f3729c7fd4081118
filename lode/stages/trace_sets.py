"""Stage 7g: what every layer would say, and what the last token takes from where, with each set switched.

The recordings `lens` and `flow` of a trace, on the prompts with their gold answers: once clean, under every set of a
selection and under each of its controls, the encoders of a batch run once for all sets without neurons in them. Of the
lens only what is compared is kept: the gold answer at `last`, and the entropy of a few tokens of each group, the same
ones under every set. The answer is switched as the prompt is, so its log-likelihood at the last state is the content
that `benchmark_ablation` measures.

How many passes over the model there are is printed before the first, and recorded. `compare_traces` sets them beside
each other. Source: docs/methods.md 7.7.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import pyarrow as pa
import torch
from tqdm import tqdm

from lode.config import StepConfig
from lode.engine.tables import Table, write_table
from lode.grouping import Grouping, grouping_of
from lode.intervention import Intervention
from lode.intervention._reference import donors_of
from lode.intervention._switches import needs_one_sample, ready, switches_of, within_encoder
from lode.model.adapter import Adapter
from lode.model.batching import in_batches
from lode.model.lens import prove_lens
from lode.model.loading import load
from lode.model.switching import Switch, untouched
from lode.model.tested import evenly, tested_samples
from lode.model.tower import encoders_once
from lode.neurons import NeuronSet, sets_of
from lode.recording import Prompts, Recording, record_batch
from lode.recording._traced import NONE, Traced, answered_prompts, last_place
from lode.recording.flow import Flow
from lode.recording.lens import Lens
from lode.table._owner import read_of
from lode.table.neurons import NEURONS
from lode.table.set_flow_samples import SET_FLOW_SAMPLES
from lode.table.set_lens_samples import SET_LENS_SAMPLES

Sample = Mapping[str, Any]
#: What is written, in the order of the recordings.
TABLES = (SET_LENS_SAMPLES, SET_FLOW_SAMPLES)
#: The model as it is.
CLEAN = NeuronSet(NONE)


class Looked(NamedTuple):
    """What is looked at: the groups, so many tokens of each, and the seed that draws them."""

    grouping: Grouping
    tokens_per_group: int
    seed: int


def rows_of(recording: Recording, table: Table, num_neurons: int) -> pa.Table:
    """What a recording kept of one set, as rows of a table."""
    columns = recording.columns()
    columns["num_neurons"] = [num_neurons] * len(columns["layer"])
    return pa.table({name: columns[name] for name in table.schema.names}, schema=table.schema)


def trace_set(
    adapter: Adapter, looked: Looked, prompts: Prompts, neuron_set: NeuronSet, switch: Switch
) -> list[pa.Table]:
    """One pass over the prompts under a switch: rows of `TABLES`."""
    traced = Traced(key=neuron_set.key)
    kept: list[Recording] = [
        Lens(adapter, looked.grouping, looked.tokens_per_group, looked.seed, traced, None),
        Flow(adapter, looked.grouping, traced),
    ]
    record_batch(adapter, replace(prompts, switch=switch), kept)
    return [rows_of(each, table, neuron_set.num_neurons) for each, table in zip(kept, TABLES, strict=True)]


@torch.inference_mode()
def trace_batch(
    adapter: Adapter,
    looked: Looked,
    samples: Sequence[Sample],
    sets: Sequence[NeuronSet],
    intervention: Intervention,
    donors: Sequence[Sample] = (),
) -> list[pa.Table]:
    """The tables of one batch, set after set; `donors` are other samples, where the intervention needs them."""
    prompts = answered_prompts(adapter, samples, looked.grouping)
    kinds = prompts.batch.token_kind[:, : last_place(prompts) + 1]
    switches = switches_of(adapter, samples, kinds, intervention, donors)
    anew = [place for place, each in enumerate(sets) if within_encoder(adapter, each)]
    found: dict[int, list[pa.Table]] = {}

    def trace(places: Sequence[int]) -> None:
        for place in places:
            switch = untouched if sets[place] is CLEAN else switches.of(sets[place])
            found[place] = trace_set(adapter, looked, prompts, sets[place], switch)
            progress.update()

    with tqdm(total=len(sets), unit="set", leave=False) as progress:
        with encoders_once(adapter):
            trace([place for place in range(len(sets)) if place not in anew])
        trace(anew)
    return [pa.concat_tables([found[place][of] for place in range(len(sets))]) for of in range(len(TABLES))]


def run(cfg: StepConfig, made_by: Mapping[str, Any]) -> None:
    """Trace one benchmark under every set of a neurons table; write `io.set_lens_samples` and `io.set_flow_samples`.

    Args:
        cfg: seed, model, grouping, dataset.name, intervention, trace_sets, io.
        made_by: the provenance to record; the batch size in the end and the passes over a sample go with it.

    Raises:
        UserError: the model was trained on these samples, there is none, one has no gold answer that can be read, the
            neurons are another model's, or the model is one that a recording cannot watch.
    """
    tested, grouping = tested_samples(cfg), grouping_of(cfg.grouping)
    samples, most = evenly(tested, cfg.trace_sets.max_samples), cfg.trace_sets.num_controls
    switched = sets_of(read_of(cfg.io["neurons"], NEURONS, cfg.model.name))
    sets = [CLEAN, *(each for each in switched if most is None or each.key.control_draw < most)]
    intervention = ready(cfg, grouping)
    donors = donors_of(tested, cfg.seed) if "donors" in intervention.needs else {}
    adapter = load(cfg.model, cfg.io["manifest"], cfg.runtime.device, cfg.runtime.threads)
    prove_lens(adapter)
    looked = Looked(grouping, cfg.trace_sets.tokens_per_group, cfg.seed)
    print(f"{cfg.dataset.name}: {len(sets)} passes over each of {len(samples)} samples")

    def work(part: Sequence[Sample]) -> list[pa.Table]:
        others = [donors[sample["sample_id"]] for sample in part] if donors else []
        return trace_batch(adapter, looked, part, sets, intervention, others)

    size = 1 if needs_one_sample(adapter, sets, intervention) else cfg.trace_sets.batch_size
    batches, batch_size = in_batches(samples, size, work, cfg.dataset.name)
    record = {**made_by, "batch_size": batch_size, "passes_per_sample": len(sets)}
    for of, table in enumerate(TABLES):
        whole = pa.concat_tables([batch[of] for batch in batches])
        write_table(cfg.io[table.name], table, dict(zip(whole.column_names, whole.columns, strict=True)), record)
