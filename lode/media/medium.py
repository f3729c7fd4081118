"""What every kind of medium has in common: an encoded file, and how it becomes numbers."""

from dataclasses import dataclass

#: Which frames of a video a model is shown (`lode/media/video.py`).
VIDEO_FRAMES = ("shown", "qwen_vl_utils")


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
        video_frames: which frames, one of `VIDEO_FRAMES`.
    """

    audio_rate: int = 16_000
    video_rate: float = 1.0
    max_frames: int = 64
    video_frames: str = "shown"
