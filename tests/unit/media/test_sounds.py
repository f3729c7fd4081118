"""A decoded sound is what is heard; what would be heard wrongly is refused by name."""

from io import BytesIO

import av
import numpy as np
import pytest
import soundfile

from lode.engine.errors import UserError
from lode.media import Medium, Sampling, blank, decode, decode_audio

RATE = 16_000
TONE = (0.5 * np.sin(2 * np.pi * 440 * np.arange(RATE) / RATE)).astype(np.float32)


def wav(sound: np.ndarray, subtype: str) -> bytes:
    buffer = BytesIO()
    soundfile.write(buffer, sound, RATE, format="WAV", subtype=subtype)
    return buffer.getvalue()


def contained(form: str, codec: str, rate: int) -> bytes:
    """A second of 440 Hz in a container that libsndfile does not read."""
    buffer = BytesIO()
    with av.open(buffer, "w", format=form) as container:
        stream = container.add_stream(codec, rate=rate, layout="mono")
        tone = 0.5 * np.sin(2 * np.pi * 440 * np.arange(rate) / rate).astype(np.float32)
        frame = av.AudioFrame.from_ndarray(tone[None], format="fltp", layout="mono")
        frame.rate = rate
        ready = av.AudioResampler(format=stream.format.name, layout=stream.layout.name, rate=rate).resample(frame)
        container.mux([packet for part in ready for packet in stream.encode(part)])
        container.mux(stream.encode(None))
    return buffer.getvalue()


@pytest.mark.parametrize("subtype", ["PCM_U8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE", "ULAW"])
def test_every_number_format_is_the_same_sound(subtype: str) -> None:
    np.testing.assert_allclose(decode_audio(wav(TONE, subtype), Sampling()), TONE, atol=0.02)


def test_integers_stored_as_floating_point() -> None:
    held = wav(np.round(TONE * 32_767), "FLOAT")
    with pytest.raises(
        UserError, match=r"sample s: its audio .* values up to 163.*expected -1 to 1: are they integers"
    ):
        decode("s", Medium("audio", held, "audio/wav"), Sampling())


def test_a_loud_sound_is_not_taken_for_integers() -> None:
    np.testing.assert_array_equal(decode_audio(wav(TONE * 6, "FLOAT"), Sampling()), TONE * 6)


@pytest.mark.parametrize(
    ("form", "codec", "rate"),
    [("mp4", "aac", 44_100), ("adts", "aac", 16_000), ("webm", "libopus", 48_000)],
)
def test_sounds_in_containers(form: str, codec: str, rate: int) -> None:
    """The loudest frequency is that of the tone, and the sound lasts a second, within a codec's frame of 64 ms."""
    data = contained(form, codec, rate)
    sound = decode_audio(data, Sampling(audio_rate=RATE))
    assert abs(len(sound) / RATE - 1) < 0.15
    spectrum = np.abs(np.fft.rfft(sound[: RATE // 2]))
    assert abs(np.argmax(spectrum) * 2 - 440) <= 2
    assert np.abs(sound[2000:-2000]).max() == pytest.approx(0.5, abs=0.05)  # codecs overshoot at the ends
    silence = decode_audio(blank(Medium("audio", data, "audio/x")).bytes, Sampling(audio_rate=RATE))
    assert silence.shape == sound.shape
    assert not silence.any()


def test_a_container_without_sound() -> None:
    buffer = BytesIO()
    with av.open(buffer, "w", format="mp4") as container:
        stream = container.add_stream("mpeg4", rate=1)
        stream.width, stream.height, stream.pix_fmt = 32, 32, "yuv420p"
        picture = av.VideoFrame.from_ndarray(np.zeros((32, 32, 3), dtype=np.uint8), format="rgb24")
        container.mux(stream.encode(picture))
        container.mux(stream.encode(None))
    with pytest.raises(UserError, match=r"sample s: its audio .* does not decode: no audio stream in it"):
        decode("s", Medium("audio", buffer.getvalue(), "video/mp4"), Sampling())
