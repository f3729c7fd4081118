"""Sounds in and out: soundfile (libsndfile) reads audio files; PyAV (FFmpeg) what lies in a container of FFmpeg's."""

from fractions import Fraction
from io import BytesIO

import av
import numpy as np
import scipy  # its parts load when first used: plans import this module
import soundfile
from jaxtyping import Float

from lode.media.medium import Medium, Sampling

#: Samples reach from -1 to 1, and loud ones of lossy or floating-point files a little beyond.
MAX_PEAK = 8.0


def encode_audio(sound: Float[np.ndarray, " time"], rate: int) -> Medium:
    """Encode a mono sound in [-1, 1] as 16-bit FLAC, the format of LibriSpeech."""
    buffer = BytesIO()
    soundfile.write(buffer, sound, rate, format="FLAC", subtype="PCM_16")
    return Medium("audio", buffer.getvalue(), "audio/flac")


def in_container(data: bytes) -> bool:
    """Whether the file is MP4 (m4a), Matroska (WebM) or bare AAC, none of which libsndfile reads."""
    bare_aac = data[:1] == b"\xff" and len(data) > 1 and data[1] & 0xF6 == 0xF0
    return data[4:8] == b"ftyp" or data[:4] == b"\x1aE\xdf\xa3" or bare_aac


def read_container(data: bytes) -> tuple[Float[np.ndarray, "time channel"], int]:
    """Samples and rate of the first audio stream."""
    with av.open(BytesIO(data), "r") as container:
        if not container.streams.audio:
            raise ValueError("no audio stream in it")
        stream = container.streams.audio[0]
        planar = av.AudioResampler(format="fltp")
        parts = [part.to_ndarray() for frame in container.decode(stream) for part in planar.resample(frame)]
        rate = stream.rate
    if not parts:
        raise ValueError("a sound without samples")
    return np.concatenate(parts, axis=1).T, rate


def read(data: bytes) -> tuple[Float[np.ndarray, "time channel"], int]:
    """Samples and rate of a sound.

    Raises:
        ValueError: no samples, or values that are not finite or far outside [-1, 1].
    """
    if in_container(data):
        sound, rate = read_container(data)
    else:
        sound, rate = soundfile.read(BytesIO(data), dtype="float32", always_2d=True)
    if not len(sound):
        raise ValueError("a sound without samples")
    if not np.isfinite(sound).all():
        raise ValueError("a sound with values that are not finite")
    peak = np.abs(sound).max()
    if peak > MAX_PEAK:
        raise ValueError(
            f"a sound with values up to {peak:g}, expected -1 to 1: are they integers, stored as floating-point "
            "numbers? Then divide them (16-bit ones by 32768) and save it again"
        )
    return sound, rate


def decode_audio(data: bytes, sampling: Sampling) -> Float[np.ndarray, " time"]:
    """Mono sound at `sampling.audio_rate`; channels are averaged."""
    sound, rate = read(data)
    mono = sound.mean(axis=1)
    if rate != sampling.audio_rate:
        ratio = Fraction(sampling.audio_rate, rate)
        mono = scipy.signal.resample_poly(mono, ratio.numerator, ratio.denominator)
    return np.ascontiguousarray(mono, dtype=np.float32)


def blank_audio(data: bytes) -> Medium:
    """Silence of the same length and rate."""
    sound, rate = read(data)
    return encode_audio(np.zeros(len(sound)), rate)
