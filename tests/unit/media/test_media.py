"""Blank media: nothing to see or hear, and as large and as long as before."""

from collections.abc import Sequence
from fractions import Fraction
from io import BytesIO

import av
import numpy as np
import pytest
import soundfile
from PIL import Image

from lode.media import (
    Medium,
    Sampling,
    blank,
    decode_audio,
    decode_image,
    decode_video,
    encode_audio,
    encode_image,
    encode_video,
)

RNG = np.random.default_rng(0)


def picture(width: int, height: int) -> Image.Image:
    return Image.fromarray(RNG.integers(0, 256, (height, width, 3), dtype=np.uint8))


@pytest.mark.parametrize(
    ("mode", "form"), [("RGB", "PNG"), ("RGB", "JPEG"), ("L", "PNG"), ("P", "GIF"), ("RGBA", "PNG")]
)
def test_a_blank_image_is_black_and_of_the_same_size(mode: str, form: str) -> None:
    buffer = BytesIO()
    picture(37, 21).convert(mode).save(buffer, form)
    shown = blank(Medium("image", buffer.getvalue(), "image/x"))
    image = decode_image(shown.bytes, Sampling())
    assert (shown.kind, shown.mime, image.size) == ("image", "image/png", (37, 21))
    assert not np.asarray(image).any()


@pytest.mark.parametrize(("rate", "channels"), [(16_000, 1), (44_100, 2), (8_000, 1)])
def test_a_blank_sound_is_silent_and_as_long(rate: int, channels: int) -> None:
    """At its own rate, so that it is as long at the model's rate too."""
    buffer = BytesIO()
    soundfile.write(buffer, RNG.uniform(-0.5, 0.5, (12_345, channels)), rate, format="WAV")
    shown = blank(Medium("audio", buffer.getvalue(), "audio/wav"))
    assert soundfile.info(BytesIO(shown.bytes)).samplerate == rate
    before, after = (decode_audio(data, Sampling(audio_rate=16_000)) for data in (buffer.getvalue(), shown.bytes))
    assert before.any()
    assert not after.any()
    assert before.shape == after.shape


def timed_video(times: Sequence[int], base: Fraction, form: str) -> bytes:
    """Noise shown at these times, in units of `base`."""
    buffer = BytesIO()
    with av.open(buffer, "w", format=form) as container:
        stream = container.add_stream("ffv1")
        stream.width, stream.height, stream.pix_fmt = 37, 21, "bgr0"
        stream.codec_context.time_base = base
        for time in times:
            frame = av.VideoFrame.from_image(picture(37, 21))
            frame.pts, frame.time_base = time, base
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return buffer.getvalue()


def frames_of(data: bytes) -> list[tuple[float, int, int, bool]]:
    """Time and size of every frame, and whether anything is seen on it."""
    with av.open(BytesIO(data)) as container:
        return [
            (frame.time, frame.width, frame.height, bool(frame.to_ndarray(format="rgb24").any()))
            for frame in container.decode(video=0)
            if frame.time is not None
        ]


@pytest.mark.parametrize(
    ("times", "base"),
    [
        (range(0, 60 * 1001, 1001), Fraction(1, 30_000)),  # 29.97 frames per second
        ([0, 3, 4, 90_001, 180_002, 269_999], Fraction(1, 90_000)),  # frames of different lengths
        ([0], Fraction(1, 25)),
    ],
    ids=["29.97", "uneven", "one frame"],
)
def test_a_blank_video_has_black_frames_at_the_same_times(times: Sequence[int], base: Fraction) -> None:
    """Exactly: a time rounded to the millisecond may fall on the other side of a second, and change the sampling."""
    data = timed_video(times, base, "nut")
    shown = blank(Medium("video", data, "video/x"))
    before, after = frames_of(data), frames_of(shown.bytes)
    assert len(before) == len(times)
    assert [frame[:3] for frame in after] == [frame[:3] for frame in before]
    assert all(seen for *_, seen in before)
    assert not any(seen for *_, seen in after)
    for rate in (0.5, 1.0, 2.0, 8.0):
        sampled = [decode_video(d, Sampling(video_rate=rate)).grid for d in (data, shown.bytes)]
        assert sampled[0] == sampled[1]


def test_blanks_of_our_own_encoders() -> None:
    video = blank(encode_video([picture(64, 48) for _ in range(5)], rate=2))
    assert decode_video(video.bytes, Sampling(video_rate=2.0)).frames.shape == (5, 48, 64, 3)
    assert not decode_video(video.bytes, Sampling()).frames.any()
    assert blank(encode_image(picture(8, 9))) == encode_image(Image.new("RGB", (8, 9)))
    assert blank(encode_audio(RNG.uniform(-1, 1, 100), 16_000)) == encode_audio(np.zeros(100), 16_000)


def test_equal_media_give_equal_blanks() -> None:
    """Byte for byte, so that a table made twice is the same file."""
    media = [encode_video([picture(16, 16)] * 3, 1), encode_image(picture(5, 5)), encode_audio(np.ones(10) / 2, 8_000)]
    assert [blank(medium) for medium in media] == [blank(medium) for medium in media]
