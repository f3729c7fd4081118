"""From a notebook: switch a set, by every route, and leave no trace."""

from contextlib import ExitStack
from typing import Any

import pyarrow as pa
import pytest
import torch
from PIL import Image

import lode
from lode.engine.errors import UserError
from lode.grouping.modality import grouping
from lode.intervention import from_config
from lode.intervention._reference import class_means
from lode.library.opening import Model
from lode.model.encoding import encode
from lode.neurons import NeuronSet, SetKey, at_gate
from lode.stages.benchmark_ablation import ablate_batch
from tests.dense_tables import captured_importance
from tests.notebook import MAX_NEW_TOKENS, PROMPT, SOME, ask, restored, rows
from tests.plain_answers import plain_reply, slow_likelihood
from tests.switching import section
from tests.tiny_model import NUM_LAYERS, NUM_NEURONS, record


def test_zero_is_zeroed_columns(model: Model) -> None:
    with restored(model), lode.switched(model, SOME):
        for layer, module in enumerate(model.adapter.gate.reader):
            off = module.weight.abs().sum(0) == 0
            assert off.nonzero()[:, 0].tolist() == [neuron for of, neuron in SOME if of == layer]
        during = ask(model)
        sample = record("a", PROMPT)
        assert during.content == pytest.approx(slow_likelihood(model.adapter, sample), abs=1e-4)
        assert during.text == plain_reply(model.adapter, sample)[0]
    assert during != ask(model)


@pytest.mark.parametrize("tokens", ["all", "own", "generated"])
def test_a_hook_acts_where_it_should_and_goes(model: Model, tokens: str) -> None:
    clean = ask(model)
    options = (f"intervention.tokens={tokens}", "intervention.options.value=2.0")
    with restored(model), lode.switched(model, SOME, "constant", *options, group="text"):
        during = ask(model)
    assert during.content != clean.content
    with restored(model), lode.switched(model, SOME, "constant", *options, group="image"):
        assert (ask(model).content == clean.content) == (tokens == "own")  # there is no image


@pytest.mark.parametrize("arguments", [("zero",), ("constant", "intervention.tokens=own"), ("complement",)])
def test_an_answer_is_what_a_run_predicts(model: Model, picture: Image.Image, arguments: tuple[str, ...]) -> None:
    sample = {**record("a", PROMPT, image=1), "meta": "{}"}
    sets = [NeuronSet(SetKey("image", "method"), at_gate(SOME))]
    ((row,),) = ablate_batch(
        model.adapter, [sample], sets, from_config(section(*arguments), grouping()), MAX_NEW_TOKENS
    )
    with lode.switched(model, rows(set_name=["image"] * 3), *arguments):
        found = ask(model, picture)
    assert (found.content, found.stopping) == (row["gold_log_likelihood"], row["end_log_likelihood"])
    assert (found.text, found.num_tokens, found.truncated) == (row["reply"], row["num_reply_tokens"], row["truncated"])


def test_an_error_within_restores_too(model: Model) -> None:
    def fail(*arguments: str) -> None:
        with lode.switched(model, SOME, *arguments):
            raise RuntimeError("in the middle")

    for arguments in (("zero",), ("constant",)):
        with restored(model), pytest.raises(RuntimeError, match="in the middle"):
            fail(*arguments)


def test_nested_switches_are_the_union(model: Model) -> None:
    with lode.switched(model, SOME):
        union = ask(model)
    with restored(model), lode.switched(model, SOME[:1]), lode.switched(model, SOME[1:]):
        assert ask(model) == union
    by_hook = ("intervention.passes=prefill",)
    with lode.switched(model, SOME, "zero", *by_hook):
        union = ask(model)
    with restored(model), ExitStack() as stack, lode.switched(model, SOME[:1], "zero", *by_hook):
        stack.enter_context(lode.switched(model, SOME[1:], "zero", *by_hook))
        assert ask(model) == union


