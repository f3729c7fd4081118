"""A model that does not see or hear what it is given is refused, on the real classes of several families."""

import copy
import dataclasses
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import pytest
from PIL import Image
from transformers import Qwen2AudioProcessor

from lode.checks.steps import validate
from lode.engine.errors import UserError
from lode.media import Medium, encode_audio, encode_video
from lode.model.adapter import Adapter, find_parts
from lode.model.encoding import ARGUMENTS, encode
from lode.model.loading import prove
from lode.model.probe import noise
from lode.model.tokens import TOKEN_KINDS
from lode.study import compose
from tests.families import load_family, save
from tests.tiny_model import record

SINGLE = "model.dtype=float32"


@pytest.fixture(scope="module")
def family(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Adapter]:
    """Loads the tiny model of a family; a test that changes it must put it back."""
    return cache(lambda name: load_family(name, save(name, tmp_path_factory.mktemp(name)), SINGLE))


def shown(*kinds: str, num_frames: int = 4) -> dict[str, Any]:
    media = [noise(kind) if kind != "video" else noise_video(num_frames) for kind in kinds]
    return {**record("s", "what?"), "media": [vars(medium) for medium in media]}


def noise_video(num_frames: int) -> Medium:
    pixels = np.random.default_rng(0).integers(0, 256, (num_frames, 64, 64, 3), dtype=np.uint8)
    return encode_video([Image.fromarray(frame) for frame in pixels], rate=1)


def test_audio_tokens_are_as_many_as_the_encoder_gives(family: Callable[[str], Adapter]) -> None:
    adapter = family("qwen2_audio_7b")
    for num_samples in (1_200, 8_000, 20_001, 31_999):
        sound = encode_audio(np.random.default_rng(0).uniform(-1, 1, num_samples), 16_000)
        batch = encode(adapter, [{**record("s", "what?"), "media": [vars(sound)]}])
        num_frames = batch.inputs["feature_attention_mask"].sum(-1)
        _, expected = adapter.model.model.audio_tower._get_feat_extract_output_lengths(num_frames)
        assert (batch.token_kind == TOKEN_KINDS.index("audio")).sum() == expected.item() > 0


def test_a_deaf_model_is_refused_by_the_name_of_the_argument(
    family: Callable[[str], Adapter], monkeypatch: pytest.MonkeyPatch
) -> None:
    """docs/methods.md 1.7 (6): `audios` was the name once; a later processor ignored it and only warned."""
    adapter = family("qwen2_audio_7b")
    prove(adapter)
    monkeypatch.setitem(ARGUMENTS, "audio", "audios")
    for look in (prove, lambda adapter: encode(adapter, [shown("audio")])):
        with pytest.raises(UserError, match=r"Qwen2AudioProcessor takes .*audio, kwargs and no 'audios'.*Fix `ARG"):
            look(adapter)


def test_a_deaf_model_is_refused_when_its_processor_ignores_sound(family: Callable[[str], Adapter]) -> None:
    adapter = family("qwen2_audio_7b")

    class Ignores(Qwen2AudioProcessor):
        def __call__(self, text: list[str], audio: Any = None, audio_kwargs: Any = None, **kwargs: Any) -> Any:
            return self.tokenizer(text, **kwargs)

    parts = (adapter.processor.feature_extractor, adapter.processor.tokenizer, adapter.processor.chat_template)
    deaf = dataclasses.replace(adapter, processor=Ignores(*parts))
    with pytest.raises(UserError, match="Ignores made nothing of audio: it gave only input_ids, attention_mask"):
        prove(deaf)


def test_a_deaf_model_is_refused_when_silence_sounds_the_same(family: Callable[[str], Adapter]) -> None:
    adapter = family("qwen2_audio_7b")
    model = copy.deepcopy(adapter.model)
    model.model.multi_modal_projector.linear.weight.data.zero_()
    with pytest.raises(
        UserError, match=r"noise for audio and a blank .* equal logits: model qwen2_audio_7b is not shown"
    ):
        prove(find_parts(adapter.config, model, adapter.processor))


def test_features_without_a_token_are_refused(
    family: Callable[[str], Adapter], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Three queries and two tokens: `transformers` drops the third query without a word."""
    adapter = family("instructblip_vicuna_7b")
    monkeypatch.setattr(adapter.processor, "num_query_tokens", 2)
    with pytest.raises(UserError, match="holds 2 such tokens, the model replaces 2 tokens, and its encoder gives 3"):
        prove(adapter)


def test_samples_that_a_model_does_not_take(family: Callable[[str], Adapter]) -> None:
    with pytest.raises(UserError, match="holds no image, which model instructblip_vicuna_7b always needs"):
        encode(family("instructblip_vicuna_7b"), [record("x", "no image")])
    with pytest.raises(UserError, match="holds image, video, for which model internvl3_8b has one and the same token"):
        encode(family("internvl3_8b"), [shown("image", "video")])
    unequal = [shown("video", num_frames=3), shown("video", num_frames=4)]
    with pytest.raises(UserError, match="videos of 3, 4 frames in one batch"):
        encode(family("llava_onevision_7b"), unequal)


def test_two_kinds_of_media_in_one_sample(family: Callable[[str], Adapter]) -> None:
    batch = encode(family("qwen2_5_omni_7b"), [shown("audio", "image"), shown("video"), shown()])
    held = [{TOKEN_KINDS[code] for code in row if code > 1} for row in batch.token_kind.tolist()]
    assert held == [{"audio", "image"}, {"video"}, set()]


@pytest.mark.parametrize(
    ("override", "says"),
    [
        ("model.auto_class=Qwen2AudioForConditionalGenration", "Did you mean Qwen2AudioForConditionalGeneration or"),
        ("model.auto_class=AutoModelForImageToText", "Did you mean AutoModelForImageTextToText or"),
        ("+model.towers.audio=model.audio_tower", "unknown medium without a token in model.media_tokens 'audio'"),
        ("model.required_media=[audio]", "unknown medium without a token in model.media_tokens 'audio'"),
        (
            "+model.processor.image_kwargs={}",
            "unknown part of model.processor 'image_kwargs'; expected one of audio_kwargs",
        ),
        ("+model.media_tokens.smell=x", "unknown medium of a model 'smell'"),
    ],
)
def test_facts_are_checked_before_a_model_is_loaded(override: str, says: str) -> None:
    with pytest.raises(UserError) as error:
        validate(compose(["model=tiny_qwen2_vl", override]), "download_model")
    assert says in str(error.value)


def test_a_dataset_must_hold_what_a_model_needs() -> None:
    with pytest.raises(
        UserError, match="instructblip_vicuna_7b needs image in every sample, and dataset toy_mmlu holds"
    ):
        validate(compose(["model=instructblip_vicuna_7b", "dataset=toy_mmlu"]), "capture_activations")
