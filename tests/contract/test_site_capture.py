"""Captured at every site of every family is what a plain hook sees of each sample alone, padding left out."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import torch
from torch import Tensor

from lode.engine.tables import with_nulls
from lode.grouping import PROMPT, Grouping, domain
from lode.importance import BY_ATTENTION
from lode.importance.miner import minmax
from lode.media import Medium, Sampling, decode
from lode.model.adapter import Adapter
from lode.model.encoding import encode, sampling_of
from lode.model.sample import kinds_of
from lode.model.tokens import TOKEN_KINDS
from lode.neurons import LM_GATE
from lode.recording import prepare, record, record_batch
from lode.recording.activations import recording
from lode.study import compose
from lode.table._dense import dense, of_site
from lode.table.statistics import STATISTICS
from tests.contract.test_families import records
from tests.families import BUILDERS, load_family, save
from tests.families.llava import GRID
from tests.letterbox import slow_rows
from tests.recorded import MODALITY

#: By site, sample and layer the activations of its rows (row, neuron), without those of padding.
Seen = dict[str, list[list[Tensor]]]

#: Families that put a token of their own after each row of patches, or each video.
NEWLINES = ("llava_next_vicuna_7b", "llava_onevision_7b")
#: Rows of the projector that are pooled to one token, by family and medium.
POOLED = {("llava_onevision_7b", "video"): 4}


def having(site: str) -> list[str]:
    """The families that have a site: of the others there is nothing to test."""
    return [name for name in sorted(BUILDERS) if site in sites_of(name)]


@cache
def sites_of(name: str) -> tuple[str, ...]:
    """The sites of the YAML of a family."""
    return tuple(compose([f"model={name}"]).model.sites)


@pytest.fixture(scope="module", params=sorted(BUILDERS))
def family(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Adapter:
    name = request.param
    return load_family(name, save(name, tmp_path_factory.mktemp(name)), "model.dtype=float32")


def table_of(adapter: Adapter, samples: Sequence[Mapping[str, Any]], grouping: Grouping, **options: Any) -> pa.Table:
    """The statistics of all sites."""
    kept = recording(adapter, grouping, sites=None, **options)
    record(adapter, samples, 1, [kept], grouping)
    return pa.table(with_nulls(kept.columns(), STATISTICS), schema=STATISTICS.schema)


def real(adapter: Adapter, name: str, sample: Mapping[str, Any], num_rows: int, inputs: Mapping[str, Tensor]) -> Any:
    """Which rows are no padding, counted from the media themselves.

    Of a sound a frame is `hop_length` long, a row two frames; of a picture by plain geometry.
    """
    if adapter.config.sites[name].mask is None:
        return slice(None)
    if name == "qformer_text":
        return inputs["qformer_attention_mask"][0].bool()
    if adapter.config.sites[name].mask_kind == "anyres":
        return slice(None) if kinds_of(sample) != {"image"} else torch.tensor(real_of(sample, num_rows))
    extractor = adapter.processor.feature_extractor
    length = sum(
        len(decode("", Medium(**medium), sampling_of(adapter.processor, 1.0, 8))) for medium in sample["media"]
    )
    num_frames = -(-length // extractor.hop_length)
    num_real = (num_frames + 1) // 2
    return slice(0, num_real if name == "audio_tower" else num_real // 2)


def real_of(sample: Mapping[str, Any], num_rows: int) -> list[bool]:
    """The rows of the one picture of a sample that are of no letterbox; with a class row where the tower has it."""
    (medium,) = sample["media"]
    size = decode("", Medium(**medium), Sampling()).size[::-1]
    found = [slow_rows(size, GRID, 28, 14, class_row) for class_row in (False, True)]
    return next(rows for rows in found if len(rows) == num_rows)


@torch.inference_mode()
def num_newlines(adapter: Adapter, samples: Sequence[Mapping[str, Any]]) -> int:
    """Tokens that the model puts after rows of patches: what the language model reads is the newline, bit for bit."""
    if adapter.config.name not in NEWLINES:
        return 0
    model, count = adapter.model.model, 0

    def see(_module: Any, _arguments: Any, options: dict[str, Any]) -> None:
        nonlocal count
        count += int((options["inputs_embeds"] == model.image_newline).all(-1).sum())

    hook = model.language_model.register_forward_pre_hook(see, with_kwargs=True)
    for sample in samples:
        adapter.model(**encode(adapter, [sample]).inputs, use_cache=False)
    hook.remove()
    return count


@torch.inference_mode()
def by_hand(adapter: Adapter, samples: Sequence[Mapping[str, Any]]) -> Seen:
    """Every sample alone, by plain hooks."""
    seen: Seen = {name: [] for name in adapter.sites if name != LM_GATE}
    for sample in samples:
        inputs = encode(adapter, [sample]).inputs
        calls: dict[str, list[Tensor]] = {name: [] for name in seen}
        hooks = [
            module.register_forward_hook(lambda _m, _i, output, kept=calls[name]: kept.append(output.flatten(0, -2)))
            for name in seen
            for module in adapter.sites[name].activation
        ]
        adapter.model(**inputs, use_cache=False)
        for hook in hooks:
            hook.remove()
        for name, layers in calls.items():
            seen[name].append([rows[real(adapter, name, sample, len(rows), inputs)] for rows in layers])
    return seen


def expected(rows: Sequence[Tensor]) -> dict[str, np.ndarray]:
    """Sums over samples of one layer, of the rows of each."""
    found: dict[str, Any] = {}
    for own in rows:
        values = {"mean": own.mean(0), "abs_mean": own.abs().mean(0), "max": own.amax(0)}
        sums = {"positive_count": (own > 0).sum(0)} | {f"{name}_sum": value for name, value in values.items()}
        sums |= {f"{name}_sumsq": value.double() ** 2 for name, value in values.items()}
        for name, value in {"prob": (own > 0).float().mean(0), "mean": values["mean"], "max": values["max"]}.items():
            sums[f"{name}_score_sum"] = minmax(value)[0]
        for name, value in sums.items():
            found[name] = found.get(name, 0) + value.double().numpy()
    return found


def test_every_site_equals_plain_hooks(family: Adapter) -> None:
    """Counts exactly, sums to rounding; a medium's group holds the rows of its samples, the prompt those of all."""
    samples = records(family.config)
    table, seen = table_of(family, samples, MODALITY), by_hand(family, samples)
    assert table["site"].unique().to_pylist() == list(family.sites)
    for name, per_sample in seen.items():
        site, rows = family.sites[name], of_site(table, name)
        columns = [field for field in STATISTICS.schema.names[5:] if not rows[field].null_count]
        groups, values = dense(rows, columns)
        assert {column for column in STATISTICS.schema.names if column.startswith(BY_ATTENTION)}.isdisjoint(columns)
        kinds = {
            group: [bool({m["kind"] for m in s["media"]} & of) for s in samples]
            for group, of in {PROMPT: set(TOKEN_KINDS), **{kind: {kind} for kind in TOKEN_KINDS}}.items()
        }
        for group, holds in kinds.items():
            own = [layers for layers, held in zip(per_sample, holds, strict=True) if held and layers]
            for layer in range(site.num_layers):
                got = {column: values[at, groups.index(group), layer] for at, column in enumerate(columns)}
                assert set(got["num_samples"]) == {len(own)}
                assert set(got["num_tokens"]) == {sum(len(layers[layer]) for layers in own)}
                wanted = {} if layer in site.dead else expected([layers[layer] for layers in own])
                for column in set(columns) - {"num_samples", "num_tokens", "down_norm"}:
                    value = wanted.get(column, np.zeros(site.widths[layer]))
                    if column == "positive_count":
                        np.testing.assert_array_equal(got[column], value, err_msg=f"{name} {group} {layer}")
                    else:
                        np.testing.assert_allclose(got[column], value, rtol=1e-4, atol=1e-4, err_msg=f"{name} {column}")
        assert any(layers for layers in per_sample), name


