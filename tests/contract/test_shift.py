"""Shifts of hidden states: values by hand, nothing moved where nothing is done, and the slow plain way, on models."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from lode.engine.errors import UserError
from lode.grouping.modality import grouping
from lode.intervention import Intervention
from lode.intervention._acting import switched
from lode.model.adapter import Adapter
from lode.model.encoding import encode
from lode.model.sites import module_at
from lode.model.tested import evenly
from lode.neurons import NeuronSet, Places, SetKey, at_gate, unique_pairs
from lode.recording import prepare
from lode.recording._shift import MEASURES, Clean, groups_of, members_of, over_groups, token_shifts
from lode.stages import measure_shift
from lode.stages.measure_shift import Measured, joined, measure_batch
from tests.switching import INTERVENTIONS, intervention
from tests.tiny_model import RECORDS

GROUPING = grouping()
GROUPS = groups_of(GROUPING)
SHIFT, COSINE, PARALLEL = (MEASURES.index(name) for name in ("shift", "cosine", "parallel"))
TOWER: Places = {"vision_tower": unique_pairs([(0, 3), (0, 20), (0, 7)])}
GATE = at_gate([(1, 4), (0, 3), (1, 17)])
SHOWN = [sample for sample in RECORDS if sample["media"]]


def a_set(places: Places, name: str = "image", control_kind: str = "") -> NeuronSet:
    of = name if control_kind else ""
    return NeuronSet(SetKey(f"{name}{control_kind}", "control" if of else "method", of, control_kind), places)


def measured(
    adapter: Adapter, places: Places, samples: Sequence[Any] = RECORDS, made: Intervention | None = None, kind: str = ""
) -> Measured:
    return measure_batch(adapter, samples, [a_set(places, control_kind=kind)], made or intervention(adapter, "zero"))


def plain_states(
    adapter: Adapter, sample: Mapping[str, Any], made: Intervention | None, places: Places
) -> list[Tensor]:
    """The states of one sample, by hooks of this file's own."""
    batch, seen = encode(adapter, [sample]), []
    layers = list(module_at(adapter.model, adapter.config.layers, "layers").children())
    handles = [layers[0].register_forward_pre_hook(lambda _module, inputs: seen.append(inputs[0][0].clone()))]
    handles += [layer.register_forward_hook(lambda *call: seen.append(call[2][0].clone())) for layer in layers]
    with torch.inference_mode():
        if made is None:
            adapter.model(**batch.inputs, use_cache=False)
        else:
            with switched(adapter, made, places, "image", batch.token_kind):
                adapter.model(**batch.inputs, use_cache=False)
    for handle in handles:
        handle.remove()
    return seen


def plain_shifts(
    adapter: Adapter, sample: Mapping[str, Any], made: Intervention, places: Places
) -> dict[Any, list[float]]:
    """By group and layer: shift, cosine and parallel part, token by token in plain loops."""
    kinds = encode(adapter, [sample]).token_kind[0].tolist()
    clean, other = plain_states(adapter, sample, None, {}), plain_states(adapter, sample, made, places)
    found = {}
    for group in GROUPS:
        parts = [GROUPING.parts.index(part) for part in GROUPING.groups.get(group, ())]
        tokens = [len(kinds) - 1] if group == "last" else [at for at, kind in enumerate(kinds) if kind in parts]
        for layer, (before, after) in enumerate(zip(clean, other, strict=True)):
            values = []
            for at in tokens:
                h, new = before[at].double().numpy(), after[at].double().numpy()
                length = np.sqrt(np.dot(h, h))
                shift = np.sqrt(np.dot(new - h, new - h)) / length
                values.append(
                    [shift, np.dot(h, new) / length / np.sqrt(np.dot(new, new)), np.dot(new - h, h) / length**2]
                )
            if values:
                found[group, layer] = np.mean(values, axis=0).tolist()
    return found


@pytest.mark.parametrize(
    ("h", "other", "shift", "cosine", "parallel"),
    [
        ((3, 4), (3, 0), 0.8, 0.6, -0.64),
        ((3, 4), (3, 4), 0.0, 1.0, 0.0),
        ((3, 4), (4.5, 6), 0.5, 1.0, 0.5),  # a scaling by 1.5
        ((3, 4), (-4, 3), 2**0.5, 0.0, -1.0),  # a turn by a right angle, of equal length
        ((3, 4), (0, 0), 1.0, 0.0, -1.0),
        ((1, 0), (1, 2), 2.0, 5**-0.5, 0.0),
    ],
)
def test_a_token_by_hand(h: Any, other: Any, shift: float, cosine: float, parallel: float) -> None:
    states, moved = (torch.tensor(each, dtype=torch.float32)[None, None] for each in (h, other))
    found = token_shifts(states, moved)[:, 0, 0].tolist()
    assert found == pytest.approx([shift, cosine, parallel, shift**2, parallel**2], abs=1e-6)


def test_groups_by_hand_and_padding_may_be_anything() -> None:
    """Two samples; of the first, a padded token whose value is no number, and means of 1 and of (2 + 4) / 2."""
    values = torch.tensor([[[float("nan"), 1.0, 2.0, 4.0], [5.0, 6.0, 7.0, 8.0]]])
    members = torch.tensor([[[0, 1, 0, 0], [0, 0, 1, 1]], [[0, 0, 0, 0], [1, 1, 1, 1]]]).bool()
    assert over_groups(values, members).tolist() == [[[1.0, 3.0], [0.0, 6.5]]]


