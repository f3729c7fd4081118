"""Recordings share one pass, run clean or under a switch, and tell tokens apart by any grouping."""

import re
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from functools import partial
from importlib import import_module
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from lode.checks.names import known_plugins
from lode.engine.errors import UserError
from lode.grouping import PROMPT, Grouping
from lode.intervention import SHAM, Intervention
from lode.intervention._acting import switched
from lode.model.adapter import Adapter
from lode.model.encoding import encode
from lode.model.switching import Switch
from lode.model.tokens import REPLY, TOKEN_KINDS
from lode.model.weights import zeroed_columns
from lode.neurons import at_gate
from lode.recording import Draft, Prompts, Recording, Views, activations, gradients, record
from tests.recorded import MODALITY, attribute, capture
from tests.switching import intervention
from tests.tiny_model import NUM_LAYERS, NUM_NEURONS, RECORDS

Columns = Mapping[str, Any]
#: Neurons of the first two of three layers.
SWITCHED = [(0, 3), (0, 17), (0, 40), (1, 5), (1, 6)]
EVERYTHING: dict[str, Any] = {"num_bins": 16, "hidden_site": True}


def values_of(columns: Columns, name: str) -> np.ndarray:
    """A column as an array; histograms with all their bins in one row."""
    values = columns[name]
    return values.flatten().to_numpy() if name == "histogram" else np.asarray(values)


def assert_equal(one: Columns, other: Columns) -> None:
    """Bit for bit."""
    assert one.keys() == other.keys()
    for name in one:
        np.testing.assert_array_equal(values_of(one, name), values_of(other, name), err_msg=name)


def switch_of(adapter: Adapter, made: Intervention, neurons: Sequence[tuple[int, int]] = SWITCHED) -> Switch:
    """The switch of an intervention on some neurons."""

    def switch(tokens: Tensor, rows: Sequence[int]) -> AbstractContextManager[None]:
        del rows
        return switched(adapter, made, at_gate(neurons), PROMPT, tokens)

    return switch


# --- under a switch ---------------------------------------------------------------------------------------------------


def places(columns: Columns) -> list[tuple[int, int]]:
    return list(zip(columns["layer"].tolist(), columns["neuron"].tolist(), strict=True))


def test_activations_under_a_switch_are_those_of_a_model_without_the_neurons(tiny: Adapter) -> None:
    """Where activations are replaced by 0 the neurons themselves are at 0; all others are as with zeroed weights."""
    by_hook = replace(intervention(tiny, "zero"), in_weights=False)
    clean = capture(tiny, RECORDS, 3, **EVERYTHING).columns()
    under = capture(tiny, RECORDS, 3, switch=switch_of(tiny, by_hook), **EVERYTHING).columns()
    with zeroed_columns(tiny, at_gate(SWITCHED)):
        without = capture(tiny, RECORDS, 3, **EVERYTHING).columns()
    own = np.array([place in SWITCHED for place in places(clean)])
    raw = [name for name in clean if name.endswith(("_sum", "_sumsq")) and "score" not in name]
    for name in raw:
        np.testing.assert_array_equal(under[name][~own], without[name][~own], err_msg=name)
        assert not under[name][own].any(), name
        assert clean[name][own].any(), name
        for layer in range(NUM_LAYERS):
            same = np.array_equal(clean[name][clean["layer"] == layer], without[name][clean["layer"] == layer])
            assert same == (layer == 0), f"{name}: what comes after the first layer changes"


def test_a_switch_in_the_weights_is_that_of_the_weights(tiny: Adapter) -> None:
    """But for the norms of the weights, a fact of the model as it is."""
    zero = intervention(tiny, "zero")
    assert zero.in_weights
    assert zero.everywhere
    under = capture(tiny, RECORDS, 3, switch=switch_of(tiny, zero)).columns()
    attributed = attribute(tiny, RECORDS, 3, 0.5, 2, switch_of(tiny, zero)).columns()
    with zeroed_columns(tiny, at_gate(SWITCHED)):
        without = capture(tiny, RECORDS, 3).columns()
        assert_equal(under | {"down_norm": without["down_norm"]}, without)
        assert_equal(attributed, attribute(tiny, RECORDS, 3, 0.5, 2).columns())


