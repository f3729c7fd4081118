"""From a notebook: open, switch, answer, export, and neuron lists in and out."""

import copy
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import torch
import transformers
from PIL import Image

import lode
from lode.engine.errors import UserError
from lode.intervention._reference import class_means
from lode.library.answering import Answer
from lode.library.exporting import LIST
from lode.library.opening import Model
from lode.library.shown import medium_of
from lode.media import Medium, Sampling, decode
from lode.model.encoding import encode
from lode.study import compose
from tests.dense_tables import captured_importance
from tests.plain_answers import plain_reply, slow_likelihood
from tests.tiny_model import LETTERS, NUM_LAYERS, NUM_NEURONS, record

FACTS = "tiny_qwen2_vl"
SOME = [(0, 3), (0, 40), (2, 7)]
PROMPT = "what is this?"
MAX_NEW_TOKENS = 8


@pytest.fixture(scope="module")
def folder(tiny_manifest: Path) -> Path:
    return tiny_manifest.with_suffix("")


@pytest.fixture(scope="module")
def model(folder: Path) -> Model:
    return lode.open(folder, "runtime.device=cpu", facts=FACTS)


@pytest.fixture(scope="module")
def picture() -> Image.Image:
    """That of the record of seed 1, which is what an image of the file becomes again."""
    return Image.open(BytesIO(record("a", PROMPT, image=1)["media"][0]["bytes"]))


def ask(model: Model, media: Any = None, gold: str | None = "ab") -> Answer:
    return lode.answer(model, PROMPT, media, gold, MAX_NEW_TOKENS)


@contextmanager
def restored(model: Model) -> Iterator[None]:
    """Weights, hooks and answers are afterwards what they were before."""
    before, weights = ask(model), copy.deepcopy(model.adapter.model.state_dict())
    yield
    assert all(torch.equal(value, weights[key]) for key, value in model.adapter.model.state_dict().items())
    hooks = [(m._forward_hooks, m._forward_pre_hooks) for m in model.adapter.activation]
    assert not any(before or after for before, after in hooks)
    assert not model.switches
    assert ask(model) == before


# --- open and answer --------------------------------------------------------------------------------------------------


def test_a_model_is_open_as_its_folder_says(model: Model, folder: Path) -> None:
    assert repr(model) == f"Model({folder.name}: {NUM_LAYERS} x {NUM_NEURONS} neurons, float32 on cpu)"
    assert model.folder == folder


def test_an_answer_is_that_of_one_pass_a_token(model: Model, picture: Image.Image) -> None:
    for image, media in ((None, None), (1, picture)):
        sample = record("a", PROMPT, image=image)
        text, num_tokens, truncated = plain_reply(model.adapter, sample)
        found = ask(model, media)
        assert (found.text, found.num_tokens, found.truncated) == (text, num_tokens, truncated)
        assert found.content == pytest.approx(slow_likelihood(model.adapter, sample), abs=1e-4)
        end = model.adapter.processor.tokenizer.eos_token_id
        ids = [*model.adapter.processor.tokenizer("ab", add_special_tokens=False)["input_ids"], end]
        assert found.stopping == pytest.approx(slow_likelihood(model.adapter, sample, ids, start=2), abs=1e-4)


def test_without_a_gold_answer_there_is_a_reply_alone(model: Model) -> None:
    with_gold, without = ask(model), ask(model, gold=None)
    assert (without.content, without.stopping) == (None, None)
    assert (without.text, without.num_tokens, without.truncated) == (
        with_gold.text,
        with_gold.num_tokens,
        with_gold.truncated,
    )


def test_a_gold_answer_that_the_model_gives_is_its_reply(model: Model) -> None:
    reply = lode.answer(model, PROMPT, max_new_tokens=64)
    assert not reply.truncated
    assert set(reply.text) <= set(LETTERS)
    again = lode.answer(model, PROMPT, gold=reply.text, max_new_tokens=64)
    assert (again.text, again.num_tokens) == (reply.text, reply.num_tokens)