def test_a_direct_call_passes_by_no_switch(model: Model) -> None:
    inputs = encode(model.adapter, [record("a", PROMPT)]).inputs
    with torch.inference_mode():
        clean = model.adapter.model(**inputs).logits
        with lode.switched(model, SOME):
            assert not torch.equal(model.adapter.model(**inputs).logits, clean)
        with lode.switched(model, SOME, "constant"), pytest.raises(UserError, match="called directly"):
            model.adapter.model(**inputs)
        assert torch.equal(model.adapter.model(**inputs).logits, clean)


@pytest.mark.parametrize("site", ["vision_tower", "projector"])
def test_a_direct_call_of_a_switched_part_is_refused(model: Model, picture: Image.Image, site: str) -> None:
    """The tower is called without the language model, where a switch by hooks would be passed by in silence."""
    inputs = encode(model.adapter, [record("a", PROMPT, image=1)]).inputs
    tower, shown = model.adapter.towers["image"], (inputs["pixel_values"], inputs["image_grid_thw"])
    places = pa.table({"site": [site] * 2, "layer": [0, 0], "neuron": [3, 5]})
    with torch.inference_mode(), restored(model):
        clean, said = tower(*shown), ask(model, picture)
        with lode.switched(model, places, "constant", "intervention.options.value=50.0"):
            with pytest.raises(UserError, match="called directly"):
                tower(*shown)
            assert ask(model, picture) != said
        with lode.switched(model, SOME, "constant"):
            assert same(tower(*shown), clean)  # no neuron of it is switched
        assert same(tower(*shown), clean)


def same(one: Any, other: Any) -> bool:
    """Whether two outputs of a tower are the same, bit for bit."""
    return all(torch.equal(mine, its) for mine, its in zip(one.to_tuple(), other.to_tuple(), strict=True))


def test_class_means_come_from_the_importance_table(model: Model) -> None:
    table = captured_importance(num_layers=NUM_LAYERS, num_neurons=NUM_NEURONS)
    value = class_means(table, grouping())["image"][0, 2, 7]
    with lode.switched(model, [(2, 7)], "constant", f"intervention.options.value={value}"):
        expected = ask(model)
    with restored(model), lode.switched(model, [(2, 7)], "class_mean", group="image", importance=table):
        assert ask(model).content == pytest.approx(expected.content, abs=1e-5)


@pytest.mark.parametrize(
    ("arguments", "named", "message"),
    [
        (("zeros",), {}, "Did you mean zero"),
        (("constant", "+intervention.options.valeu=1"), {}, "unknown option of intervention constant 'valeu'"),
        (("zero", "seed=1"), {}, "expected one that starts with intervention."),
        (("resample",), {}, "takes values from another sample of the same benchmark"),
        (("zero", "intervention.tokens=own"), {}, "asks for the group of the set"),
        (("zero",), {"group": "sight"}, "unknown group 'sight'"),
        (("class_mean",), {"group": "text"}, "takes values from the importance table"),
        (("class_mean",), {"group": "audio", "importance": captured_importance()}, "unknown group of the impo"),
        (
            ("class_mean",),
            {"group": "text", "importance": captured_importance()},
            r"importance of \(4, 60\)",
        ),
    ],
)
def test_a_switch_that_cannot_be_is_refused(
    model: Model, arguments: tuple[str, ...], named: dict[str, Any], message: str
) -> None:
    with restored(model), pytest.raises(UserError, match=message), lode.switched(model, SOME, *arguments, **named):
        raise AssertionError("the model is switched")


@pytest.mark.parametrize(
    ("columns", "group"),
    [
        ({"set_name": ["text"] * 3}, "text"),
        ({"set_name": ["image"] * 3}, "image"),
        ({"set_name": ["image_uniform_00"] * 3, "control_of": ["image"] * 3}, "image"),
        ({"set_name": ["all"] * 3}, "prompt"),
    ],
)
def test_a_set_says_its_group(model: Model, picture: Image.Image, columns: Any, group: str) -> None:
    arguments = (model, rows(**columns), "constant", "intervention.tokens=own")
    with lode.switched(model, SOME, *arguments[2:], group=group):
        expected = ask(model, picture)
    with lode.switched(*arguments):
        assert ask(model, picture) == expected