def test_attributions_under_a_switch_are_those_of_a_model_without_the_neurons(tiny: Adapter) -> None:
    """A neuron at 0 attributes nothing, and neither does one that writes nothing, so that all columns are equal."""
    by_hook = replace(intervention(tiny, "zero"), in_weights=False)
    clean = attribute(tiny, RECORDS, 3, 0.5, 2).columns()
    under = attribute(tiny, RECORDS, 3, 0.5, 2, switch_of(tiny, by_hook)).columns()
    with zeroed_columns(tiny, at_gate(SWITCHED)):
        without = attribute(tiny, RECORDS, 3, 0.5, 2).columns()
    assert_equal(under, without)
    for name in ("act_grad_sum", "patching_abs_sum", "target_abs_sum", "integrated_abs_sum"):
        last = clean["layer"] == NUM_LAYERS - 1
        assert not np.allclose(clean[name][last], under[name][last], rtol=1e-3), name


def test_a_sham_switch_changes_nothing(tiny: Adapter) -> None:
    everyone = [(layer, neuron) for layer in range(NUM_LAYERS) for neuron in range(NUM_NEURONS)]
    sham = switch_of(tiny, SHAM, everyone)
    assert_equal(
        capture(tiny, RECORDS, 4, **EVERYTHING).columns(),
        capture(tiny, RECORDS, 4, switch=sham, **EVERYTHING).columns(),
    )
    assert_equal(attribute(tiny, RECORDS, 4, 0.5, 1).columns(), attribute(tiny, RECORDS, 4, 0.5, 1, sham).columns())


def test_a_switch_is_told_of_which_samples_and_tokens_a_pass_is(tiny: Adapter) -> None:
    """Two batches, each with one pass over the prompts and passes over prompts with their answers."""
    told: list[tuple[list[int], Tensor]] = []
    sham = switch_of(tiny, SHAM)

    def switch(tokens: Tensor, rows: Sequence[int]) -> AbstractContextManager[None]:
        told.append((list(rows), tokens))
        return sham(tokens, rows)

    both = [activations.recording(tiny, MODALITY), gradients.recording(tiny, MODALITY)]
    assert record(tiny, RECORDS, 4, both, MODALITY, switch) == 4
    assert [rows for rows, _ in told] == [[0, 1, 2, 3]] * 2 + [[4, 5, 6]] * 2
    for index, part in ((0, RECORDS[:4]), (2, RECORDS[4:])):
        codes, longer = told[index][1], told[index + 1][1]
        assert torch.equal(codes, encode(tiny, part).token_kind)
        assert torch.equal(longer[:, : codes.shape[1]], codes)
        replies = [[REPLY] * len(sample["answers"][0]) for sample in part]  # a token a letter
        most = max(map(len, replies))
        assert longer[:, codes.shape[1] :].tolist() == [row + [-1] * (most - len(row)) for row in replies]


# --- several in one pass ----------------------------------------------------------------------------------------------


def test_recordings_in_one_pass_are_each_alone(tiny: Adapter) -> None:
    """Two watch the same things, and a third has passes of its own."""
    made = [
        activations.recording(tiny, MODALITY, "reference", **EVERYTHING),
        activations.recording(tiny, MODALITY, "causal", "rank"),
        gradients.recording(tiny, MODALITY, 0.3, 1),
    ]
    passes: list[int] = []
    hook = tiny.gate.activation[0].register_forward_hook(lambda *call: passes.append(call[2].shape[1]))
    record(tiny, RECORDS[:4], 4, made[:2], MODALITY)
    hook.remove()
    assert len(passes) == 1, "one forward pass serves both"
    made[0] = activations.recording(tiny, MODALITY, "reference", **EVERYTHING)
    made[1] = activations.recording(tiny, MODALITY, "causal", "rank")
    record(tiny, RECORDS, 4, made, MODALITY)
    alone = [
        capture(tiny, RECORDS, 4, "reference", **EVERYTHING),
        capture(tiny, RECORDS, 4, "causal", normalisation="rank"),
        attribute(tiny, RECORDS, 4, 0.3, 1),
    ]
    for one, other in zip(made, alone, strict=True):
        assert_equal(one.columns(), other.columns())
        assert one.facts() == other.facts()