def test_nothing_moves_where_nothing_is_done(tiny: Adapter) -> None:
    """An empty set, a sham control by hooks at every site, and a set that takes its own values: 0, not nearly."""
    everywhere = {**TOWER, **GATE, "projector": unique_pairs([(0, 5), (0, 63)])}
    same = Intervention(lambda view: view.chosen * 1, grouping=GROUPING)
    for found in (
        measured(tiny, {}),
        measured(tiny, everywhere, kind="sham"),
        measured(tiny, GATE, made=same),
    ):
        assert not np.any(found.moved[0][SHIFT])
        assert not np.any(found.moved[0][PARALLEL])
        np.testing.assert_allclose(found.moved[0][COSINE][found.tokens > 0], 1, atol=1e-6)


def test_scaled_states_are_all_parallel(tiny: Adapter) -> None:
    prompts = prepare(tiny, RECORDS[:2], GROUPING)
    members = members_of(prompts)
    clean, found = Clean(prompts, members), {}
    states = torch.randn((*members.shape[::2], 8), generator=torch.Generator().manual_seed(0))
    clean.keep(0, states)
    clean.compare(found, 0, 1.5 * states)
    held = members.any(-1)
    torch.testing.assert_close(
        found[0][:, held][:3].float().T, torch.tensor([0.5, 1.0, 0.5]).expand(int(held.sum()), 3)
    )


@pytest.mark.parametrize("places", [GATE, TOWER, {**GATE, **TOWER}], ids=["gate", "tower", "both"])
def test_a_batch_is_the_slow_plain_way(tiny: Adapter, places: Places) -> None:
    """Samples with and without an image, of different lengths, in one batch; at every layer, in every group."""
    made = intervention(tiny, "zero")
    found = measured(tiny, places)
    num_compared = 0
    for at, sample in enumerate(RECORDS):
        for (group, layer), expected in plain_shifts(tiny, sample, made, places).items():
            got = found.moved[0][:3, at, GROUPS.index(group), layer]
            np.testing.assert_allclose(got, expected, rtol=1e-3, atol=2e-5, err_msg=f"{sample['sample_id']} {group}")
            num_compared += 1
    assert num_compared == int((found.tokens > 0).sum()) * found.moved[0].shape[-1]
    assert found.moved[0][SHIFT].max() > 0.01


@pytest.mark.parametrize("name", INTERVENTIONS)
def test_every_intervention_moves_states_whatever_the_batch(tiny: Adapter, name: str) -> None:
    made = intervention(tiny, name)
    donors = SHOWN[::-1]
    measure = partial(measure_batch, tiny, sets=[a_set(GATE)], intervention=made)
    whole = measure(SHOWN, donors=donors)
    alone = joined([measure([sample], donors=[donor]) for sample, donor in zip(SHOWN, donors, strict=True)])
    np.testing.assert_allclose(whole.moved[0], alone.moved[0], rtol=1e-3, atol=2e-5)
    np.testing.assert_array_equal(whole.tokens, alone.tokens)
    assert whole.moved[0][SHIFT].max() > 1e-3


def test_a_set_moves_only_what_comes_after_it(tiny: Adapter) -> None:
    """Gate of layer 1: states 0 and 1 stay. A tower set moves the projector's output, so image tokens of state 0."""
    late = measured(tiny, at_gate([(1, 4), (1, 17)]), SHOWN).moved[0][SHIFT]
    assert not late[..., :2].any()
    assert late[..., 2].any()
    from_tower = measured(tiny, TOWER).moved[0][SHIFT]
    image, text = GROUPS.index("image"), GROUPS.index("text")
    shown = np.array([bool(sample["media"]) for sample in RECORDS])
    assert (from_tower[shown, image, 0] > 0).all()
    assert not from_tower[:, text, 0].any()
    assert (from_tower[shown, GROUPS.index("last"), -1] > 0).all()
    assert not from_tower[~shown].any(), "text alone passes no tower"


def test_encoders_run_once_but_for_sets_within_them(tiny: Adapter) -> None:
    """Three sets outside of encoders and the clean pass: once; each of two within: anew. The order of sets is kept."""
    calls: list[int] = []
    first_block = tiny.model.model.visual.blocks[0].register_forward_hook(lambda *_: calls.append(1))
    sets = [a_set(places, f"s{at}") for at, places in enumerate([TOWER, GATE, {}, TOWER, GATE])]
    with first_block:
        found = measure_batch(tiny, SHOWN, sets, intervention(tiny, "zero"))
    assert len(calls) == 3
    first, second, empty, again, last = found.moved
    np.testing.assert_array_equal(first, again)
    np.testing.assert_array_equal(second, last)
    assert first[SHIFT].any()
    assert not empty[SHIFT].any()
    assert not np.array_equal(first, second)
    assert not tiny.contexts.keeping


def test_states_without_length_are_refused(tiny: Adapter) -> None:
    prompts = prepare(tiny, RECORDS[:1], GROUPING)
    members = members_of(prompts)
    for wrong in (0.0, float("nan")):
        states = torch.ones((1, members.shape[-1], 4))
        states[0, -1] = wrong
        with pytest.raises(UserError, match=r"sample a: 1 states at layer 2 have no length"):
            Clean(prompts, members).keep(2, states)


def test_even_samples_and_first_draws() -> None:
    assert [sample["sample_id"] for sample in evenly(RECORDS, 3)] == ["a", "c", "e"]
    assert evenly(RECORDS[:2], 3) == RECORDS[:2]
    sets = [NeuronSet(SetKey("image", "method"))]
    sets += [NeuronSet(SetKey(f"c{draw}", "control", "image", "uniform", draw)) for draw in range(3)]
    assert [each.key.set_name for each in measure_shift.first_draws(sets, 1)] == ["image", "c0"]
    assert len(measure_shift.first_draws(sets, None)) == 4
