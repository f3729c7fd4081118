"""Media that lose what they show: sizes and times stay, values by hand, and what depends on what."""

from typing import Any

import numpy as np
import pytest
from PIL import Image

from lode.media import Medium, Sampling, decode, encode_audio, encode_image, encode_video
from lode.media.altered import BLOCK, CHANGES, altered, changes, shuffled_pixels

RNG = np.random.default_rng(0)
PIXELS = RNG.integers(0, 256, (3, 60, 90, 3), dtype=np.uint8)
SOUND = 0.3 * np.sin(np.arange(4000) / 9) * np.linspace(0, 1, 4000)
SHOWN = {
    "image": encode_image(Image.fromarray(PIXELS[0])),
    "video": encode_video([Image.fromarray(frame) for frame in PIXELS], rate=1),
    "audio": encode_audio(SOUND, 16_000),
}


def shown(kind: str, sample: Any) -> Any:
    decoded = decode("s", Medium(**sample["media"][0]), Sampling(audio_rate=16_000))
    return (np.asarray(decoded.frames), decoded.grid) if kind == "video" else (np.asarray(decoded), None)


def sample(kind: str, name: str = "s") -> dict[str, Any]:
    return {"sample_id": name, "media": [vars(SHOWN[kind])]}


@pytest.mark.parametrize(("name", "kind"), [(name, kind) for name in CHANGES for kind in CHANGES[name]])
def test_sizes_and_times_stay_and_values_do_not(name: str, kind: str) -> None:
    (before, grid), (after, later) = shown(kind, sample(kind)), shown(kind, altered(name, 1, sample(kind)))
    assert before.shape == after.shape
    assert grid == later
    assert not np.array_equal(before, after)
    assert altered(name, 1, sample(kind)) == altered(name, 1, sample(kind))
    if name in ("noise", "shuffled"):
        assert altered(name, 2, sample(kind)) != altered(name, 1, sample(kind))
        others = altered(name, 1, sample(kind, "other"))["media"]
        assert others != altered(name, 1, sample(kind))["media"]
    if name in ("blank", "silence"):
        assert not after.any()


def test_shuffled_blocks_are_the_same_blocks() -> None:
    """60 x 90 pixels: two rows of three blocks, and the rest stays."""
    after = shuffled_pixels(PIXELS[0], np.random.default_rng(1))
    assert np.array_equal(after[2 * BLOCK :], PIXELS[0][2 * BLOCK :])
    assert np.array_equal(after[:, 3 * BLOCK :], PIXELS[0][:, 3 * BLOCK :])

    def blocks(pixels: Any) -> list[bytes]:
        return sorted(
            pixels[top : top + BLOCK, left : left + BLOCK].tobytes()
            for top in (0, BLOCK)
            for left in (0, BLOCK, 2 * BLOCK)
        )

    assert blocks(after) == blocks(PIXELS[0])


def test_sounds_by_hand() -> None:
    before, _ = shown("audio", sample("audio"))
    backwards, _ = shown("audio", altered("reversed", 1, sample("audio")))
    np.testing.assert_allclose(backwards, before[::-1], atol=2 / 32768)
    noise, _ = shown("audio", altered("noise", 1, sample("audio")))
    assert np.sqrt(np.square(noise).mean()) == pytest.approx(np.sqrt(np.square(before).mean()), rel=0.05)


def test_what_has_no_change_stays() -> None:
    assert altered("reversed", 1, sample("image")) == sample("image")
    assert changes("noise", ["audio"])
    assert not changes("shuffled", ["audio"])
    assert not changes("silence", ["image", "video"])


def test_shuffled_blocks_are_never_as_they_were() -> None:
    """Of two blocks there is one other order; of one there is none."""
    two = np.concatenate([np.zeros((28, 28, 3)), np.ones((28, 28, 3))], axis=1).astype(np.uint8)
    for seed in range(20):
        assert (shuffled_pixels(two, np.random.default_rng(seed)) == two[:, ::-1]).all()
    assert (shuffled_pixels(two[:, :40], np.random.default_rng(0)) == two[:, :40]).all()