class States:
    """A recording that is made up here: the mean residual state of every prompt, and how many tokens they hold."""

    def __init__(self, fails_at: int = -1) -> None:
        self.fails_at = fails_at
        self.num_tokens = 0
        self.means: dict[int, list[Tensor]] = {}

    def begin(self, prompts: Prompts) -> Draft:
        real, seen = prompts.batch.token_kind >= 0, dict[int, Tensor]()

        def see(layer: int, states: Tensor) -> None:
            seen[layer] = (states * real[..., None]).sum(1) / real.sum(1)[:, None]

        def finish() -> None:
            if len(prompts.samples) > self.fails_at >= 0:
                raise MemoryError

        return Draft(partial(self.add, int(real.sum()), seen), Views(states=see), finish)

    def add(self, num_tokens: int, seen: dict[int, Tensor]) -> None:
        self.num_tokens += num_tokens
        for layer, states in seen.items():
            self.means.setdefault(layer, []).extend(states)

    def columns(self) -> dict[str, Any]:
        return {f"state_{layer}": torch.stack(states).numpy() for layer, states in self.means.items()}

    def facts(self) -> dict[str, int]:
        return {"num_tokens": self.num_tokens}


def test_a_new_recording_runs_beside_another(tiny: Adapter) -> None:
    """Its states are those that `transformers` gives: the input of each layer, and that of the final norm."""
    states, beside = States(), activations.recording(tiny, MODALITY)
    record(tiny, RECORDS, 4, [states, beside], MODALITY)
    assert_equal(beside.columns(), capture(tiny, RECORDS, 4).columns())
    columns = states.columns()
    assert list(columns) == [f"state_{layer}" for layer in range(NUM_LAYERS + 1)]
    lengths = [encode(tiny, [sample]).token_kind.shape[1] for sample in RECORDS]
    assert states.facts() == {"num_tokens": sum(lengths)}
    for row, sample in enumerate(RECORDS):
        with torch.inference_mode():
            inputs = encode(tiny, [sample]).inputs
            expected = tiny.model(**inputs, use_cache=False, output_hidden_states=True).hidden_states
        for layer in range(NUM_LAYERS):  # the last of them has gone through the final norm
            mean = expected[layer][0].mean(0)
            np.testing.assert_allclose(columns[f"state_{layer}"][row], mean, rtol=1e-3, atol=1e-4)
    assert not np.allclose(columns[f"state_{NUM_LAYERS}"], columns[f"state_{NUM_LAYERS - 1}"], atol=1e-2)


def test_a_batch_that_one_recording_fails_at_is_added_to_none(tiny: Adapter) -> None:
    """Memory runs out in the recording that comes last, for batches of more than two."""
    before, states = activations.recording(tiny, MODALITY), States(fails_at=2)
    assert record(tiny, RECORDS, 4, [before, states], MODALITY) == 2
    assert_equal(before.columns(), capture(tiny, RECORDS, 2).columns())
    assert len(states.columns()["state_0"]) == len(RECORDS)


# --- groups -----------------------------------------------------------------------------------------------------------


def grouped(parts: Mapping[str, Sequence[str]], codes: Any) -> Grouping:
    """Groups of these parts, each part alone, and the whole prompt."""
    names = tuple(dict.fromkeys(part for of in parts.values() for part in of))
    groups = {name: tuple(of) for name, of in parts.items()} | {name: (name,) for name in names} | {PROMPT: names}
    return Grouping(names, groups, {}, codes, held=lambda _: ())


def by_kind(places: Sequence[int], kinds: Tensor, samples: Sequence[Any]) -> Tensor:
    """The code of every token by its kind; -1 for padding."""
    assert len(kinds) == len(samples)
    return torch.tensor([*places, -1])[kinds]


def rows(columns: Columns, group: str) -> dict[str, np.ndarray]:
    """The columns of one group, without its name."""
    own = np.asarray(columns["group"]) == group
    return {
        name: np.asarray(values)[own] for name, values in columns.items() if name not in ("site", "group", "histogram")
    }


