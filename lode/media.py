"""Media files in and out: the one place that encodes and decodes images, sounds and videos.

Pillow reads images, soundfile (libsndfile) sounds, PyAV (FFmpeg) videos. No torch here.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from io import BytesIO
from typing import Any

import av
import numpy as np
import scipy  # its parts load when first used: plans import this module
import soundfile
from jaxtyping import Float, UInt8
from PIL import Image

#: What a decoder raises on damaged input. Pillow: SyntaxError for a broken PNG.
DECODING_ERRORS = (
    OSError,
    SyntaxError,
    ValueError,
    Image.DecompressionBombError,
    soundfile.SoundFileError,
    av.FFmpegError,
)


@dataclass(frozen=True)
class Medium:
    """One image, video or sound, encoded as a file."""

    kind: str
    bytes: bytes
    mime: str


@dataclass(frozen=True)
class Sampling:
    """How a medium becomes numbers; the rates are those that the model was trained with.

    Attributes:
        audio_rate: samples per second of decoded sound [Hz].
        video_rate: frames per second of decoded video [Hz].
        max_frames: at most this many frames; a longer video is sampled evenly.
    """

    audio_rate: int = 16_000
    video_rate: float = 1.0
    max_frames: int = 64


def encode_image(image: Image.Image) -> Medium:
    """Encode an image losslessly."""
    buffer = BytesIO()
    image.save(buffer, format="PNG")
    return Medium("image", buffer.getvalue(), "image/png")


def encode_audio(sound: Float[np.ndarray, " time"], rate: int) -> Medium:
    """Encode a mono sound in [-1, 1] as 16-bit FLAC, the format of LibriSpeech."""
    buffer = BytesIO()
    soundfile.write(buffer, sound, rate, format="FLAC", subtype="PCM_16")
    return Medium("audio", buffer.getvalue(), "audio/flac")


def encode_video(frames: Sequence[Image.Image], rate: int) -> Medium:
    """Encode frames of equal size losslessly (FFV1 in Matroska), `rate` frames per second."""
    buffer = BytesIO()
    with av.open(buffer, "w", format="matroska", options={"fflags": "+bitexact"}) as container:
        stream = container.add_stream("ffv1", rate=rate, options={"flags": "+bitexact", "threads": "1"})
        stream.width, stream.height, stream.pix_fmt = *frames[0].size, "bgr0"
        for image in frames:
            container.mux(stream.encode(av.VideoFrame.from_image(image)))
        container.mux(stream.encode(None))
    return Medium("video", buffer.getvalue(), "video/x-matroska")


def decode_image(data: bytes, sampling: Sampling) -> Image.Image:
    """Every pixel of an image, as RGB."""
    del sampling
    with Image.open(BytesIO(data)) as image:
        return image.convert("RGB")


def decode_audio(data: bytes, sampling: Sampling) -> Float[np.ndarray, " time"]:
    """Mono sound at `sampling.audio_rate`; channels are averaged."""
    sound, rate = soundfile.read(BytesIO(data), dtype="float32", always_2d=True)
    if not len(sound):
        raise ValueError("a sound without samples")
    if not np.isfinite(sound).all():
        raise ValueError("a sound with values that are not finite")
    mono = sound.mean(axis=1)
    if rate != sampling.audio_rate:
        ratio = Fraction(sampling.audio_rate, rate)
        mono = scipy.signal.resample_poly(mono, ratio.numerator, ratio.denominator)
    return np.ascontiguousarray(mono, dtype=np.float32)


def decode_video(data: bytes, sampling: Sampling) -> UInt8[np.ndarray, "frame height width 3"]:
    """The frames shown at times 0, 1/rate, 2/rate, ... of a video; evenly fewer where they exceed `max_frames`."""
    frames: list[np.ndarray] = []
    with av.open(BytesIO(data), "r") as container:
        for frame in container.decode(video=0):
            if frame.time is None:
                raise ValueError("a video whose frames have no time stamps")
            while frame.time * sampling.video_rate >= len(frames) - 1e-6:
                frames.append(frame.to_ndarray(format="rgb24"))
    if not frames:
        raise ValueError("a video without frames")
    keep = np.linspace(0, len(frames) - 1, min(len(frames), sampling.max_frames)).round().astype(int)
    return np.stack([frames[i] for i in keep])


#: How to decode each kind of medium.
DECODERS: dict[str, Callable[[bytes, Sampling], Any]] = {
    "image": decode_image,
    "audio": decode_audio,
    "video": decode_video,
}


def blank_image(data: bytes) -> Medium:
    """A black image of the same size."""
    with Image.open(BytesIO(data)) as image:
        return encode_image(Image.new("RGB", image.size))


def blank_audio(data: bytes) -> Medium:
    """Silence of the same length and rate."""
    sound, rate = soundfile.read(BytesIO(data), dtype="float32", always_2d=True)
    return encode_audio(np.zeros(len(sound)), rate)


def blank_video(data: bytes) -> Medium:
    """Black frames of the same size at the same times, in NUT, which keeps any time exactly."""
    buffer = BytesIO()
    with av.open(BytesIO(data), "r") as shown, av.open(buffer, "w", format="nut") as container:
        source = shown.streams.video[0]
        assert source.time_base is not None, "decode_video takes no video without time stamps"
        stream = container.add_stream("ffv1", options={"flags": "+bitexact", "threads": "1"})
        stream.width, stream.height, stream.pix_fmt = source.width, source.height, "gray"
        stream.codec_context.time_base = source.time_base
        for frame in shown.decode(source):
            black = av.VideoFrame.from_ndarray(np.zeros((frame.height, frame.width), dtype=np.uint8), format="gray")
            black.pts, black.time_base = frame.pts, source.time_base
            container.mux(stream.encode(black))
        container.mux(stream.encode(None))
    return Medium("video", buffer.getvalue(), "video/x-nut")


BLANKS: dict[str, Callable[[bytes], Medium]] = {"image": blank_image, "audio": blank_audio, "video": blank_video}


def blank(medium: Medium) -> Medium:
    """The same kind of medium, as large and as long, that shows nothing: black or silent."""
    return BLANKS[medium.kind](medium.bytes)


def blanked(sample: Mapping[str, Any]) -> dict[str, Any]:
    """A record whose media show nothing."""
    return {**sample, "media": [vars(blank(Medium(**medium))) for medium in sample["media"]]}