def test_unknown_models_are_refused(folder: Path) -> None:
    with pytest.raises(UserError, match="tiny_qwen2_vl"):
        lode.open("tiny_qwen2_lv")
    with pytest.raises(UserError, match=r"a folder does not say where its parts are.*expected facts="):
        lode.open(folder)
    with pytest.raises(UserError, match=r"expected one that starts with model\. or runtime\."):
        lode.open(folder, "dataset.name=a", facts=FACTS)
    with pytest.raises(UserError, match=r"runtime\.device"):
        lode.open(folder, "runtime.device=abacus", facts=FACTS)
    with pytest.raises(UserError, match="no such file; expected the manifest"):
        lode.open(folder, facts=FACTS, manifest="nothing.json")


def test_opening_by_the_facts_of_a_yaml_leaves_the_yaml_as_it_is(model: Model) -> None:
    assert model.adapter.config.name != compose([f"model={FACTS}"]).model.name == FACTS


def test_opening_proves_the_facts(folder: Path) -> None:
    with pytest.raises(UserError, match="its tokenizer calls special; name them in `special_tokens`"):
        lode.open(folder, "model.special_tokens=[]", "runtime.device=cpu", facts=FACTS)


def test_a_model_other_than_that_of_the_run_is_refused(folder: Path, tiny_manifest: Path, tmp_path: Path) -> None:
    assert lode.open(folder, "runtime.device=cpu", facts=FACTS, manifest=tiny_manifest).folder == folder
    text = tiny_manifest.read_text().replace('"name": "model.safetensors"', '"name": "other.safetensors"')
    other = tmp_path / "manifest.json"
    other.write_text(text)
    with pytest.raises(UserError, match="is not the model that"):
        lode.open(folder, "runtime.device=cpu", facts=FACTS, manifest=other)


# --- what is shown ----------------------------------------------------------------------------------------------------


def test_media_are_what_they_were(picture: Image.Image, tmp_path: Path) -> None:
    def decoded(medium: Medium) -> Any:
        return decode("a", medium, Sampling(audio_rate=8000, video_rate=2.0))

    pixels = np.asarray(picture)
    picture.save(tmp_path / "a.PNG")
    for shown in (picture, tmp_path / "a.PNG", str(tmp_path / "a.PNG")):
        medium = medium_of(shown)
        assert medium.kind == "image"
        assert np.array_equal(np.asarray(decoded(medium)), pixels)
    clip = decoded(medium_of(([picture, picture], 2)))
    assert np.array_equal(clip.frames, [pixels, pixels])
    sound = np.linspace(-0.5, 0.5, 4000)
    assert np.allclose(decoded(medium_of((sound, 8000))), sound, atol=2**-15)


def test_a_video_is_shown(model: Model, picture: Image.Image) -> None:
    dark = Image.new("RGB", picture.size)
    assert ask(model, ([picture, picture], 1)).content != ask(model, ([dark, dark], 1)).content


@pytest.mark.parametrize(
    ("shown", "message"),
    [
        ("nothing.png", "No such file"),
        ("notes.txt", "neither image, sound nor video by its name"),
        ((np.zeros(9), 0.5), "expected whole samples or frames per second"),
        ((np.zeros((9, 2)), 8000), "neither a sound nor frames"),
        ((np.zeros(9, dtype=int), 8000), "neither a sound nor frames"),
        (([], 2), "neither a sound nor frames"),
        ((np.zeros(9), 8000), "holds audio, but model"),
    ],
)
def test_what_cannot_be_shown_is_refused(model: Model, shown: Any, message: str) -> None:
    with pytest.raises(UserError, match=message):
        ask(model, shown)


# --- switch -----------------------------------------------------------------------------------------------------------


def test_zero_is_zeroed_columns(model: Model) -> None:
    with restored(model), lode.switched(model, SOME):
        for layer, module in enumerate(model.adapter.down_proj):
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
    with restored(model), lode.switched(model, SOME, "constant", *options, modality="text"):
        during = ask(model)
    assert during.content != clean.content
    with restored(model), lode.switched(model, SOME, "constant", *options, modality="image"):
        assert (ask(model).content == clean.content) == (tokens == "own")  # there is no image


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


def test_class_means_come_from_the_importance_table(model: Model) -> None:
    table = captured_importance(num_layers=NUM_LAYERS, num_neurons=NUM_NEURONS)
    value = class_means(table)["image"][0, 2, 7]
    with lode.switched(model, [(2, 7)], "constant", f"intervention.options.value={value}"):
        expected = ask(model)
    with restored(model), lode.switched(model, [(2, 7)], "class_mean", modality="image", importance=table):
        assert ask(model).content == pytest.approx(expected.content, abs=1e-5)