def assert_close_rows(one: Mapping[str, np.ndarray], other: Mapping[str, np.ndarray]) -> None:
    assert one.keys() == other.keys()
    for name in one:
        np.testing.assert_allclose(one[name], other[name], rtol=1e-4, atol=1e-4, err_msg=name)


def both_of(adapter: Adapter, grouping: Grouping) -> list[Columns]:
    """Activations and gradients of all records."""
    made = [activations.recording(adapter, grouping), gradients.recording(adapter, grouping)]
    record(adapter, RECORDS, 4, made, grouping)
    return [one.columns() for one in made]


def test_names_do_not_matter(tiny: Adapter) -> None:
    """The modalities in another order, under other names, of parts that have none of these names."""
    renamed = grouped(
        {"noise": ("p4",), "film": ("p3",), "picture": ("p2",), "markup": ("p1",), "words": ("p0",)},
        partial(by_kind, [4, 3, 2, 1, 0]),
    )
    assert renamed.parts == ("p4", "p3", "p2", "p1", "p0")
    for one, other in zip(both_of(tiny, renamed), both_of(tiny, MODALITY), strict=True):
        for name, modality in (("picture", "image"), ("markup", "special"), ("words", "text")):
            assert_equal(rows(one, name), rows(other, modality))
            assert rows(one, name)["num_tokens"].all()


def test_what_a_group_is_given_does_not_depend_on_the_others(tiny: Adapter) -> None:
    """Images, beside a rest that is told apart no further; but for rounding."""
    image = [0 if kind == "image" else 1 for kind in TOKEN_KINDS]
    only = grouped({"picture": ("image",), "others": ("rest",)}, partial(by_kind, image))
    for one, other in zip(both_of(tiny, only), both_of(tiny, MODALITY), strict=True):
        assert_close_rows(rows(one, "picture"), rows(other, "image"))
        assert_close_rows(rows(one, PROMPT), rows(other, PROMPT))


@pytest.mark.parametrize("code", [-1, 2])
def test_a_token_of_no_part_is_refused(tiny: Adapter, code: int) -> None:
    """It would be taken for padding, which is no token of the prompt."""
    image = [0 if kind == "image" else code for kind in TOKEN_KINDS]
    only = grouped({"picture": ("image",), "others": ("rest",)}, partial(by_kind, image))
    with pytest.raises(UserError, match=f"tokens of prompts have the code {code}; expected the place of one of"):
        record(tiny, RECORDS, 4, [activations.recording(tiny, only)], only)


def by_sample(kinds: Tensor, samples: Sequence[Any]) -> Tensor:
    """All tokens of a sample are of one domain: that of the questions, or that of the rest."""
    domains = torch.tensor([0 if sample["prompt"].endswith("?") else 1 for sample in samples])
    return torch.where(kinds >= 0, domains[:, None], -1)


def test_groups_of_samples(tiny: Adapter) -> None:
    """Four records ask a question and three do not; the sums of each are those of its samples alone."""
    domains = grouped({"asked": ("question",), "told": ("statement",)}, by_sample)
    split = [RECORDS[index] for index in (0, 2, 4, 6)], [RECORDS[index] for index in (1, 3, 5)]
    made = activations.recording(tiny, domains)
    record(tiny, RECORDS, 1, [made], domains)
    for name, part in zip(("asked", "told"), split, strict=True):
        own, alone = rows(made.columns(), name), rows(capture(tiny, part, 1).columns(), PROMPT)
        assert set(own["num_samples"]) == {len(part)}
        assert_close_rows(own, alone)


# --- every plug-in ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", sorted(known_plugins("recording")))
def test_a_recording_keeps_the_columns_of_its_table(tiny: Adapter, name: str) -> None:
    """And says what it sees, what it keeps and what that costs."""
    plugin = import_module(f"lode.recording.{name}")
    assert {"Sees", "Keeps", "Costs"} <= set(re.findall(r"\w+", plugin.__doc__))
    made = plugin.recording(tiny, MODALITY)
    assert isinstance(made, Recording)
    record(tiny, RECORDS[:2], 2, [made], MODALITY)
    columns, schema = made.columns(), plugin.TABLE.schema
    assert set(columns) <= set(schema.names)
    assert {field.name for field in schema if not field.nullable} <= set(columns)
    assert all(isinstance(value, int) for value in made.facts().values())
