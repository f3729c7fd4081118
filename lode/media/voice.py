"""A built-in voice: formant synthesis of words, after Klatt (1980), small enough to read.

A source (glottal pulses, breath noise) runs through three resonators whose frequencies glide from phoneme to
phoneme; hisses and bursts are band-passed noise beside them. Everything is drawn from one random generator, so equal
seeds give equal sounds. Frequencies in Hz, times in seconds, sounds in [-1, 1].
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
import scipy  # its parts load when first used: plans import this module
from jaxtyping import Float

RATE = 16_000
#: Samples between updates of the resonators: 5 ms.
STEP = 80
BANDWIDTHS = (70.0, 100.0, 140.0)

Sound = Float[np.ndarray, " time"]


@dataclass(frozen=True)
class Phoneme:
    """What the voice does during one phoneme.

    Attributes:
        formants: the first three resonances [Hz].
        seconds: how long, at rate 1.
        voiced: strength of the glottal pulses.
        breath: strength of noise through the resonators.
        hiss: strength of band-passed noise beside them.
        band: its lower and upper edge [Hz].
    """

    formants: tuple[int, int, int]
    seconds: float
    voiced: float = 0.0
    breath: float = 0.0
    hiss: float = 0.0
    band: tuple[int, int] = (500, 7500)


def _vowel(f1: int, f2: int, f3: int, seconds: float = 0.15) -> Phoneme:
    return Phoneme((f1, f2, f3), seconds, voiced=1.0)


def _hiss(low: int, high: int, seconds: float, strength: float, voiced: float = 0.0) -> Phoneme:
    return Phoneme((350, 1500, 2500), seconds, voiced=voiced, hiss=strength, band=(low, high))


#: Formants: Peterson and Barney (1952), means of men; of NG those of K and G in Klatt (1980), table III, since nasals
#: are said where the stops of their place are. DH and ZH are TH and SH with a voice, as V is F.
PHONEMES = {
    "IY": _vowel(270, 2290, 3010), "IH": _vowel(390, 1990, 2550, 0.10), "EH": _vowel(530, 1840, 2480, 0.12),
    "AE": _vowel(660, 1720, 2410), "AA": _vowel(730, 1090, 2440), "AO": _vowel(570, 840, 2410),
    "UH": _vowel(440, 1020, 2240, 0.10), "UW": _vowel(300, 870, 2240), "AH": _vowel(640, 1190, 2390, 0.11),
    "ER": _vowel(490, 1350, 1690),
    "M": Phoneme((250, 1000, 2200), 0.08, voiced=0.35), "N": Phoneme((250, 1700, 2600), 0.08, voiced=0.35),
    "L": Phoneme((360, 1300, 2700), 0.07, voiced=0.6), "R": Phoneme((310, 1060, 1380), 0.08, voiced=0.6),
    "W": Phoneme((300, 610, 2200), 0.08, voiced=0.6), "Y": Phoneme((270, 2200, 3000), 0.06, voiced=0.6),
    "HH": Phoneme((500, 1500, 2500), 0.06, breath=0.5),
    "S": _hiss(4500, 7800, 0.12, 0.30), "SH": _hiss(2200, 6000, 0.12, 0.35), "F": _hiss(1500, 7500, 0.10, 0.10),
    "TH": _hiss(2500, 7500, 0.09, 0.08), "Z": _hiss(4500, 7800, 0.10, 0.20, voiced=0.35),
    "V": _hiss(1500, 7500, 0.07, 0.06, voiced=0.4),
    "NG": Phoneme((250, 1990, 2850), 0.08, voiced=0.35), "DH": _hiss(2500, 7500, 0.05, 0.05, voiced=0.4),
    "ZH": _hiss(2200, 6000, 0.09, 0.23, voiced=0.35),
    "-": Phoneme((500, 1500, 2500), 0.05),  # silence before a burst, and between words
    "P": _hiss(500, 1500, 0.02, 0.5), "T": _hiss(3000, 7000, 0.025, 0.5), "K": _hiss(1400, 3000, 0.03, 0.5),
    "B": _hiss(300, 1200, 0.02, 0.3, voiced=0.3), "D": _hiss(2500, 6000, 0.02, 0.3, voiced=0.3),
    "G": _hiss(1200, 2600, 0.025, 0.3, voiced=0.3),
}  # fmt: skip

#: Phonemes of ARPAbet that are several here: glides between two vowels, and bursts after a silence.
SEVERAL = {
    "AY": "AA IH", "AW": "AA UH", "EY": "EH IH", "OW": "AO UH", "OY": "AO IH", "CH": "- T SH", "JH": "- D ZH",
    **{burst: f"- {burst}" for burst in "PTKBDG"},
}  # fmt: skip

#: The words that the voice can say of itself.
WORDS = {
    "zero": "Z IH R AO UH", "one": "W AH N", "two": "- T UW", "three": "TH R IY", "four": "F AO R",
    "five": "F AA IH V", "six": "S IH - K S", "seven": "S EH V AH N", "eight": "EH IH - T", "nine": "N AA IH N",
    "yes": "Y EH S", "no": "N AO UH", "stop": "S - T AA - P", "go": "- G AO UH", "left": "L EH F - T",
    "right": "R AA IH - T", "up": "AH - P", "down": "- D AA UH N", "happy": "HH AE - P IY", "marvin": "M AA R V IH N",
}  # fmt: skip


@dataclass(frozen=True)
class Speaker:
    """How a speaker differs from another.

    Attributes:
        pitch: of the glottal pulses [Hz].
        tract: factor on all formants; a short vocal tract has a large one.
        rate: factor on the speed.
        fall: by how much the pitch falls over an utterance, as a share.
        breathiness: noise beside the pulses.
    """

    pitch: float
    tract: float
    rate: float
    fall: float
    breathiness: float


def random_speaker(rng: np.random.Generator) -> Speaker:
    """A speaker from the range of human voices."""
    size = rng.uniform(0, 1)  # high voices tend to have short vocal tracts
    pitch = 90 * (250 / 90) ** np.clip(size + rng.normal(0, 0.1), 0, 1)
    tract = 0.92 + 0.26 * size + rng.normal(0, 0.02)
    return Speaker(pitch, tract, rng.uniform(0.85, 1.25), rng.uniform(0.0, 0.25), rng.uniform(0.02, 0.15))


def pulses(pitch: Sound, rng: np.random.Generator) -> Sound:
    """Glottal pulses that follow a pitch [Hz] given for every sample, with a little jitter; the spectrum falls 6 dB."""
    phase = np.cumsum(pitch * (1 + 0.01 * rng.standard_normal(len(pitch))) / RATE)
    train = np.diff(np.floor(phase), prepend=0.0)
    return scipy.signal.lfilter([1.0], [1.0, -0.94], train)


def band_noise(num_samples: int, low: int, high: int, rng: np.random.Generator) -> Sound:
    """White noise between two frequencies [Hz], of unit strength."""
    noise = scipy.signal.sosfilt(
        scipy.signal.butter(2, (low, high), "band", fs=RATE, output="sos"), rng.standard_normal(num_samples)
    )
    return noise / (np.std(noise) + 1e-9)


def resonate(source: Sound, formants: Float[np.ndarray, "time 3"]) -> Sound:
    """Run a source through three resonators in a row, updated every `STEP` samples (Klatt 1980, equation 1)."""
    sound = source
    for index, bandwidth in enumerate(BANDWIDTHS):
        filtered, state = np.empty_like(sound), np.zeros(2)
        radius = np.exp(-np.pi * bandwidth / RATE)
        for start in range(0, len(sound), STEP):
            turn = 2 * np.cos(2 * np.pi * formants[start, index] / RATE) * radius
            part = slice(start, start + STEP)
            poles = [1.0, -turn, radius**2]
            filtered[part], state = scipy.signal.lfilter([sum(poles)], poles, sound[part], zi=state)
        sound = filtered
    return sound


def lengths_of(phonemes: Sequence[Phoneme], speaker: Speaker, rng: np.random.Generator) -> list[int]:
    """How long a speaker takes for each phoneme this time [samples]."""
    return [max(STEP, round(RATE * p.seconds * rng.uniform(0.85, 1.15) / speaker.rate)) for p in phonemes]


def articulate(
    phonemes: Sequence[Phoneme], speaker: Speaker, rng: np.random.Generator, lengths: Sequence[int] | None = None
) -> Sound:
    """Speak phonemes; their values glide into each other over some 20 ms.

    Args:
        phonemes: what is said.
        speaker: who speaks.
        rng: of lengths and noise.
        lengths: of each phoneme [samples]; None: those of `lengths_of`.
    """
    lengths = lengths_of(phonemes, speaker, rng) if lengths is None else lengths
    window = np.hanning(2 * (RATE // 50) + 1)
    window /= window.sum()

    def track(values: Sequence[float]) -> Sound:
        steps = np.pad(np.repeat(values, lengths), len(window) // 2, mode="edge")
        return np.convolve(steps, window, mode="valid")

    formants = np.stack([track([p.formants[i] * speaker.tract for p in phonemes]) for i in range(3)], axis=1)
    total = sum(lengths)
    pitch = speaker.pitch * (1 - speaker.fall * np.linspace(0, 1, total))
    voiced, breath = track([p.voiced for p in phonemes]), track([p.breath for p in phonemes])
    noise = rng.standard_normal(total)
    source = voiced * (pulses(pitch, rng) + speaker.breathiness * noise) + breath * noise
    sound = resonate(source, np.minimum(formants, 0.45 * RATE))
    start = 0
    for phoneme, length in zip(phonemes, lengths, strict=True):
        if phoneme.hiss:
            part = slice(start, start + length)
            sound[part] += phoneme.hiss * np.hanning(length) * band_noise(length, *phoneme.band, rng)
        start += length
    return sound


def spoken(arpabet: str) -> str:
    """Phonemes of ARPAbet without stress, with blanks between them, as phonemes of this voice."""
    return " ".join(SEVERAL.get(name, name) for name in arpabet.split())


def say(
    words: Sequence[str], speaker: Speaker, rng: np.random.Generator, known: Mapping[str, str] = MappingProxyType(WORDS)
) -> Sound:
    """Speak words with short pauses.

    Args:
        words: each of `known`.
        speaker: who speaks.
        rng: of lengths and noise.
        known: how words are spoken, in phonemes of this voice.
    """
    names = " - - ".join(known[word] for word in words).split()
    return articulate([PHONEMES[name] for name in names], speaker, rng)


def start_in(sound: Sound, seconds: float, rng: np.random.Generator) -> int:
    """Where in a recording of some length a sound begins [samples]."""
    total = round(seconds * RATE)
    return int(rng.integers(0, total - min(total, len(sound)) + 1))


def record(
    sound: Sound, seconds: float, signal_to_noise: float, rng: np.random.Generator, start: int | None = None
) -> Float[np.ndarray, " recording"]:
    """Place a sound somewhere in a recording of fixed length, with room noise, at a random level.

    Args:
        sound: what is recorded; its end is lost where it is longer than the recording.
        seconds: length of the recording.
        signal_to_noise: in dB, of mean powers.
        rng: of the place, noise and level.
        start: of the sound [samples]; None: that of `start_in`.
    """
    total = round(seconds * RATE)
    sound = sound[:total]
    start = start_in(sound, seconds, rng) if start is None else start
    power = np.sqrt(np.mean(sound**2)) + 1e-9
    room = band_noise(total, 50, 4000, rng) * power * 10 ** (-signal_to_noise / 20)
    room[start : start + len(sound)] += sound
    return (room / np.abs(room).max() * rng.uniform(0.3, 0.9)).astype(np.float32)
