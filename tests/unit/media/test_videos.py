"""The frames of a decoded video are those on the screen at their times, upright, and memory does not grow with it."""

import tracemalloc
from collections.abc import Sequence
from fractions import Fraction
from io import BytesIO

import av
import numpy as np
import pytest
from PIL import Image

from lode.engine.errors import UserError
from lode.media import Medium, Sampling, blank, decode, decode_video, encode_audio
from lode.media.video import RULES, Clip
from lode.shapes import VIDEO_FRAMES

TENTH = Fraction(1, 10)


def video(stamps: Sequence[int], durations: Sequence[int], unit: Fraction = TENTH, codec: str = "png") -> bytes:
    """Frame i is of grey i and appears at `stamps[i]`; QuickTime."""
    buffer, lasts = BytesIO(), dict(zip(stamps, durations, strict=True))
    with av.open(buffer, "w", format="mov", options={"video_track_timescale": str(unit.denominator)}) as container:
        stream = container.add_stream(codec)
        stream.width, stream.height, stream.pix_fmt = 48, 32, "gray" if codec == "png" else "yuv420p"
        stream.codec_context.time_base = stream.time_base = unit
        for number, stamp in enumerate((*stamps, None)):
            frame = av.VideoFrame.from_ndarray(np.full((32, 48), number % 256, dtype=np.uint8), format="gray")
            if stamp is not None:
                frame.pts, frame.time_base = stamp, unit
            for packet in stream.encode(frame if stamp is not None else None):
                packet.duration = lasts[packet.pts]
                container.mux(packet)
    return buffer.getvalue()


def greys(clip: Clip) -> list[int]:
    assert (clip.frames == clip.frames[:, :1, :1, :1]).all()
    return clip.frames[:, 0, 0, 0].tolist()


def test_slides_are_shown_until_the_next_one() -> None:
    """Slides at 0, 2.5 and 4 s, the last for 3 s: at 0, 1, ..., 6 s, slide 0 0 0 1 2 2 2."""
    clip = decode_video(video([0, 25, 40], [25, 15, 30]), Sampling())
    assert greys(clip) == [0, 0, 0, 1, 2, 2, 2]
    assert clip.grid.times == (0, 1, 2, 3, 4, 5, 6)
    assert clip.grid.sampled_rate == 1


def test_one_slide() -> None:
    assert greys(decode_video(video([0], [35]), Sampling())) == [0, 0, 0, 0]
    assert greys(decode_video(video([0], [3]), Sampling())) == [0]


def test_time_counts_from_the_first_frame() -> None:
    """A cut clip whose first frame is at 7.3 s."""
    assert greys(decode_video(video([73, 78, 83, 88], [5] * 4), Sampling())) == [0, 2]


def test_frames_are_never_shown_early() -> None:
    """At 25 frames a second and 3 asked for, 1/3 s is within frame 8 (0.32 to 0.36 s), 2/3 s within frame 16."""
    clip = decode_video(video(range(25), [1] * 25, Fraction(1, 25)), Sampling(video_rate=3.0))
    assert greys(clip) == [0, 8, 16]


def test_longer_than_max_frames_keeps_true_times() -> None:
    """40 s, one frame each second, four kept: 0, 13, 26, 39; four in 40 s are a tenth a second."""
    clip = decode_video(video(range(0, 400, 10), [10] * 40), Sampling(max_frames=4))
    assert greys(clip) == [0, 13, 26, 39]
    assert clip.grid.times == (0, 13, 26, 39)
    assert clip.grid.sampled_rate == pytest.approx(0.1)


def test_a_gap_costs_no_memory() -> None:
    """Two frames eleven days apart: a million seconds, of which 64 are kept."""
    clip = decode_video(video([0, 1_000_000], [1_000_000, 1], Fraction(1)), Sampling())
    assert greys(clip) == [0] * 63 + [1]
    assert clip.grid.total == 1_000_001


def test_memory_is_that_of_the_frames_kept() -> None:
    """3,000 frames of 4.6 kB are 13.8 MB; five are 23 kB. Times of all frames are held too, 200 bytes each."""
    data = video(range(3000), [1] * 3000, Fraction(1, 25))
    tracemalloc.start()
    clip = decode_video(data, Sampling(max_frames=5))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert clip.frames.nbytes == 5 * 48 * 32 * 3
    assert peak < 2_000_000


