"""Media files in and out: the one place that encodes and decodes images, sounds and videos. No torch here."""

from collections.abc import Callable, Mapping
from hashlib import sha256
from typing import Any

import av
import numpy as np
import soundfile
from PIL import Image

from lode.engine.errors import UserError
from lode.media.medium import Medium, Sampling
from lode.media.picture import blank_image, decode_image, encode_image
from lode.media.sound import blank_audio, decode_audio, encode_audio
from lode.media.video import Clip, blank_video, decode_video, encode_video

__all__ = [
    "BLANKS",
    "DECODERS",
    "Clip",
    "Medium",
    "Sampling",
    "blank",
    "blanked",
    "decode",
    "decode_audio",
    "decode_image",
    "decode_video",
    "encode_audio",
    "encode_image",
    "encode_video",
    "shown_digest",
]

#: What a decoder raises on damaged input. Pillow: SyntaxError for a broken PNG.
DECODING_ERRORS = (
    OSError,
    SyntaxError,
    ValueError,
    Image.DecompressionBombError,
    Image.DecompressionBombWarning,
    soundfile.SoundFileError,
    av.FFmpegError,
)

#: How to decode each kind of medium.
DECODERS: dict[str, Callable[[bytes, Sampling], Any]] = {
    "image": decode_image,
    "audio": decode_audio,
    "video": decode_video,
}

BLANKS: dict[str, Callable[[bytes], Medium]] = {"image": blank_image, "audio": blank_audio, "video": blank_video}


def decode(sample_id: str, medium: Medium, sampling: Sampling) -> Any:
    """An image, a sound's samples, or a `Clip`.

    Raises:
        UserError: names the sample whose medium does not decode, or is not one that a model could be shown.
    """
    try:
        return DECODERS[medium.kind](medium.bytes, sampling)
    except DECODING_ERRORS as error:
        raise UserError(
            f"sample {sample_id}: its {medium.kind} ({len(medium.bytes)} bytes, {medium.mime}) does not decode: "
            f"{error}. Remove the sample or replace the file"
        ) from error


def shown_digest(decoded: Any) -> str:
    """The digest of what `decode` gives: equal for equal pixels or samples, however the file packs them."""
    values = np.ascontiguousarray(decoded.frames if isinstance(decoded, Clip) else decoded)
    return sha256(repr((values.shape, values.dtype.str)).encode() + values.tobytes()).hexdigest()


def blank(medium: Medium) -> Medium:
    """The same kind of medium, as large and as long, that shows nothing: black or silent."""
    return BLANKS[medium.kind](medium.bytes)


def blanked(sample: Mapping[str, Any]) -> dict[str, Any]:
    """A record whose media show nothing."""
    return {**sample, "media": [vars(blank(Medium(**medium))) for medium in sample["media"]]}
