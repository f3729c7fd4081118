"""Every family of models, by the YAML of its hub model: parts, tokens, attention, interventions, batches.

Loading proves the adapter (`lode.model.loading.prove`): hooks, a neuron of every layer of every site, which layers are
alive, media. The rest is here.
"""

import copy
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from omegaconf import OmegaConf
from PIL import Image
from torch import Tensor, nn

from lode.engine.errors import UserError
from lode.engine.paths import is_local
from lode.intervention import Intervention
from lode.intervention._acting import switched
from lode.media import encode_audio, encode_image, encode_video
from lode.model.adapter import Adapter
from lode.model.answering import generate, judge_gold, prepare_batch
from lode.model.attention import Attention, head_mean_attention, observed
from lode.model.encoding import chat, decode_media, encode, sampling_of
from lode.model.loading import prove
from lode.model.probe import FeatureCount
from lode.model.tokens import TOKEN_KINDS
from lode.model.tower import encoders_once
from lode.model.weights import zeroed_columns
from lode.neurons import LM_GATE, at_gate, unique_pairs
from lode.study import STUDY, compose
from tests.families import BUILDERS, load_family, save
from tests.families.parts import NUM_LAYERS, NUM_NEURONS
from tests.recorded import attribute, capture

#: By hooks, at every site.
ZERO = Intervention(lambda view: torch.zeros_like(view.chosen))

PROMPTS = ("what?", "which of them is the longer one?", "and is this it?")

#: Layers, neurons in each, and dead layers of every site but the language model's gate.
TOWER, PROJECTOR = (2, 24, ()), (1, 32, ())
SITES: dict[str, dict[str, tuple[int, int, tuple[int, ...]]]] = {
    "audio_flamingo_3": {"audio_tower": TOWER, "projector": PROJECTOR},
    "gemma3_4b": {"vision_tower": TOWER},
    "idefics3_8b": {"vision_tower": TOWER},
    "instructblip_vicuna_7b": {"vision_tower": TOWER, "qformer_text": (2, 24, (1,)), "qformer_query": TOWER},
    "internvl3_8b": {"vision_tower": TOWER, "projector": PROJECTOR},
    "llava_1_5_7b": {"vision_tower": (2, 24, (1,)), "projector": PROJECTOR},
    "llava_next_vicuna_7b": {"vision_tower": (2, 24, (1,)), "projector": PROJECTOR},
    "llava_onevision_7b": {"vision_tower": TOWER, "projector": PROJECTOR},
    "pixtral_12b": {"vision_tower": TOWER, "projector": PROJECTOR},
    "qwen2_5_omni_7b": {"vision_tower": TOWER, "projector": (1, 64, ()), "audio_tower": TOWER},
    "qwen2_5_vl_7b": {"vision_tower": TOWER, "projector": (1, 64, ())},
    "qwen2_audio_7b": {"audio_tower": TOWER},
    "qwen2_vl_2b": {"vision_tower": (2, 32, ()), "projector": (1, 64, ())},
    "qwen2_vl_7b": {"vision_tower": (2, 32, ()), "projector": (1, 64, ())},
    "qwen3_vl_8b": {"vision_tower": TOWER, "projector": (2, 64, ())},
}

#: Models that take only videos of one length in a batch.
ONE_LENGTH = {"llava_onevision_7b"}


def medium(kind: str, seed: int, num_frames: int) -> dict[str, Any]:
    """Noise, of a size that depends on the seed."""
    rng = np.random.default_rng(seed)
    pixels = rng.integers(0, 256, (num_frames, 40 + 20 * seed, 64, 3), dtype=np.uint8)
    frames = [Image.fromarray(frame) for frame in pixels]
    sound = rng.uniform(-0.5, 0.5, 8_000 * (1 + seed))
    made = {
        "image": lambda: encode_image(frames[0]),
        "video": lambda: encode_video(frames, rate=1),
        "audio": lambda: encode_audio(sound, 16_000),
    }[kind]()
    return vars(made)


def records(config: Any) -> list[dict[str, Any]]:
    """Two samples of every medium, and of text alone where the model takes that, of different lengths."""
    kinds = [(), (), *((kind,) for kind in config.media_tokens for _ in range(2))]
    kinds = [k for k in kinds if set(config.required_media) <= set(k)]
    return [
        {
            "sample_id": f"{i}",
            "cluster_id": f"{i}",
            "prompt": PROMPTS[i % 3],
            "media": [medium(kind, i % 2, 4 if config.name in ONE_LENGTH else 3 + i % 2) for kind in held],
            "answers": ["yes" if i % 2 else "no, never"],
            "choices": [],
            "answer_index": -1,
        }
        for i, held in enumerate(kinds)
    ]


