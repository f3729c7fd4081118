"""Short samples of noise and of nothing, and a count of the features that reach the language model."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.overrides import TorchFunctionMode

from lode.media import Medium, encode_audio, encode_image, encode_video

PIXELS, NUM_FRAMES, SOUND_RATE, NUM_SECONDS = 64, 4, 16_000, 1


def noise(kind: str) -> Medium:
    """An image, a video of four frames a second apart, or a sound of one second."""
    rng = np.random.default_rng(0)
    if kind == "audio":
        return encode_audio(rng.uniform(-0.5, 0.5, SOUND_RATE * NUM_SECONDS), SOUND_RATE)
    pixels = rng.integers(0, 256, (NUM_FRAMES, PIXELS, PIXELS, 3), dtype=np.uint8)
    frames = [Image.fromarray(frame) for frame in pixels]
    return encode_image(frames[0]) if kind == "image" else encode_video(frames, rate=1)


def sample(media: Sequence[Medium]) -> dict[str, Any]:
    """A record with these media and a few words."""
    name = f"probe of {' and '.join(medium.kind for medium in media) or 'text'}"
    return {"sample_id": name, "prompt": "a probe of a few words", "media": [vars(medium) for medium in media]}


class FeatureCount(TorchFunctionMode):
    """Counts the features that a forward pass puts in the place of tokens.

    Every family of `transformers` does so by `masked_scatter`, which drops features that are too many without a word.

    Attributes:
        num_places: tokens replaced.
        num_features: features at hand.
    """

    def __init__(self) -> None:
        super().__init__()
        self.num_places = self.num_features = 0

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Look at the arguments of `masked_scatter`; call every function as it is."""
        if func in (Tensor.masked_scatter, Tensor.masked_scatter_):
            embeddings, mask, features = args
            self.num_places += int(torch.broadcast_to(mask, embeddings.shape)[..., 0].sum())
            self.num_features += features.numel() // embeddings.shape[-1]
        return func(*args, **(kwargs or {}))
