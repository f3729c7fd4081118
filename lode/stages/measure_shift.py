"""Stage 5e: how far each set, and each control, moves the hidden states of a benchmark's prompts.

One pass over the prompts of a batch without a switch, whose states are held, and one under each set: no gold answer and
no reply, so of an intervention only what it does to prompts is seen. The encoders of a batch run once for all sets
without neurons in them; where a set has some, they run anew. What is measured, and what is held in memory, says
`lode/recording/_shift.py`.

Writes `shifts` (means over samples, at every layer) and `sample_shifts` (of every sample, after the last layer), which
`compare_shifts` sets beside the controls.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float64, Int
from tqdm import tqdm

from lode.config import StepConfig
from lode.engine.tables import write_table
from lode.grouping import grouping_of
from lode.intervention import Intervention
from lode.intervention._reference import donors_of
from lode.intervention._switches import needs_one_sample, ready, switches_of, within_encoder
from lode.model.adapter import Adapter
from lode.model.batching import in_batches
from lode.model.loading import load
from lode.model.tested import evenly, tested_samples
from lode.model.tower import encoders_once
from lode.neurons import NeuronSet, sets_of
from lode.recording import prepare
from lode.recording._shift import MEASURES, Moved, clean_states, groups_of, moved_states, num_tokens
from lode.statistics.intervals import LEVEL, mean_intervals
from lode.statistics.shift import parallel_frac
from lode.table._owner import read_of
from lode.table.neurons import NEURONS
from lode.table.sample_shifts import SAMPLE_SHIFTS
from lode.table.shifts import SHIFTS

Row = dict[str, Any]
Sample = Mapping[str, Any]


@dataclass(frozen=True)
class Measured:
    """What a batch, or all samples, came to.

    Attributes:
        moved: of every set.
        tokens: of each sample in each group.
    """

    moved: Sequence[Float64[np.ndarray, "measure sample group state"]]
    tokens: Int[np.ndarray, "sample group"]


def first_draws(sets: Sequence[NeuronSet], num_controls: int | None) -> list[NeuronSet]:
    """The sets of the method, and the first draws of each kind of their controls; None: all of them."""
    return [each for each in sets if num_controls is None or each.key.control_draw < num_controls]


@torch.inference_mode()
def measure_batch(
    adapter: Adapter,
    samples: Sequence[Sample],
    sets: Sequence[NeuronSet],
    intervention: Intervention,
    donors: Sequence[Sample] = (),
) -> Measured:
    """How far each set moves the states of one batch; `donors` are other samples, where they are needed."""
    prompts = prepare(adapter, samples, intervention.compared)
    switches = switches_of(adapter, samples, prompts.batch.token_kind, intervention, donors)
    anew = [place for place, each in enumerate(sets) if within_encoder(adapter, each)]
    progress = tqdm(total=len(sets), unit="set", leave=False)
    moved: dict[int, Moved] = {}

    def measure(places: Sequence[int]) -> None:
        for place in places:
            moved[place] = moved_states(adapter, clean, switches.of(sets[place]))
            progress.update()

    with progress:
        with encoders_once(adapter):
            clean = clean_states(adapter, prompts)
            measure([place for place in range(len(sets)) if place not in anew])
        measure(anew)
    return Measured([moved[place].numpy() for place in range(len(sets))], num_tokens(prompts).numpy())


def joined(parts: Sequence[Measured]) -> Measured:
    """Batches put together, sample after sample."""
    moved = [np.concatenate(of_set, axis=1) for of_set in zip(*(part.moved for part in parts), strict=True)]
    return Measured(moved, np.concatenate([part.tokens for part in parts]))


def shift_rows(
    neuron_set: NeuronSet,
    moved: Float64[np.ndarray, "measure sample group state"],
    tokens: Int[np.ndarray, "sample group"],
    clusters: np.ndarray,
    groups: Sequence[str],
) -> list[Row]:
    """Rows of the shifts table for one set: every group that occurs, at every layer."""
    rows: list[Row] = []
    for place, group in enumerate(groups):
        held = tokens[:, place] > 0
        if not held.any():
            continue
        values = dict(zip(MEASURES, moved[:, held, place], strict=True))
        means = {name: of_samples.mean(0) for name, of_samples in values.items()}
        several = len(set(clusters[held].tolist())) > 1
        ends = mean_intervals(values["shift"].T, clusters[held], LEVEL) if several else None
        counts = {"num_samples": int(held.sum()), "num_tokens": int(tokens[:, place].sum())}
        for layer in range(moved.shape[-1]):
            row = {name: float(means[name][layer]) for name in ("shift", "cosine", "parallel")}
            squares = float(means["squared_parallel"][layer]), float(means["squared_shift"][layer])
            low, high = (None, None) if ends is None else (float(ends[0][layer]), float(ends[1][layer]))
            rows.append(
                {
                    **key_of(neuron_set),
                    "group": group,
                    "layer": layer,
                    **counts,
                    **row,
                    "parallel_frac": parallel_frac(*squares),
                    "interval_low": low,
                    "interval_high": high,
                }
            )
    return rows


def sample_rows(
    neuron_set: NeuronSet,
    moved: Float64[np.ndarray, "measure sample group state"],
    tokens: Int[np.ndarray, "sample group"],
    samples: Sequence[Sample],
    groups: Sequence[str],
) -> list[Row]:
    """Rows of the table of samples for one set: every group that a sample holds, after the last layer."""
    last = moved[MEASURES.index("shift"), :, :, -1]
    return [
        {
            **key_of(neuron_set),
            "sample_id": sample["sample_id"],
            "cluster_id": sample["cluster_id"],
            "group": group,
            "num_tokens": int(tokens[at, place]),
            "shift": float(last[at, place]),
        }
        for at, sample in enumerate(samples)
        for place, group in enumerate(groups)
        if tokens[at, place]
    ]


def key_of(neuron_set: NeuronSet) -> Row:
    """What every row of a set says of it."""
    return {**neuron_set.key._asdict(), "num_neurons": neuron_set.num_neurons}


def run(cfg: StepConfig, made_by: Mapping[str, Any]) -> None:
    """Measure one benchmark under every set of a neurons table; write `io.shifts` and `io.sample_shifts`.

    Args:
        cfg: seed, model, grouping, dataset.name, intervention, shift, io.
        made_by: the provenance to record; the batch size in the end goes with it.

    Raises:
        UserError: the model was trained on these samples, there is none, or the neurons are another model's.
    """
    tested = tested_samples(cfg)
    samples = evenly(tested, cfg.shift.max_samples)
    sets = first_draws(sets_of(read_of(cfg.io["neurons"], NEURONS, cfg.model.name)), cfg.shift.num_controls)
    grouping = grouping_of(cfg.grouping)
    groups, intervention = groups_of(grouping), ready(cfg, grouping)
    donors = donors_of(tested, cfg.seed) if "donors" in intervention.needs else {}
    adapter = load(cfg.model, cfg.io["manifest"], cfg.runtime.device, cfg.runtime.threads)

    def work(part: Sequence[Sample]) -> Measured:
        others = [donors[sample["sample_id"]] for sample in part] if donors else []
        return measure_batch(adapter, part, sets, intervention, others)

    size = 1 if needs_one_sample(adapter, sets, intervention) else cfg.shift.batch_size
    batches, batch_size = in_batches(samples, size, work, cfg.dataset.name)
    found, record = joined(batches), {**made_by, "batch_size": batch_size}
    clusters = np.array([sample["cluster_id"] for sample in samples])
    by_set = list(zip(sets, found.moved, strict=True))
    rows = [row for each, moved in by_set for row in shift_rows(each, moved, found.tokens, clusters, groups)]
    write_table(cfg.io["shifts"], SHIFTS, rows, record)
    of_samples = [row for each, moved in by_set for row in sample_rows(each, moved, found.tokens, samples, groups)]
    write_table(cfg.io["sample_shifts"], SAMPLE_SHIFTS, of_samples, record)
