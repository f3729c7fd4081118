"""Videos in and out, by PyAV (FFmpeg): which frames of a video are shown, and when.

Time counts from the first frame, by presentation time stamps; a container's start time, edit list or frame rate does
not matter. A video is read twice, one frame in memory at a time: for the times of its frames, then for the pixels of
those that are kept. Two rules say which these are (`Sampling.video_frames`):

- `shown`: the frames on the screen at times 0, 1/rate, 2/rate, ..., before the last frame's end; evenly fewer where
  they exceed `max_frames`.
- `qwen_vl_utils`: those of Qwen's own reader (`fetch_video` of the early qwen_vl_utils; later releases round
  down): duration * rate frames, at least 4, at most `max_frames` and as many as there are, rounded to a
  multiple of 2, evenly spaced from the first frame to the last. At an even frame rate it gives the same frames; the
  duration is by time stamps, so that a blank video gives as many as the video it stands for.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from io import BytesIO
from math import ceil, floor

import av
import numpy as np
from jaxtyping import Float, UInt8
from PIL import Image

from lode.media.medium import Medium, Sampling
from lode.media.picture import opaque

#: Pixels of all frames of a decoded video (64 frames of 3840 x 2160): 1.5 GiB.
MAX_PIXELS = 2**29

#: Within this share of a step, two times are the same: containers round times to a millisecond.
SAME = 1e-6


@dataclass(frozen=True)
class Grid:
    """Places in time that frames are taken from, evenly spaced.

    Attributes:
        indices: places taken, counted from 0.
        total: how many places there are.
        rate: places per second [Hz].
    """

    indices: tuple[int, ...]
    total: int
    rate: float

    @property
    def times(self) -> tuple[float, ...]:
        """When the places taken are [s]."""
        return tuple(index / self.rate for index in self.indices)

    @property
    def sampled_rate(self) -> float:
        """Places taken per second [Hz]."""
        return len(self.indices) / self.total * self.rate


@dataclass(frozen=True)
class Clip:
    """A decoded video: its frames, and the places in time that they stand for."""

    frames: UInt8[np.ndarray, "frame height width 3"]
    grid: Grid


@dataclass(frozen=True)
class Timeline:
    """When the frames of a video are on the screen.

    Attributes:
        times: when each appears, from the first one on [s], rising.
        numbers: of the frames, in the order of decoding.
        end: when the last one goes, or appears where its duration is unknown [s].
    """

    times: Float[np.ndarray, " frame"]
    numbers: tuple[int, ...]
    end: float


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


@contextmanager
def video_stream(data: bytes) -> Iterator[tuple[av.VideoStream, Iterator[av.VideoFrame]]]:
    """The first video stream of a file, and its frames in the order of decoding.

    Raises:
        ValueError: there is none.
    """
    with av.open(BytesIO(data), "r") as container:
        if not container.streams.video:
            held = ", ".join(stream.type for stream in container.streams) or "nothing"
            raise ValueError(f"no video stream in it, only {held}")
        stream = container.streams.video[0]
        yield stream, container.decode(stream)


def stamps(data: bytes) -> tuple[Fraction, list[tuple[int, int, int]]]:
    """The unit of time [s], and of every frame, in the order of time: time stamp, number as decoded, duration.

    Of frames with one and the same time stamp only the last is ever seen.

    Raises:
        ValueError: no frames, or one without a time stamp.
    """
    latest: dict[int, tuple[int, int, int]] = {}
    with video_stream(data) as (stream, frames):
        for number, frame in enumerate(frames):
            if frame.pts is None:
                raise ValueError("a video whose frames have no time stamps; convert it to MP4 or Matroska")
            latest[frame.pts] = (frame.pts, number, frame.duration or 0)
        unit = stream.time_base
    if not latest or unit is None:
        raise ValueError("a video without frames")
    return unit, [latest[stamp] for stamp in sorted(latest)]


def timeline(data: bytes) -> Timeline:
    """When each frame is on the screen."""
    unit, found = stamps(data)
    first, (last, _, duration) = found[0][0], found[-1]
    times = np.array([stamp - first for stamp, *_ in found]) * float(unit)
    return Timeline(times, tuple(number for _, number, _ in found), float((last - first + duration) * unit))


def evenly(count: int, total: int) -> list[int]:
    """`count` of `total` places, evenly spaced from the first to the last."""
    return [int(place) for place in np.linspace(0, total - 1, count).round()]


def shown(line: Timeline, sampling: Sampling) -> tuple[Grid, list[int]]:
    """The rule `shown`: the places taken, and which frame (in the order of time) is on the screen at each."""
    rate = sampling.video_rate
    appear = line.times * rate
    total = max(floor(appear[-1] + SAME) + 1, ceil(line.end * rate - SAME))
    indices = evenly(min(total, sampling.max_frames), total)
    frames = np.searchsorted(appear, np.array(indices) + SAME, side="right") - 1
    return Grid(tuple(indices), total, rate), frames.tolist()


def qwen_vl_utils(line: Timeline, sampling: Sampling) -> tuple[Grid, list[int]]:
    """The rule `qwen_vl_utils`: the places are the frames themselves.

    Raises:
        ValueError: fewer than two frames.
    """
    total = len(line.times)
    most = min(sampling.max_frames, total) // 2 * 2
    count = round(min(max(line.end * sampling.video_rate, 4), most) / 2) * 2
    if count < 2:
        raise ValueError(
            f"{total} frames, of which at most {sampling.max_frames} may be shown; video_frames: qwen_vl_utils takes "
            "two or more. Raise model.max_frames, or set model.video_frames=shown"
        )
    indices = evenly(count, total)
    return Grid(tuple(indices), total, total / line.end), indices


#: How to choose frames, by `Sampling.video_frames`.
RULES: dict[str, Callable[[Timeline, Sampling], tuple[Grid, list[int]]]] = {
    "shown": shown,
    "qwen_vl_utils": qwen_vl_utils,
}


def upright(frame: av.VideoFrame) -> UInt8[np.ndarray, "height width 3"]:
    """The pixels of a frame, turned as the container says; what is transparent is white.

    Raises:
        ValueError: turned by other than quarters.
    """
    if frame.rotation % 90:
        raise ValueError(f"a video turned by {frame.rotation} degrees; expected a multiple of 90")
    if any(component.is_alpha for component in frame.format.components):
        pixels = opaque(frame.to_ndarray(format="rgba"))
    else:
        pixels = frame.to_ndarray(format="rgb24")
    return np.rot90(pixels, frame.rotation // 90)


def pixels_of(data: bytes, numbers: Sequence[int]) -> UInt8[np.ndarray, "frame height width 3"]:
    """The pixels of some frames, given by their numbers in the order of decoding; a frame may be asked for twice.

    Raises:
        ValueError: too many pixels, or frames of several sizes.
    """
    rows: dict[int, list[int]] = {}
    for row, number in enumerate(numbers):
        rows.setdefault(number, []).append(row)
    last, clip = max(numbers), np.empty((0, 0, 0, 3), dtype=np.uint8)
    with video_stream(data) as (_, frames):
        for number, frame in enumerate(frames):
            if number in rows:
                pixels = upright(frame)
                if not clip.size:
                    check_size(len(numbers), pixels.shape)
                    clip = np.empty((len(numbers), *pixels.shape), dtype=np.uint8)
                if pixels.shape != clip.shape[1:]:
                    raise ValueError(f"frames of {clip.shape[1:3]} and of {pixels.shape[:2]} pixels in one video")
                clip[rows[number]] = pixels
            if number == last:
                break
    return clip


def check_size(count: int, shape: Sequence[int]) -> None:
    """Refuse a clip that would not fit in memory."""
    height, width, _ = shape
    if count * height * width > MAX_PIXELS:
        raise ValueError(
            f"{count} frames of {width} x {height} pixels; expected at most {MAX_PIXELS:,} pixels in all. Scale the "
            "video down, or lower model.max_frames or model.video_rate"
        )


def decode_video(data: bytes, sampling: Sampling) -> Clip:
    """The frames that the rule of `sampling` takes, and when they are shown."""
    line = timeline(data)
    grid, frames = RULES[sampling.video_frames](line, sampling)
    return Clip(pixels_of(data, [line.numbers[frame] for frame in frames]), grid)


def blank_video(data: bytes) -> Medium:
    """Black frames, as large and at the same times, in QuickTime, which keeps times and the last duration exactly."""
    unit, found = stamps(data)
    height, width, _ = pixels_of(data, [found[0][1]])[0].shape
    black = av.VideoFrame.from_ndarray(np.zeros((height, width), dtype=np.uint8), format="gray")
    return at_times(unit, found, [black] * len(found))


def changed_video(
    data: bytes, change: Callable[[UInt8[np.ndarray, "height width 3"]], UInt8[np.ndarray, "height width 3"]]
) -> Medium:
    """Changed frames, as large and at the same times as those of a video."""
    unit, found = stamps(data)
    clip = pixels_of(data, [number for _, number, _ in found])
    frames = [av.VideoFrame.from_ndarray(np.ascontiguousarray(change(frame)), format="rgb24") for frame in clip]
    return at_times(unit, found, frames)


def at_times(unit: Fraction, found: Sequence[tuple[int, int, int]], frames: Sequence[av.VideoFrame]) -> Medium:
    """Frames of one size and format at the times of `stamps`, without loss."""
    buffer = BytesIO()
    options = {"video_track_timescale": str(unit.denominator), "fflags": "+bitexact"}
    with av.open(buffer, "w", format="mov", options=options) as container:
        stream = container.add_stream("png", options={"flags": "+bitexact", "threads": "1"})
        stream.width, stream.height, stream.pix_fmt = frames[0].width, frames[0].height, frames[0].format.name
        stream.codec_context.time_base = stream.time_base = unit
        for (stamp, _, duration), frame in zip(found, frames, strict=True):
            frame.pts, frame.time_base = stamp, unit
            for packet in stream.encode(frame):  # a picture a packet: none is held back
                packet.duration = duration
                container.mux(packet)
    return Medium("video", buffer.getvalue(), "video/quicktime")
