"""What the processors of real families are told: when frames are, and how much of a sound is heard."""

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import pytest
from PIL import Image

from lode.engine.errors import UserError
from lode.media import Medium, encode_audio, encode_video
from lode.model.adapter import Adapter
from lode.model.encoding import encode, process_alone, sampling_of
from tests.families import BUILDERS, load_family, save
from tests.tiny_model import record

RATE = 16_000


@pytest.fixture(scope="module")
def processor() -> Callable[[str], Any]:
    """The processor of a family; no model is needed."""
    return cache(lambda name: BUILDERS[name]()[1])


def clip(seconds: int) -> Medium:
    """One frame a second."""
    return encode_video([Image.new("RGB", (64, 64), (number, 0, 0)) for number in range(seconds)], rate=1)


def noise(num_samples: int) -> Medium:
    return encode_audio(np.random.default_rng(0).uniform(-0.5, 0.5, num_samples), RATE)


def inputs_of(processor: Any, text: str, media: list[Medium], max_frames: int = 4) -> dict[str, Any]:
    sample = {**record("s", "what?"), "media": [vars(medium) for medium in media]}
    return process_alone(processor, text, sample, sampling_of(processor, 1.0, max_frames), {})


def test_qwen3_vl_writes_true_times(processor: Callable[[str], Any]) -> None:
    """Of 40 s four frames are kept, at 0, 13, 26 and 39 s; two make a token: 6.5 and 32.5 s."""
    held = processor("qwen3_vl_8b")
    text = held.tokenizer.decode(inputs_of(held, f"{held.video_token} what?", [clip(40)])["input_ids"][0])
    assert "<6.5 seconds>" in text
    assert "<32.5 seconds>" in text
    assert text.count("seconds>") == 2


def test_qwen2_5_vl_turns_by_true_seconds(processor: Callable[[str], Any]) -> None:
    """Four frames of 40 s: 10 s each, and two make a token."""
    held = processor("qwen2_5_vl_7b")
    seconds = inputs_of(held, held.video_token, [clip(40)])["second_per_grid_ts"]
    assert np.asarray(seconds).tolist() == pytest.approx([20])
    assert np.asarray(inputs_of(held, held.video_token, [clip(3)])["second_per_grid_ts"]).tolist() == [2]


def test_qwen2_5_omni_turns_by_true_seconds(processor: Callable[[str], Any]) -> None:
    """Each of two videos has its own."""
    held = processor("qwen2_5_omni_7b")
    seconds = inputs_of(held, held.video_token * 2, [clip(40), clip(4)])["video_second_per_grid"]
    assert seconds.tolist() == pytest.approx([20, 2])


@pytest.mark.parametrize(
    ("name", "token", "window"), [("qwen2_audio_7b", "audio_token", 2), ("audio_flamingo_3", "audio_token", 20)]
)
def test_a_sound_is_heard_whole_or_refused(processor: Callable[[str], Any], name: str, token: str, window: int) -> None:
    """Audio Flamingo's 2-s window is no limit, as it takes ten of them; its limit of 20 s is."""
    held = processor(name)
    assert inputs_of(held, getattr(held, token), [noise(window * RATE)])
    for num_samples in (window * RATE + 1, 3 * window * RATE):
        with pytest.raises(
            UserError,
            match=rf"sample s: its sound is {num_samples / RATE:.2f} s long, and .* takes {window}.00 s.*Cut it",
        ):
            inputs_of(held, getattr(held, token), [noise(num_samples)])


@pytest.fixture(scope="module")
def hearing(tmp_path_factory: pytest.TempPathFactory) -> Adapter:
    folder = tmp_path_factory.mktemp("qwen2_audio_7b")
    return load_family("qwen2_audio_7b", save("qwen2_audio_7b", folder), "model.dtype=float32")


def test_a_sound_of_one_token_is_refused_alone_and_beside_others(hearing: Adapter) -> None:
    """Alone, decoding would fail; beside a longer sound it would not."""
    short, long = (
        {**record(name, "what?"), "media": [vars(noise(count))]} for name, count in (("short", 640), ("long", RATE))
    )
    for batch in ([short], [long, short]):
        with pytest.raises(UserError, match="sample short: its sound is too short, it makes one token"):
            encode(hearing, batch)
    assert encode(hearing, [long]).inputs