def test_the_gate_is_what_it_is_alone(family: Adapter) -> None:
    """Bit for bit, in batches of one."""
    samples = records(family.config)
    alone = recording(family, MODALITY)
    record(family, samples, 1, [alone], MODALITY)
    gate = of_site(table_of(family, samples, MODALITY), LM_GATE)
    for name, values in alone.columns().items():
        np.testing.assert_array_equal(gate[name].to_numpy(), np.asarray(values), err_msg=name)


@pytest.mark.parametrize("family", having("projector"), indirect=True)
def test_rows_of_a_projector_are_the_tokens_of_its_medium(family: Adapter) -> None:
    """So masks are right to a row, newlines of the model aside; videos of one family are pooled after it."""
    samples = records(family.config)
    table = table_of(family, samples, MODALITY)
    (gate, site) = (dense(of_site(table, name), ("num_tokens",)) for name in (LM_GATE, "projector"))
    for medium in family.sites["projector"].media:
        at = gate[0].index(medium)
        rows, tokens = site[1][0, at, 0, 0], gate[1][0, at, 0, 0]
        lines = num_newlines(family, [sample for sample in samples if kinds_of(sample) == {medium}])
        assert (lines > 0) == (family.config.name in NEWLINES)
        assert rows == POOLED.get((family.config.name, medium), 1) * (tokens - lines) > 0, medium