@pytest.fixture(scope="module", params=sorted(BUILDERS))
def name(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(scope="module")
def manifest(name: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save(name, tmp_path_factory.mktemp(name))


@pytest.fixture(scope="module")
def family(name: str, manifest: Path) -> Adapter:
    return load_family(name, manifest, "model.dtype=float32")


@pytest.fixture(scope="module")
def samples(family: Adapter) -> list[dict[str, Any]]:
    return records(family.config)


@torch.inference_mode()
def logits(adapter: Adapter, inputs: dict[str, Tensor]) -> Tensor:
    return adapter.model(**inputs, use_cache=False).logits


def test_every_hub_model_is_tested() -> None:
    models = {path.stem for path in (STUDY.config_dir / "model").glob("*.yaml")}
    assert set(BUILDERS) == {name for name in models if not is_local(compose([f"model={name}"]).model.source)}


def test_parts_are_found(family: Adapter) -> None:
    assert (family.num_layers, family.num_neurons) == (NUM_LAYERS, NUM_NEURONS)
    assert set(family.towers) == set(family.config.media_tokens)
    assert family.processor.tokenizer.padding_side == "left"


def test_sites_are_proved_and_dead_layers_known(family: Adapter, name: str) -> None:
    """A class of models of which the last layer of a branch is not read says so; all other layers move a logit."""
    found = {
        site.name: (site.num_layers, *set(site.widths), site.dead)
        for site in family.sites.values()
        if site.name != LM_GATE
    }
    assert found == SITES[name]
    assert (family.gate.dead, family.gate.has_tokens, family.gate.in_encoder) == ((), True, False)
    assert not any(site.has_tokens for site in family.sites.values() if site.name != LM_GATE)


def test_every_site_switches(family: Adapter, samples: list[dict[str, Any]]) -> None:
    """Half the neurons of the first layer, in weights, and by a hook: bit for bit the same, and not nothing."""
    for name, site in family.sites.items():
        pairs = unique_pairs((0, neuron) for neuron in range(0, site.widths[0], 2))
        for sample in samples[::2]:
            inputs, codes = encode(family, [sample]).inputs, encode(family, [sample]).token_kind
            before = logits(family, inputs)
            with zeroed_columns(family, {name: pairs}):
                baked = logits(family, inputs)
            with switched(family, ZERO, {name: pairs}, "prompt", codes):
                hooked = logits(family, inputs)
            assert torch.equal(baked, hooked), name
            assert torch.equal(logits(family, inputs), before), name
            if not torch.equal(baked, before):
                break
        else:
            pytest.fail(f"no sample moves at {name}")


def test_dead_layers_are_refused(family: Adapter) -> None:
    """By a switch; not by the proof, which finds them again."""
    assert prove(family).sites == family.sites
    for name, site in family.sites.items():
        for layer in site.dead:
            off = zeroed_columns(family, {name: unique_pairs([(layer, 0)])})
            with pytest.raises(UserError, match=f"of layer {layer} at site {name}: all neurons of that layer"), off:
                raise AssertionError("neurons are switched")


def test_what_each_token_is(family: Adapter, samples: list[dict[str, Any]]) -> None:
    """Media tokens are as many as features; what is called text decodes to text with the prompt in it."""
    words = family.processor.tokenizer
    special = {number for number, token in words.added_tokens_decoder.items() if token.special}
    batch = encode(family, samples)
    assert torch.equal(batch.token_kind == -1, batch.inputs["attention_mask"] == 0)
    assert (batch.token_kind[:, 1:] < 0).int().diff(dim=1).le(0).all(), "padding is left"
    with FeatureCount() as count:
        logits(family, batch.inputs)
    media = [TOKEN_KINDS.index(kind) for kind in ("image", "video", "audio")]
    assert torch.isin(batch.token_kind, torch.tensor(media)).sum() == count.num_places == count.num_features
    for row, sample in enumerate(samples):
        codes, ids = batch.token_kind[row], batch.inputs["input_ids"][row]
        held = {TOKEN_KINDS[code] for code in codes.tolist() if code >= 0} - {"text", "special"}
        assert held == {m["kind"] for m in sample["media"]}
        text = ids[codes == TOKEN_KINDS.index("text")]
        assert not set(text.tolist()) & special, words.decode(text)
        assert sample["prompt"] in words.decode(text)
        assert (codes == TOKEN_KINDS.index("special")).any()


def by_the_processor(adapter: Adapter, samples: list[dict[str, Any]]) -> dict[str, Tensor]:
    """The batch that the processor itself makes of samples with one medium each, all of one kind."""
    config = adapter.config
    sampling = sampling_of(adapter.processor, config.video_rate, config.max_frames, config.video_frames)
    arguments: Any = OmegaConf.to_container(adapter.config.processor)
    for sample in samples:
        for name, value in decode_media(adapter.processor, sample, sampling).items():
            if name == "videos_kwargs":
                before = arguments.get(name, {})
                timing = [*before.get("video_metadata", []), *value["video_metadata"]]
                arguments[name] = {**before, **value, "video_metadata": timing}
            else:
                arguments[name] = value if name == "audio_kwargs" else [*arguments.get(name, []), *value]
    texts = [chat(adapter.processor, sample, adapter.config.system_prompt) for sample in samples]
    marked = all(text.startswith(adapter.processor.tokenizer.bos_token or "<none>") for text in texts)
    layout = {"padding": True, "add_special_tokens": not marked}
    return dict(adapter.processor(text=texts, **arguments, text_kwargs=layout, return_tensors="pt"))


def test_a_batch_is_what_the_processor_makes_of_it(family: Adapter, samples: list[dict[str, Any]]) -> None:
    if family.config.required_media:
        pytest.skip("the processor pads between an image and its text")
    for kind in family.config.media_tokens:
        chosen = [sample for sample in samples if [m["kind"] for m in sample["media"]] == [kind]]
        if kind == "video":
            chosen = [chosen[0], chosen[0]]  # most processors take only videos of one length at a time
        ours, theirs = encode(family, chosen).inputs, by_the_processor(family, chosen)
        assert set(ours) == set(theirs)
        for name in ours:
            torch.testing.assert_close(
                ours[name], torch.as_tensor(theirs[name]), msg=lambda text, n=name: f"{n}: {text}"
            )


def test_a_batch_equals_its_samples(family: Adapter, samples: list[dict[str, Any]]) -> None:
    together = logits(family, encode(family, samples).inputs)[:, -1]
    for row, sample in enumerate(samples):
        alone = logits(family, encode(family, [sample]).inputs)[0, -1]
        torch.testing.assert_close(alone, together[row], rtol=1e-4, atol=1e-4)


def test_replies_do_not_depend_on_the_batch(family: Adapter, samples: list[dict[str, Any]]) -> None:
    with torch.inference_mode():
        together = generate(family, encode(family, samples), 5)
        assert together == [generate(family, encode(family, [sample]), 5)[0] for sample in samples]
    assert len({reply.text for reply in together}) > 1


@pytest.mark.parametrize("kind", ["reference", "causal"])
def test_capture_does_not_depend_on_the_batch(family: Adapter, samples: list[dict[str, Any]], kind: str) -> None:
    one, other = (capture(family, samples, size, kind).columns() for size in (1, len(samples)))
    for name in one:
        if np.asarray(one[name]).dtype.kind == "f":
            np.testing.assert_allclose(one[name], other[name], rtol=1e-4, atol=1e-4, err_msg=name)
        else:
            np.testing.assert_array_equal(one[name], other[name], err_msg=name)


def test_attributions_do_not_depend_on_the_batch(family: Adapter, samples: list[dict[str, Any]]) -> None:
    """The loss has a gradient at every gate site, and a blank medium takes as many tokens and changes them."""
    one, other = (attribute(family, samples, size, 0.5, 1).columns() for size in (1, len(samples)))
    held = np.asarray(one["num_samples"]) > 0
    for name in one:
        if name.endswith("_sum"):
            assert np.isfinite(one[name]).all(), name
            size = np.abs(one[name]).max()
            np.testing.assert_allclose(one[name], other[name], rtol=1e-3, atol=1e-4 * size, err_msg=name)
    assert (one["act_grad_sum"][held] > 0).mean() > 0.5
    for medium in family.config.media_tokens:
        assert np.any(one["patching_abs_sum"][np.asarray(one["group"]) == medium] > 0), medium


def test_gold_likelihood_is_finite(family: Adapter, samples: list[dict[str, Any]]) -> None:
    with torch.inference_mode():
        likelihood = judge_gold(family, prepare_batch(family, samples)).content
    assert np.isfinite(likelihood).all()
    assert max(likelihood) < 0


@contextmanager
def weights_of(family: Adapter) -> Iterator[list[Tensor]]:
    """The weights that `transformers` itself computes in its eager attention, averaged over heads, layer by layer."""
    config = family.attention[0].config
    weights: list[Tensor] = []
    with ExitStack() as stack:
        for module in family.attention:
            hook = module.register_forward_hook(lambda *call: weights.append(call[2][1].mean(1)))
            stack.callback(hook.remove)
        stack.callback(setattr, config, "_attn_implementation", config._attn_implementation)
        config._attn_implementation = "eager"
        yield weights


def watched(family: Adapter, inputs: dict[str, Tensor]) -> tuple[list[int], list[Tensor]]:
    """Layers in the order of their calls, and the attention of each; observing changes nothing."""
    layers: list[int] = []
    seen: list[Tensor] = []

    def see(layer: int, of: Attention) -> None:
        layers.append(layer)
        seen.append(head_mean_attention(of.query, of.key, of.scaling, of.visible))

    with observed(family, see):
        result = logits(family, inputs)
    assert torch.equal(result, logits(family, inputs))
    return layers, seen


def test_attention_is_that_of_the_model(family: Adapter, samples: list[dict[str, Any]]) -> None:
    """Each layer once, in order, with the weights of the model itself, for text and for each medium: Gemma 3 has a
    sliding window, and image tokens that see each other.
    """
    for sample in samples[::2]:
        inputs = encode(family, [sample]).inputs
        layers, seen = watched(family, inputs)
        with weights_of(family) as weights:
            eager_layers, eager = watched(family, inputs)
        assert layers == eager_layers == list(range(NUM_LAYERS))
        for layer, expected in enumerate(weights[:NUM_LAYERS]):
            torch.testing.assert_close(seen[layer], expected, rtol=1e-4, atol=1e-5)
            torch.testing.assert_close(eager[layer], expected, rtol=1e-4, atol=1e-5)


def test_several_images_where_the_model_takes_one(family: Adapter, samples: list[dict[str, Any]]) -> None:
    """Whatever an encoding lets pass, the model computes; InstructBLIP takes one image and says so."""
    several = [{**sample, "media": sample["media"] * 2} for sample in samples if sample["media"]][:1]
    if family.config.name == "instructblip_vicuna_7b":
        with pytest.raises(UserError, match=r"sample 0: holds 2 images, .*InstructBlipProcessor takes 1 in a prompt"):
            encode(family, several)
    elif family.config.name != "audio_flamingo_3":  # its processor refuses several sounds
        assert logits(family, encode(family, several).inputs).isfinite().all()


def test_zero_is_a_zero_activation(family: Adapter, samples: list[dict[str, Any]]) -> None:
    """A zero column equals a zero at the gate site; leaving it restores weights and logits bit for bit."""
    inputs = encode(family, samples[-1:]).inputs
    before, weights = logits(family, inputs), copy.deepcopy(family.model.state_dict())
    neurons = [(0, 3), (0, 40), (1, 7)]
    with zeroed_columns(family, at_gate(neurons)):
        during = logits(family, inputs)

    def silence(layer: int) -> Any:
        kept = torch.ones(NUM_NEURONS)
        kept[[n for at, n in neurons if at == layer]] = 0
        return lambda _module, _inputs, output: output * kept

    with ExitStack() as stack:
        for layer, module in enumerate(family.gate.activation):
            stack.callback(module.register_forward_hook(silence(layer)).remove)
        torch.testing.assert_close(during, logits(family, inputs), rtol=1e-4, atol=1e-4)
    assert not torch.equal(during, before)
    assert torch.equal(logits(family, inputs), before)
    assert all(torch.equal(value, weights[name]) for name, value in family.model.state_dict().items())


@contextmanager
def calls_within(module: nn.Module) -> Iterator[list[nn.Module]]:
    """The innermost modules that are called, in order."""
    called: list[nn.Module] = []
    with ExitStack() as stack:
        for inner in module.modules():
            if not list(inner.children()):
                stack.callback(inner.register_forward_hook(lambda *call: called.append(call[0])).remove)
        yield called


def test_encoders_run_once(family: Adapter, samples: list[dict[str, Any]]) -> None:
    for kind, tower in family.towers.items():
        inputs = encode(family, [s for s in samples if [m["kind"] for m in s["media"]] == [kind]]).inputs
        right = logits(family, inputs)
        with calls_within(tower) as called, encoders_once(family):
            assert torch.equal(logits(family, inputs), right)
            num_calls = len(called)
            assert torch.equal(logits(family, inputs), right)
        assert num_calls == len(called) > 0


def test_number_format_of_the_hub_model(name: str, manifest: Path, samples: list[dict[str, Any]]) -> None:
    """In bfloat16 too the adapter proves itself; features are converted with the weights."""
    halved = load_family(name, manifest)
    assert halved.dtype == torch.bfloat16
    assert logits(halved, encode(halved, samples).inputs).isfinite().all()
