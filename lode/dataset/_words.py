"""One word in three forms, for the datasets of words: told in a sentence, drawn, or spoken, beside one question."""

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from PIL import Image

from lode.dataset import Sample
from lode.dataset._toy_signs import render
from lode.dataset._toy_voices import NUM_SPEAKERS, speak, voice_facts
from lode.engine.errors import unknown_name
from lode.media import Medium, encode_audio, encode_image
from lode.media.voice import RATE, record

FORMS = ("text", "image", "speech")
SECONDS = 2.0
SENTENCES = (
    "The word: {}",
    "A word: {}",
    "Here is a word: {}",
    "Here is the word {}.",
    "This is the word {}.",
    "It is the word {}.",
    "The next word is {}.",
    "Take the word {}.",
    "It says {}.",
    "A note says: {}",
    "Somebody wrote {}.",
    "Somebody said: {}",
    "They call it {}.",
    "I hear {}.",
    "We read {}.",
    "{}.",
)
Draw = Callable[[str, random.Random], Image.Image]
CASES = (str.lower, str.upper, str.capitalize)


@dataclass(frozen=True)
class Item:
    """A word and what is asked about it, whatever the form.

    Attributes:
        word: in small letters.
        drawn: how an image shows it.
        sentence: how a text tells it.
        question: beside the image or recording, and below the text.
        answer: the only one.
    """

    word: str
    drawn: str
    sentence: str
    question: str
    answer: str

    @property
    def text(self) -> str:
        """Sentence and question: the prompt of the form `text`, and what an item is known by."""
        return f"{self.sentence}\n{self.question}"


@dataclass(frozen=True)
class Teller:
    """What turns items into samples of one dataset and form; drawings and recordings depend on dataset and item alone.

    Attributes:
        dataset: its name.
        form: one of `FORMS`.
        voice: of speech, `formant` or `espeak`.
        known: how the built-in voice speaks each word.
        draw: of what an image shows.
        facts: of the `meta` of every sample.
    """

    dataset: str
    form: str
    voice: str
    known: Mapping[str, str]
    draw: Draw
    facts: Mapping[str, object]

    def sample(self, item: Item, split: str) -> Sample:
        """The item as a sample of a split."""
        return Sample(
            sample_id=f"{self.dataset}-{random.Random(item.text).getrandbits(48):012x}",
            cluster_id=item.word,
            split=split,
            prompt=item.text if self.form == "text" else item.question,
            answers=(item.answer,),
            media=self._media(item),
            meta={**self.facts, "item": item.text},
        )

    def _media(self, item: Item) -> tuple[Medium, ...]:
        seed = f"{self.dataset}|{item.text}"
        if self.form == "text":
            return ()
        if self.form == "image":
            return (encode_image(self.draw(item.drawn, random.Random(seed))),)
        return (self._recording(item.word, np.random.default_rng(list(seed.encode()))),)

    def _recording(self, word: str, rng: np.random.Generator) -> Medium:
        """The word spoken by one of the speakers of `toy_speech`."""
        sound = speak([word], self.voice, int(rng.integers(NUM_SPEAKERS)), rng, self.known)
        return encode_audio(record(sound, SECONDS, rng.uniform(8, 30), rng), RATE)


def teller_of(dataset: str, form: str, voice: str, known: Mapping[str, str], draw: Draw = render) -> Teller:
    """A `Teller` whose form and voice there are.

    Raises:
        UserError: no such form or voice, or the voice is not installed.
    """
    if form not in FORMS:
        raise unknown_name("form", form, FORMS)
    return Teller(dataset, form, voice, known, draw, {"form": form, **(voice_facts(voice) if form == "speech" else {})})