def test_too_many_pixels(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lode.media.video.MAX_PIXELS", 4 * 48 * 32)
    five = Medium("video", video(range(0, 50, 10), [10] * 5), "video/x")
    with pytest.raises(
        UserError, match=r"sample s: .*5 frames of 48 x 32 pixels; expected at most 6,144 pixels in all"
    ):
        decode("s", five, Sampling())
    assert len(decode("s", five, Sampling(max_frames=4)).frames) == 4


@pytest.mark.parametrize(
    ("num_frames", "rate", "expected"),
    [
        (15, 1.0, [0, 5, 9, 14]),  # 1.5 s: four frames at 0.0, 0.5, 0.9, 1.4 s
        (54, 1.0, [0, 11, 21, 32, 42, 53]),  # 5.4 s: 5.4 / 2 rounds to 3, so six
        (50, 1.0, [0, 16, 33, 49]),  # 5 s: 2.5 rounds to 2, as Python rounds, so four
        (30, 2.0, [0, 6, 12, 17, 23, 29]),  # 3 s, two a second: six
        (3, 1.0, [0, 2]),  # four are not there
    ],
)
def test_frames_as_qwen_vl_utils_takes_them(num_frames: int, rate: float, expected: list[int]) -> None:
    data = video(range(num_frames), [1] * num_frames)
    sampling = Sampling(video_rate=rate, max_frames=768, video_frames="qwen_vl_utils")
    for held in (data, blank(Medium("video", data, "")).bytes):
        grid = decode_video(held, sampling).grid
        assert list(grid.indices) == expected
        assert grid.times == pytest.approx([index / 10 for index in expected])
        assert grid.sampled_rate == pytest.approx(len(expected) / num_frames * 10)
    assert greys(decode_video(data, sampling)) == expected


def test_every_rule_can_be_chosen() -> None:
    assert set(RULES) == set(VIDEO_FRAMES)


def test_qwen_vl_utils_needs_two_frames() -> None:
    one = Medium("video", video([0], [40]), "video/x")
    with pytest.raises(UserError, match=r"sample s: .*1 frames.*takes two or more.*model.video_frames=shown"):
        decode("s", one, Sampling(video_frames="qwen_vl_utils"))


#: Rows 1 and 2 of the display matrix that turns by a quarter, half a turn, three quarters (clockwise), and the corner
#: of the file in which what is shown at the upper left lies.
MATRICES = {
    90: ((0, 1, -1, 0), "lower left"),
    180: ((-1, 0, 0, -1), "lower right"),
    270: ((0, -1, 1, 0), "upper right"),
}


@pytest.mark.parametrize("angle", MATRICES)
def test_the_containers_rotation(angle: int) -> None:
    """A phone held upright: the file lies, and its header says how to turn it."""
    (a, b, c, d), corner = MATRICES[angle]
    pixels = np.zeros((32, 48, 3), dtype=np.uint8)
    rows, columns = {"upper": slice(16), "lower": slice(16, 32)}, {"left": slice(24), "right": slice(24, 48)}
    upper, left = corner.split()
    pixels[rows[upper], columns[left]] = 255
    buffer = BytesIO()
    with av.open(buffer, "w", format="mov") as container:
        stream = container.add_stream("png", rate=1)
        stream.width, stream.height, stream.pix_fmt = 48, 32, "rgb24"
        container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        container.mux(stream.encode(None))
    data = bytearray(buffer.getvalue())
    place = data.index(b"tkhd") + 44  # version, times, ids, ..., then nine numbers
    for offset, value in zip((0, 4, 12, 16), (a, b, c, d), strict=True):
        data[place + offset : place + offset + 4] = (value * 65_536).to_bytes(4, "big", signed=True)
    shown = decode_video(bytes(data), Sampling()).frames[0]
    height, width = (48, 32) if angle % 180 else (32, 48)
    assert shown.shape == (height, width, 3)
    assert (shown[: height // 2, : width // 2] == 255).all()
    assert shown.astype(int).sum() == 255 * 3 * 16 * 24
    assert decode_video(blank(Medium("video", bytes(data), "")).bytes, Sampling()).frames.shape == (1, height, width, 3)


def test_transparent_frames_are_on_white() -> None:
    buffer = BytesIO()
    with av.open(buffer, "w", format="mov") as container:
        stream = container.add_stream("png", rate=1)
        stream.width, stream.height, stream.pix_fmt = 4, 4, "rgba"
        container.mux(stream.encode(av.VideoFrame.from_ndarray(np.zeros((4, 4, 4), dtype=np.uint8), format="rgba")))
        container.mux(stream.encode(None))
    assert (decode_video(buffer.getvalue(), Sampling()).frames == 255).all()


def test_b_frames_in_avi() -> None:
    """Decoded out of order, and AVI gives no presentation times: MSVD's container."""
    buffer = BytesIO()
    with av.open(buffer, "w", format="avi") as container:
        stream = container.add_stream("mpeg4", rate=10)
        stream.width, stream.height, stream.pix_fmt = 48, 32, "yuv420p"
        stream.codec_context.max_b_frames = 2
        for grey in range(0, 240, 16):
            frame = av.VideoFrame.from_ndarray(np.full((32, 48), grey, dtype=np.uint8), format="gray")
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    clip = decode_video(buffer.getvalue(), Sampling(video_rate=5.0))
    assert clip.frames.mean(axis=(1, 2, 3)) == pytest.approx(range(0, 240, 32), abs=4)


def test_a_gif_is_a_video() -> None:
    """Frames for 0.5, 2, 1 and 3 s, each stored as what differs from the one before: at 0, 1, ... s, 0 1 1 2 3 3 3."""
    frames = [Image.new("RGB", (48, 32)) for _ in range(4)]
    for number, frame in enumerate(frames):
        frame.paste((255, 255, 255), (0, 0, 12 * (number + 1), 32))
    buffer = BytesIO()
    frames[0].save(buffer, "GIF", save_all=True, append_images=frames[1:], duration=[500, 2000, 1000, 3000], loop=0)
    gif = Medium("video", buffer.getvalue(), "image/gif")
    clip = decode_video(gif.bytes, Sampling())
    expected = [np.asarray(frames[number]) for number in (0, 1, 1, 2, 3, 3, 3)]
    np.testing.assert_array_equal(clip.frames, expected)
    assert clip.grid.times == decode_video(blank(gif).bytes, Sampling()).grid.times == (0, 1, 2, 3, 4, 5, 6)


def test_no_video_stream() -> None:
    buffer = BytesIO()
    with av.open(buffer, "w", format="mp4") as container:
        stream = container.add_stream("aac", rate=16_000)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 16_000), dtype=np.float32), format="fltp", layout="mono")
        frame.rate = 16_000
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    for data in (buffer.getvalue(), encode_audio(np.zeros(800), 16_000).bytes):
        with pytest.raises(
            UserError, match=r"sample s: its video .* does not decode: no video stream in it, only audio"
        ):
            decode("s", Medium("video", data, "video/mp4"), Sampling())
