"""Media that keep their size and length and lose what they show, by name: what an analysis of media is compared with.

``blank``     images and videos: black
``noise``     images and videos: every value of every pixel uniform; sounds: normal, of the same root mean square
``shuffled``  images and videos: blocks of 28 x 28 pixels change places, of a video those of all frames alike; what is
              left at the right and below stays; a picture of less than two blocks stays as it is
``silence``   sounds: silent
``reversed``  sounds: from end to beginning

What is drawn depends on the seed, the name and the id of the sample alone. A medium that a name has no change for stays
as it is.
"""

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from hashlib import sha256
from typing import Any

import numpy as np
from jaxtyping import Float, UInt8
from PIL import Image

from lode.media.medium import Medium, Sampling
from lode.media.picture import blank_image, decode_image, encode_image
from lode.media.sound import blank_audio, encode_audio, read
from lode.media.video import blank_video, changed_video

#: Pixels of a side of a block that is moved as a whole: what becomes one token of Qwen2-VL.
BLOCK = 28

Pixels = UInt8[np.ndarray, "height width 3"]
#: What a medium of one kind becomes.
Change = Callable[[bytes, np.random.Generator], Medium]


def noise_pixels(pixels: Pixels, rng: np.random.Generator) -> Pixels:
    """Noise of the same size."""
    return rng.integers(0, 256, pixels.shape, dtype=np.uint8)


def shuffled_pixels(pixels: Pixels, rng: np.random.Generator) -> Pixels:
    """The same blocks in another order, so that two at least have changed places; of one block there is no other."""
    rows, columns = pixels.shape[0] // BLOCK, pixels.shape[1] // BLOCK
    whole = pixels[: rows * BLOCK, : columns * BLOCK].reshape(rows, BLOCK, columns, BLOCK, 3)
    blocks = whole.swapaxes(1, 2).reshape(rows * columns, BLOCK, BLOCK, 3)
    moved = blocks[other_order(len(blocks), rng)].reshape(rows, columns, BLOCK, BLOCK, 3).swapaxes(1, 2)
    changed = pixels.copy()
    changed[: rows * BLOCK, : columns * BLOCK] = moved.reshape(rows * BLOCK, columns * BLOCK, 3)
    return changed


def other_order(count: int, rng: np.random.Generator) -> np.ndarray:
    """A random order of so many things that is not the one that they have; of one or none it is."""
    order = rng.permutation(count)
    while count > 1 and (order == np.arange(count)).all():
        order = rng.permutation(count)
    return order


def changed_image(
    change: Callable[[Pixels, np.random.Generator], Pixels], data: bytes, rng: np.random.Generator
) -> Medium:
    """An image whose pixels are changed."""
    return encode_image(Image.fromarray(change(np.asarray(decode_image(data, Sampling())), rng)))


def noise_frames(data: bytes, rng: np.random.Generator) -> Medium:
    """A video of noise, another in every frame."""
    return changed_video(data, lambda pixels: noise_pixels(pixels, rng))


def shuffled_frames(data: bytes, rng: np.random.Generator) -> Medium:
    """A video whose blocks change places, those of all frames alike."""
    seed = int(rng.integers(2**62))
    return changed_video(data, lambda pixels: shuffled_pixels(pixels, np.random.default_rng(seed)))


def mono(data: bytes) -> tuple[Float[np.ndarray, " time"], int]:
    """A sound, its channels averaged, and its rate."""
    sound, rate = read(data)
    return sound.mean(axis=1), rate


def noise_sound(data: bytes, rng: np.random.Generator) -> Medium:
    """Noise as long and, on average, as loud."""
    sound, rate = mono(data)
    loudness = float(np.sqrt(np.square(sound).mean()))
    return encode_audio(np.clip(rng.normal(0, loudness, len(sound)), -1, 1), rate)


def reversed_sound(data: bytes, rng: np.random.Generator) -> Medium:
    """The same sound from its end."""
    del rng
    sound, rate = mono(data)
    return encode_audio(np.clip(sound[::-1], -1, 1), rate)


def emptied(blank: Callable[[bytes], Medium], data: bytes, rng: np.random.Generator) -> Medium:
    """A medium that shows nothing."""
    del rng
    return blank(data)


#: By name and kind of medium.
CHANGES: dict[str, dict[str, Change]] = {
    "blank": {"image": partial(emptied, blank_image), "video": partial(emptied, blank_video)},
    "noise": {"image": partial(changed_image, noise_pixels), "video": noise_frames, "audio": noise_sound},
    "shuffled": {"image": partial(changed_image, shuffled_pixels), "video": shuffled_frames},
    "silence": {"audio": partial(emptied, blank_audio)},
    "reversed": {"audio": reversed_sound},
}


def changes(name: str, kinds: Iterable[str]) -> bool:
    """Whether media of some of these kinds are changed under a name."""
    return bool(set(CHANGES[name]) & set(kinds))


def altered(name: str, seed: int, sample: Mapping[str, Any]) -> dict[str, Any]:
    """A record whose media are changed.

    Args:
        name: a key of `CHANGES`.
        seed: of what is drawn.
        sample: a row of a dataset table.
    """
    drawn = sha256(f"{seed}|{name}|{sample['sample_id']}".encode()).digest()
    rng = np.random.default_rng(int.from_bytes(drawn[:8], "big"))
    media = []
    for medium in sample["media"]:
        change = CHANGES[name].get(medium["kind"])
        media.append(medium if change is None else vars(change(medium["bytes"], rng)))
    return {**sample, "media": media}