@pytest.mark.parametrize("family", having("qformer_text"), indirect=True)
def test_a_padded_row_adds_nothing(family: Adapter) -> None:
    """A question that the Q-Former's tokenizer pads, on the right, has the counts of one that it does not."""
    prompts, tables = prepare(family, records(family.config)[:1], MODALITY), []
    inputs = dict(prompts.batch.inputs)
    for name in ("qformer_input_ids", "qformer_attention_mask"):
        inputs[name] = torch.nn.functional.pad(inputs[name], (0, 7))
    for batch in (prompts.batch, replace(prompts.batch, inputs=inputs)):
        kept = recording(family, MODALITY, sites=["qformer_text", "qformer_query"])
        record_batch(family, replace(prompts, batch=batch), [kept])
        tables.append(pa.table(with_nulls(kept.columns(), STATISTICS), schema=STATISTICS.schema))
    for name in ("num_tokens", "positive_count", "mean_sum", "max_sum"):
        one, other = (table[name].to_numpy() for table in tables)
        assert one.any()
        np.testing.assert_allclose(other, one, rtol=1e-4, atol=1e-5, err_msg=name)


def halves_of(samples: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{**sample, "dataset": f"d{index % 2}"} for index, sample in enumerate(samples)]


def test_a_domain_split_in_two_has_the_counts_of_both(family: Adapter) -> None:
    """Counts add up exactly; and where both halves are the same samples, each fires as often as both together."""
    samples = halves_of(records(family.config))
    whole = table_of(family, samples, domain.grouping({"both": ["d0", "d1"]}))
    split = table_of(family, samples, domain.grouping({"one": ["d0"], "other": ["d1"]}))
    twice = [{**sample, "dataset": name} for sample in samples for name in ("d0", "d1")]
    same = table_of(family, twice, domain.grouping({"one": ["d0"], "other": ["d1"]}))
    for name in family.sites:
        columns = ("positive_count", "num_tokens", "num_samples")
        (groups, parts), (of, both) = (dense(of_site(table, name), columns) for table in (split, whole))
        together = parts[:, groups.index("one")] + parts[:, groups.index("other")]
        np.testing.assert_array_equal(together, both[:, of.index("both")])
        positive, tokens, _ = dense(of_site(same, name), columns)[1]
        assert tokens[0].all()
        np.testing.assert_array_equal(positive[0] / tokens[0], positive[1] / tokens[1])
        np.testing.assert_array_equal(positive[0] / tokens[0], both[0, 0] / both[1, 0])