@pytest.mark.parametrize(
    ("arguments", "named", "message"),
    [
        (("zeros",), {}, "Did you mean zero"),
        (("constant", "+intervention.options.valeu=1"), {}, "unknown option of intervention constant 'valeu'"),
        (("zero", "seed=1"), {}, "expected one that starts with intervention."),
        (("resample",), {}, "takes values from another sample of the same benchmark"),
        (("zero", "intervention.tokens=own"), {}, "asks for the modality of the set"),
        (("zero",), {"modality": "sight"}, "unknown modality 'sight'"),
        (("class_mean",), {"modality": "text"}, "takes values from the importance table"),
        (("class_mean",), {"modality": "audio", "importance": captured_importance()}, "unknown modality of the impo"),
        (
            ("class_mean",),
            {"modality": "text", "importance": captured_importance()},
            r"importance of \(4, 60\)",
        ),
    ],
)
def test_a_switch_that_cannot_be_is_refused(
    model: Model, arguments: tuple[str, ...], named: dict[str, Any], message: str
) -> None:
    with restored(model), pytest.raises(UserError, match=message), lode.switched(model, SOME, *arguments, **named):
        raise AssertionError("the model is switched")


# --- neuron lists -----------------------------------------------------------------------------------------------------


def rows(**columns: Any) -> pa.Table:
    return pa.table({"layer": [0, 0, 2], "neuron": [3, 40, 7], **columns})


@pytest.mark.parametrize("suffix", ["parquet", "csv"])
def test_lists_come_back(model: Model, tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"list.{suffix}"
    lode.write_neurons(path, SOME)
    assert lode.read_neurons(path, model).to_pylist() == rows().to_pylist()
    lode.write_neurons(path, rows(score=[0.1, 1 / 3, 1e-300], set_name=["image"] * 3, further=[1, 2, 3]))
    found = lode.read_neurons(path)
    assert found.schema.names == ["layer", "neuron", "score", "set_name"]
    assert found["score"].to_pylist() == [0.1, 1 / 3, 1e-300]
    lode.write_neurons(path, rows(score=[float("nan")] * 3))
    assert found["set_name"].to_pylist() == ["image"] * 3
    assert all(np.isnan(lode.read_neurons(path)["score"].to_numpy()))


def test_a_list_typed_by_hand_switches(model: Model, tmp_path: Path) -> None:
    path = tmp_path / "list.csv"
    path.write_text("neuron,layer,note\n7,2,best\n3,0,\n40,0,\n3,0,twice\n")
    with lode.switched(model, SOME):
        expected = ask(model)
    with lode.switched(model, lode.read_neurons(path)):
        assert ask(model) == expected
    with lode.switched(model, np.array(SOME)):
        assert ask(model) == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("layer,place\n0,1\n", "neuron"),
        ("layer,neuron\n0,\n", "holds int32 or nulls"),
        ("layer,neuron\n0,1.5\n", "expected a table with the columns layer and neuron"),
        ("layer,neuron\n-1,1\n", "column 'layer' holds -1"),
        ("layer,neuron\n2,47\n2,48\n3,0\n", "has no neuron 48 of layer 2, neuron 0 of layer 3; it has 3 layers of 48"),
        ("", "expected a table"),
    ],
)
def test_a_bad_list_is_refused(model: Model, tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "list.csv"
    path.write_text(text)
    with pytest.raises(UserError, match=message) as caught:
        lode.read_neurons(path, model)
    assert str(path) in str(caught.value)


def test_a_list_of_another_kind_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"ends in \.parquet or \.csv"):
        lode.write_neurons(tmp_path / "list.xlsx", SOME)
    with pytest.raises(UserError, match=r"list\.csv: .*expected a table"):
        lode.read_neurons(tmp_path / "list.csv")
    (tmp_path / "list.parquet").write_bytes(b"no table")
    with pytest.raises(UserError, match=r"list\.parquet: .*expected a table"):
        lode.read_neurons(tmp_path / "list.parquet")


