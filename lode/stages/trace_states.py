"""Stage 7a: what every layer would say, what the last token takes from where, and states of a seeded reservoir.

One pass over each sample of the `test` split with its gold answer appended, in which the recordings `lens`, `flow`,
`states` and `words` share what they see; the same again for every variant: media that lose what they show
(`lode/media/altered.py`; those that change nothing in the benchmark are left out), and permuted weights, of the media
as they are. A prompt has the same tokens under all variants, and the same of them are looked at.

Memory does not grow with the samples but for rows of numbers: the states of one batch, and a reservoir a variant.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import pyarrow as pa

from lode.config import StepConfig
from lode.dataset._objects import other_objects
from lode.engine.tables import write_table
from lode.grouping import Grouping, grouping_of
from lode.media.altered import CHANGES, altered, changes
from lode.model.adapter import Adapter, token_id
from lode.model.batching import in_batches
from lode.model.loading import load
from lode.model.permuted import permuted_weights
from lode.model.tested import evenly, tested_samples
from lode.recording import Recording, flow, lens, record_batch, states, words
from lode.recording._traced import CLEAN, PERMUTED, Sample, Traced, answered_prompts
from lode.table.flow_samples import FLOW_SAMPLES
from lode.table.lens_samples import LENS_SAMPLES
from lode.table.lens_tokens import LENS_TOKENS
from lode.table.states import STATES
from lode.table.vocabulary import VOCABULARY

#: What is written, in the order of the recordings.
TABLES = (LENS_SAMPLES, FLOW_SAMPLES, STATES, LENS_TOKENS)


def variants_of(names: Sequence[str], samples: Sequence[Sample]) -> list[str]:
    """Clean, and those of the variants that change something in samples."""
    kinds = {medium["kind"] for sample in samples for medium in sample["media"]}
    return [CLEAN, *(name for name in names if name == PERMUTED or changes(name, kinds))]


def shown(variant: str, seed: int, samples: Sequence[Sample]) -> Sequence[Sample]:
    """Samples as a variant shows them."""
    return [altered(variant, seed, sample) for sample in samples] if variant in CHANGES else samples


def weights_of(adapter: Adapter, variant: str, seed: int) -> AbstractContextManager[None]:
    """The context of the weights of a variant."""
    return permuted_weights(adapter, seed) if variant == PERMUTED else nullcontext()


def trace_variant(
    adapter: Adapter, cfg: StepConfig, grouping: Grouping, samples: Sequence[Sample], variant: str
) -> tuple[list[Recording], int]:
    """All samples under one variant: the recordings of `TABLES`, and the batch size in the end."""
    traced, others = Traced(variant), other_objects(samples)
    some = evenly(samples, cfg.trace.num_listed) if variant == CLEAN else []
    grids = [sample["sample_id"] for sample in samples if words.shows_one_picture(sample)][: cfg.trace.num_grids]
    recordings: list[Recording] = [
        lens.recording(adapter, grouping, cfg.trace.tokens_per_group, cfg.seed, traced, others),
        flow.recording(adapter, grouping, traced),
        states.recording(adapter, grouping, cfg.trace.reservoir, cfg.seed, traced),
        words.recording(
            adapter,
            grouping,
            cfg.trace.num_listed // max(1, len(some)),
            cfg.seed,
            {sample["sample_id"] for sample in some},
            grids,
            traced,
            others,
        ),
    ]

    def work(part: Sequence[Sample]) -> None:
        prompts = answered_prompts(adapter, shown(variant, cfg.seed, part), grouping)
        record_batch(adapter, prompts, recordings)

    with weights_of(adapter, variant, cfg.seed):
        batch_size = in_batches(samples, cfg.trace.batch_size, work, f"{cfg.dataset.name}, {variant}")[1]
    return recordings, batch_size


def trace(
    adapter: Adapter, cfg: StepConfig, grouping: Grouping, samples: Sequence[Sample]
) -> Iterator[tuple[list[pa.Table], int]]:
    """The tables of every variant, in the order of `TABLES`, and its batch size in the end."""
    for variant in variants_of(cfg.trace.variants, samples):
        recordings, batch_size = trace_variant(adapter, cfg, grouping, samples, variant)
        tables = [pa.table(each.columns(), schema=table.schema) for each, table in zip(recordings, TABLES, strict=True)]
        yield tables, batch_size


def vocabulary_rows(adapter: Adapter, kept: pa.Table) -> list[dict[str, Any]]:
    """Rows of `vocabulary`: every token of `states` that is not of a medium."""
    ids = sorted(token for token in kept["token_id"].unique().to_pylist() if token >= 0)
    tokenizer = adapter.processor.tokenizer
    special = {token_id(adapter, name) for name in adapter.config.special_tokens}
    return [{"token_id": at, "token": tokenizer.decode([at]), "is_word": at not in special} for at in ids]


def run(cfg: StepConfig, made_by: Mapping[str, Any]) -> None:
    """Trace a benchmark; write the tables of `TABLES`, and `io.vocabulary`.

    Args:
        cfg: seed, model, grouping, dataset.name, trace, io.
        made_by: the provenance to record; the smallest batch size goes with it.

    Raises:
        UserError: the model was trained on these samples, there is none, one has no gold answer that can be read, or
            the model is one that a recording cannot watch.
    """
    samples, grouping = evenly(tested_samples(cfg), cfg.trace.max_samples), grouping_of(cfg.grouping)
    adapter = load(cfg.model, cfg.io["manifest"], cfg.runtime.device, cfg.runtime.threads)
    found = list(trace(adapter, cfg, grouping, samples))
    record = {**made_by, "batch_size": min(size for _, size in found)}
    for place, table in enumerate(TABLES):
        whole = pa.concat_tables([tables[place] for tables, _ in found])
        write_table(cfg.io[table.name], table, dict(zip(whole.column_names, whole.columns, strict=True)), record)
        if table is STATES:
            write_table(cfg.io["vocabulary"], VOCABULARY, vocabulary_rows(adapter, whole), record)
