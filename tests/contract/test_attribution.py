"""What capture of gradients promises: batches, shards and order do not matter, and the model stays as it was."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import torch

from lode.engine.errors import UserError
from lode.engine.tables import read_table, write_table
from lode.grouping.modality import GROUPS
from lode.media import blanked
from lode.model.adapter import Adapter
from lode.model.answering import judge_gold, prepare_batch
from lode.model.encoding import encode
from lode.model.gold import append_gold, gold_losses
from lode.recording._attributions import patching_sums, product_sums, target_sums
from lode.recording._totals import Totals
from lode.stages import aggregate_gradients
from lode.study import compose, restrict
from lode.table._neuron import BLOCK
from lode.table._reading import read_importance
from lode.table.attributions import ATTRIBUTIONS
from lode.table.gradients import GRADIENTS
from lode.table.importance import IMPORTANCE
from tests.recorded import attribute, capture
from tests.tiny_model import NUM_LAYERS, NUM_NEURONS, RECORDS

MODALITIES = tuple(GROUPS)

MADE_BY = {"config": {}, "code_digest": "unknown"}
INTEGRATED = {"integrated_sum", "integrated_abs_sum"}
SHAPE = (len(MODALITIES), NUM_LAYERS, NUM_NEURONS)


def columns(adapter: Adapter, samples: Sequence[dict[str, Any]], batch_size: int, num_steps: int = 2) -> Any:
    kept = attribute(adapter, samples, batch_size, 0.5, num_steps).columns()
    return {name: np.asarray(values) for name, values in kept.items()}


def assert_equal_tables(one: Any, other: Any, tolerance: float) -> None:
    assert one.keys() == other.keys()
    for name in one:
        if one[name].dtype.kind == "f":
            size = np.abs(one[name]).max()
            np.testing.assert_allclose(one[name], other[name], rtol=tolerance, atol=tolerance * size, err_msg=name)
        else:
            np.testing.assert_array_equal(one[name], other[name], err_msg=name)


# --- by hand ----------------------------------------------------------------------------------------------------------

#: One sample of three tokens and two neurons; the third token is in no modality, as padding is.
CLEAN = torch.tensor([[[1.0, -2.0], [0.5, 0.0], [9.0, 9.0]]])
SLOPE = torch.tensor([[[0.25, -1.0], [-4.0, 16.0], [9.0, 9.0]]])
FIRST, BOTH = [True, False, False], [True, True, False]
NOWHERE = [False, False, False]


def test_products_by_hand() -> None:
    members = torch.tensor([[FIRST, BOTH, NOWHERE]])
    sums = product_sums(CLEAN, SLOPE, members, 0.5)
    # |1 * .25|, |-2 * -1|; and with the second token |.5 * -4| = 2 and |0 * 16| = 0.
    assert sums["act_grad_sum"].tolist() == [[0.25, 2.0], [2.25, 2.0], [0.0, 0.0]]
    # sqrt(.25) * 1, sqrt(1) * 2; sqrt(4) * .5 = 1 and sqrt(16) * 0.
    assert sums["can_sum"].tolist() == [[0.5, 2.0], [1.5, 2.0], [0.0, 0.0]]
    assert torch.equal(product_sums(CLEAN, SLOPE, members, 1.0)["can_sum"], sums["act_grad_sum"])
    assert product_sums(CLEAN, SLOPE, members, 0.0)["can_sum"].tolist() == [[1.0, 2.0], [1.5, 2.0], [0.0, 0.0]]


def test_patching_by_hand() -> None:
    """Two samples whose attributions have opposite signs: they cancel in the sum, and not in that of magnitudes."""
    corrupt = torch.tensor([[[2.0, -2.0], [0.0, 1.0], [0.0, 0.0]]])
    pair = [torch.cat([each, each]) for each in (CLEAN, corrupt)]
    members = torch.tensor([[FIRST, BOTH]] * 2)
    sums = patching_sums(*pair, torch.cat([SLOPE, -SLOPE]), members)
    # (2 - 1) * .25 and 0; with the second token (0 - .5) * -4 = 2 and (1 - 0) * 16.
    assert sums["patching_sum"].tolist() == [[0.0, 0.0], [0.0, 0.0]]
    assert sums["patching_abs_sum"].tolist() == [[0.5, 0.0], [4.5, 32.0]]


def test_target_by_hand() -> None:
    sums = target_sums(CLEAN, torch.tensor([[2.0, -3.0]]), torch.tensor([[FIRST, BOTH]]))
    assert sums["target_sum"].tolist() == [[2.0, 6.0], [3.0, 6.0]]
    assert sums["target_abs_sum"].tolist() == [[2.0, 6.0], [3.0, 6.0]]


# --- on the model -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("batch_size", [4, len(RECORDS)])
def test_batches_do_not_matter(tiny: Adapter, batch_size: int) -> None:
    assert_equal_tables(columns(tiny, RECORDS, 1), columns(tiny, RECORDS, batch_size), 1e-4)


def test_order_of_samples_does_not_matter(tiny: Adapter) -> None:
    assert_equal_tables(columns(tiny, RECORDS, 1), columns(tiny, RECORDS[::-1], 1), 1e-9)


def test_losses_are_the_likelihoods_of_the_ablation(tiny: Adapter) -> None:
    with torch.inference_mode():
        losses = gold_losses(tiny, append_gold(tiny, encode(tiny, RECORDS), RECORDS))
        likelihood = judge_gold(tiny, prepare_batch(tiny, RECORDS)).content
    np.testing.assert_allclose(-losses.numpy(), likelihood, rtol=1e-5)


def test_columns_are_those_of_the_schema(tiny: Adapter) -> None:
    full, usual = columns(tiny, RECORDS[:2], 2), columns(tiny, RECORDS[:2], 2, num_steps=0)
    assert set(full) == set(GRADIENTS.schema.names) - {BLOCK.name}
    assert full.keys() - usual.keys() == INTEGRATED
    for name, values in usual.items():
        np.testing.assert_array_equal(values, full[name], err_msg=name)


def test_samples_are_counted_as_in_the_statistics(tiny: Adapter) -> None:
    ours, theirs = columns(tiny, RECORDS, 4), capture(tiny, RECORDS, 4, "reference").columns()
    for name in ("group", "layer", "neuron", "num_samples", "num_tokens"):
        np.testing.assert_array_equal(ours[name], np.asarray(theirs[name]))


def test_nothing_is_patched_without_a_medium(tiny: Adapter) -> None:
    """Neither in samples of text, alone or beside others, nor where the medium is blank already."""
    without = [sample for sample in RECORDS if not sample["media"]]
    for samples in (without, [blanked(sample) for sample in RECORDS]):
        table = columns(tiny, samples, 4, 0)
        assert not table["patching_abs_sum"].any()
        assert table["act_grad_sum"].any()
    mixed, media = (columns(tiny, part, 7, 0) for part in (RECORDS, [s for s in RECORDS if s["media"]]))
    np.testing.assert_allclose(mixed["patching_abs_sum"], media["patching_abs_sum"], rtol=1e-3, atol=1e-5)


def test_blanking_changes_text_too(tiny: Adapter) -> None:
    """What the stage's docstring says: words do not change, but what they see does; the first layer's do not."""
    table = columns(tiny, RECORDS, 4, 0)
    patched = table["patching_abs_sum"].reshape(SHAPE)
    for name in ("image", "text", "special"):
        assert patched[MODALITIES.index(name)].any()
    assert not patched[MODALITIES.index("audio")].any()


def test_magnitudes_bound_sums(tiny: Adapter) -> None:
    table = columns(tiny, RECORDS, 4)
    for name in ("patching", "target", "integrated"):
        assert np.all(np.abs(table[f"{name}_sum"]) <= table[f"{name}_abs_sum"] + 1e-12)
        assert np.any(np.abs(table[f"{name}_sum"]) < 0.9 * table[f"{name}_abs_sum"])


def test_the_model_stays_as_it_was(tiny: Adapter) -> None:
    def logits() -> torch.Tensor:
        with torch.inference_mode():
            return tiny.model(**encode(tiny, RECORDS).inputs, use_cache=False).logits

    before = logits()
    columns(tiny, RECORDS, 4)
    assert not any(module._forward_hooks for module in tiny.gate.activation)
    assert not any(module._forward_pre_hooks for module in tiny.gate.reader)
    assert all(not p.requires_grad and p.grad is None for p in tiny.model.parameters())
    assert torch.equal(logits(), before)


def test_an_answer_without_tokens_is_refused(tiny: Adapter) -> None:
    silent = [{**RECORDS[1], "answers": [""]}]
    with pytest.raises(UserError, match=r"sample b: its gold answer '' has no token"):
        attribute(tiny, silent, 1, 0.5, 0)


def test_a_prompt_that_changes_with_the_medium_is_refused(tiny: Adapter, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lode.recording.gradients.blanked", lambda sample: {**sample, "prompt": sample["prompt"][::-1]})
    with pytest.raises(UserError, match=r"samples a: prompts with blank media have other tokens"):
        attribute(tiny, RECORDS[:1], 1, 0.5, 0)


def test_a_batch_that_fails_adds_nothing(tiny: Adapter, monkeypatch: pytest.MonkeyPatch) -> None:
    """Memory runs out in the middle of the first batch of four; its halves are then counted once."""
    whole, failed = columns(tiny, RECORDS[:4], 2), []
    check = Totals.check

    def fails_once(self: Totals, layers: Any) -> None:
        if not failed:
            failed.append(len(layers))
            raise MemoryError
        check(self, layers)

    monkeypatch.setattr(Totals, "check", fails_once)
    assert_equal_tables(whole, columns(tiny, RECORDS[:4], 4), 1e-12)
    assert failed == [NUM_LAYERS]


# --- tables -----------------------------------------------------------------------------------------------------------


def pooled(folder: Path, *parts: Any) -> pa.Table:
    paths = [folder / f"{index}.parquet" for index in range(len(parts))]
    for path, part in zip(paths, parts, strict=True):
        write_table(path, GRADIENTS, part, MADE_BY)
    output = folder / "all.parquet"
    overrides = (f"io.gradients=[{','.join(map(str, paths))}]", f"io.attributions={output}")
    aggregate_gradients.run(restrict(compose(overrides), "aggregate_gradients", ("io", "runtime")), MADE_BY)
    return read_table(output, ATTRIBUTIONS)


def test_shards_add_up(tiny: Adapter, tmp_path: Path) -> None:
    table = pooled(tmp_path, *(columns(tiny, RECORDS[shard::2], 1) for shard in range(2)))
    whole = columns(tiny, RECORDS, 1)
    assert_equal_tables(whole, {name: np.asarray(table[name].to_pylist()) for name in whole}, 1e-12)


def test_what_was_not_captured_stays_null(tiny: Adapter, tmp_path: Path) -> None:
    plain, full = (columns(tiny, RECORDS[:1], 1, steps) for steps in (0, 1))
    table = pooled(tmp_path, plain, plain)
    assert {name for name in table.column_names if table[name].null_count} == INTEGRATED
    with pytest.raises(UserError, match="some shards hold integrated gradients and others do not"):
        pooled(tmp_path, plain, full)


def test_gradients_beside_importance(tiny: Adapter, tmp_path: Path) -> None:
    """The columns of both tables, of the same samples; other samples are refused."""
    importance = capture(tiny, RECORDS[:3], 3, "reference").columns()
    shown = {name: values for name, values in importance.items() if name in IMPORTANCE.schema.names}
    shown |= {m: np.zeros(len(shown["layer"])) for m in ("prob", "mean", "max", "attn_k", "attn_q")}
    first, right, wrong = (tmp_path / name / "m.parquet" for name in ("importance", "right", "wrong"))
    other = tmp_path / "right/other.parquet"
    write_table(first, IMPORTANCE, shown, MADE_BY)
    write_table(right, ATTRIBUTIONS, columns(tiny, RECORDS[:3], 3), MADE_BY)
    write_table(other, ATTRIBUTIONS, columns(tiny, RECORDS[:3], 3), MADE_BY)
    write_table(wrong, ATTRIBUTIONS, columns(tiny, RECORDS[:2], 3), MADE_BY)
    joined = read_importance(first, right)
    assert joined.column_names == [*IMPORTANCE.schema.names, *GRADIENTS.schema.names[7:]]
    np.testing.assert_array_equal(joined["can_sum"], read_table(right, ATTRIBUTIONS)["can_sum"])
    assert read_importance(first, None).column_names == IMPORTANCE.schema.names
    with pytest.raises(UserError, match="differ in 'num_samples'"):
        read_importance(first, wrong)
    with pytest.raises(UserError, match=r"is of model other and .* of m; expected one"):
        read_importance(first, other)