@pytest.mark.parametrize(
    ("neurons", "message"),
    [
        ([], "expected \\(layer, neuron\\) pairs"),
        (np.array([0, 1]), "expected \\(layer, neuron\\) pairs"),
        (np.array([[0, 1.5]]), "expected \\(layer, neuron\\) pairs"),
        ([(0, -1)], "column 'neuron' holds -1"),
        ([(3, 0)], "has no neuron 0 of layer 3"),
        ([(2, n) for n in range(48, 58)], "neuron 52 of layer 2 and 5 more;"),
        (rows().slice(0, 0), "the list is empty"),
        (rows(set_name=["image", "image", "text"]), "neurons of 2 sets, which differ in set_name"),
        (rows(model=["other"] * 3), "neurons of model other, and .* is open"),
        (rows().drop_columns("layer"), "no column 'layer'"),
    ],
)
def test_neurons_that_are_no_set_of_the_model_are_refused(model: Model, neurons: Any, message: str) -> None:
    with pytest.raises(UserError, match=message), lode.switched(model, neurons):
        raise AssertionError("the model is switched")


@pytest.mark.parametrize(
    ("columns", "modality"),
    [
        ({"set_name": ["text"] * 3}, "text"),
        ({"set_name": ["image"] * 3}, "image"),
        ({"set_name": ["image_uniform_00"] * 3, "control_of": ["image"] * 3}, "image"),
        ({"set_name": ["all"] * 3}, "prompt"),
    ],
)
def test_a_set_says_its_modality(model: Model, picture: Image.Image, columns: Any, modality: str) -> None:
    arguments = (model, rows(**columns), "constant", "intervention.tokens=own")
    with lode.switched(model, SOME, *arguments[2:], modality=modality):
        expected = ask(model, picture)
    with lode.switched(*arguments):
        assert ask(model, picture) == expected


# --- export -----------------------------------------------------------------------------------------------------------


def test_an_exported_model_answers_as_the_switched_one(
    model: Model, folder: Path, picture: Image.Image, tmp_path: Path
) -> None:
    with lode.switched(model, SOME):
        expected = [ask(model), ask(model, picture)]
    with restored(model):
        exported = lode.export(model, SOME, tmp_path / "models" / "without")
    assert lode.read_neurons(exported / LIST).to_pylist() == rows().to_pylist()
    assert [path.name for path in exported.parent.iterdir()] == ["without"]
    again = lode.open(exported, "runtime.device=cpu", facts=FACTS)
    assert [ask(again), ask(again, picture)] == expected
    plain, report = transformers.AutoModelForImageTextToText.from_pretrained(exported, output_loading_info=True)
    assert not report["missing_keys"]
    assert not report["unexpected_keys"]
    first = transformers.AutoModelForImageTextToText.from_pretrained(folder).state_dict()
    changed = [name for name, value in plain.state_dict().items() if not torch.equal(value, first[name])]
    assert changed == [f"model.language_model.layers.{layer}.mlp.down_proj.weight" for layer in (0, 2)]
    for name in ("generation_config.json", "tokenizer.json", "chat_template.jinja", "processor_config.json"):
        assert (exported / name).read_bytes() == (folder / name).read_bytes()


def test_a_model_without_its_most_active_neuron_proves_itself(model: Model, tmp_path: Path) -> None:
    """The proof switches a neuron of the first layer that writes something, whichever are off already."""
    seen: list[torch.Tensor] = []
    handle = model.adapter.activation[0].register_forward_hook(lambda *call: seen.append(call[2]))
    ask(model)
    handle.remove()
    most = seen[0].abs().amax((0, 1)).argsort(descending=True)[: NUM_NEURONS - 1]
    exported = lode.export(model, [(0, int(neuron)) for neuron in most], tmp_path / "without")
    lode.open(exported, "runtime.device=cpu", facts=FACTS)


def test_an_export_that_cannot_be_is_refused(model: Model, tmp_path: Path) -> None:
    (tmp_path / "held").mkdir()
    (tmp_path / "held" / "notes").touch()
    with pytest.raises(UserError, match="it is there already"):
        lode.export(model, SOME, tmp_path / "held")
    with pytest.raises(UserError, match="has no neuron 0 of layer 3"):
        lode.export(model, [(3, 0)], tmp_path / "new")
    for name in ("zero", "constant"):
        with lode.switched(model, SOME, name), pytest.raises(UserError, match="leave the context first"):
            lode.export(model, SOME, tmp_path / "new")
    assert [path.name for path in tmp_path.iterdir()] == ["held"]
