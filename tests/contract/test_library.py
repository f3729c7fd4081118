"""From a notebook: open a model, ask it, show it something, and take it elsewhere without some neurons."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from PIL import Image

import lode
from lode.engine.errors import UserError
from lode.library.exporting import LIST
from lode.library.opening import Model
from lode.library.shown import medium_of
from lode.media import Medium, Sampling, decode
from lode.study import compose
from tests.notebook import FACTS, PROMPT, SOME, ask, restored, rows
from tests.plain_answers import plain_reply, slow_likelihood
from tests.tiny_model import LETTERS, NUM_LAYERS, NUM_NEURONS, record


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


# --- export -----------------------------------------------------------------------------------------------------------


def test_an_exported_model_answers_as_the_switched_one(
    model: Model, folder: Path, picture: Image.Image, tmp_path: Path
) -> None:
    with lode.switched(model, SOME):
        expected = [ask(model), ask(model, picture)]
    with restored(model):
        exported = lode.export(model, SOME, tmp_path / "models" / "without")
    assert (
        lode.read_neurons(exported / LIST).to_pylist()
        == rows(site=["lm_gate"] * 3).select(["site", "layer", "neuron"]).to_pylist()
    )
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
    handle = model.adapter.gate.activation[0].register_forward_hook(lambda *call: seen.append(call[2]))
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
