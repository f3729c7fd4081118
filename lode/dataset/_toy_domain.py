"""Things in the pictures of five domains, and the one bank of questions that all of them are asked.

A picture of 56 x 56 pixels holds up to five things, small or large, on the left or on the right, and now and then
something that is no thing. Every question has one of two forms, "how many ...?" and "is there a ...?", and its words
name no domain; the questions and their answers come in the same order in every domain, so that a prompt cannot tell
which domain it is of. What a thing looks like is all that differs. With `prompts: own` the same questions about the
same pictures are worded for their domain.

Pictures are held out by their pixels: equal pictures are in one split, and no split holds one twice.
"""

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageDraw

from lode.dataset import Sample
from lode.dataset._splits import split_of, word_of
from lode.engine.errors import unknown_name
from lode.media import encode_image

SIDE = 56
#: The rows above hold no thing.
TOP = 8
NUM_ROWS, NUM_COLUMNS = 3, 2
MOST_THINGS = 5
#: Half-widths [pixels]; a thing is twice that and one wide.
RADII = {"small": (2, 3), "large": (5, 6)}
SIDES = ("left", "right")
COUNTS = ("zero", "one", "two", "three")
PROMPTS = ("shared", "own")
#: How often a place that holds no thing holds something else.
FILLED = 0.35
COUNT = ("how many {} are there?", "how many {} can be seen?", "how many {} do you see?")
EXISTS = ("is there a {}?", "is there a {} to be seen?", "is there a {} here?")
#: What is asked for: all things, those of a size, or those of a side; one of them as words.
ASKED = {"any": "{}", "small": "small {}", "large": "large {}", "left": "{} on the left", "right": "{} on the right"}


class Place(NamedTuple):
    """A free place: its centre, and the half-width that something there may have [pixels]."""

    x: int
    y: int
    radius: int


class Thing(NamedTuple):
    """What is counted: where its centre is, its half-width [pixels], and what may be asked of it."""

    x: int
    y: int
    radius: int
    side: str
    size: str


class Question(NamedTuple):
    """A question of either form, and the answer that the picture must give."""

    wording: str
    asked: str
    answer: str


Paint = Callable[[ImageDraw.ImageDraw, Sequence[Thing], Sequence[Place], random.Random], None]


@dataclass(frozen=True)
class Domain:
    """What a domain adds to the shared part.

    Attributes:
        name: of `meta.domain`.
        noun: what its own prompts call a thing.
        scene: how its own prompts begin.
        paint: draws things, and something else at other places.
        speckle: standard deviation of the noise of a pixel [grey levels].
    """

    name: str
    noun: str
    scene: str
    paint: Paint
    speckle: float


def questions(split: str, seed: int) -> Iterator[Question]:
    """Questions without an end: forms, wordings and what is asked all alike, and within a form the answers too."""
    rng = random.Random(f"toy_domain|{seed}|{word_of(split)}")
    while True:
        wording = rng.choice(rng.choice((COUNT, EXISTS)))
        asked = rng.choice(list(ASKED))
        yield Question(wording, asked, rng.choice(COUNTS if wording in COUNT else ("yes", "no")))


def prompt_of(question: Question, noun: str = "thing", scene: str = "") -> str:
    """The question in words."""
    many = question.wording in COUNT
    return scene + question.wording.format(ASKED[question.asked].format(f"{noun}s" if many else noun))


def answer_of(question: Question, things: Sequence[Thing]) -> str:
    """What a picture of these things answers; empty for more of them than there is a word for."""
    count = sum(question.asked in ("any", thing.side, thing.size) for thing in things)
    if question.wording in EXISTS:
        return "yes" if count else "no"
    return COUNTS[count] if count < len(COUNTS) else ""


def within(place: int, radius: int, rng: random.Random) -> tuple[int, int]:
    """A centre within one of the six places, a pixel or more from its edge."""
    row, column = divmod(place, NUM_COLUMNS)
    height, width = (SIDE - TOP) // NUM_ROWS, SIDE // NUM_COLUMNS
    x = rng.randint(radius + 1, width - radius - 2)
    y = rng.randint(radius + 1, height - radius - 2)
    return column * width + x, TOP + row * height + y


def layout(question: Question, rng: random.Random) -> tuple[list[Thing], list[Place]]:
    """Things that give the answer, up to five at random places, and places of what is no thing."""
    while True:
        order = rng.sample(range(NUM_ROWS * NUM_COLUMNS), NUM_ROWS * NUM_COLUMNS)
        num_things = rng.randint(0, MOST_THINGS)
        things = []
        for place in order[:num_things]:
            size = rng.choice(list(RADII))
            radius = rng.choice(RADII[size])
            things.append(Thing(*within(place, radius, rng), radius, SIDES[place % NUM_COLUMNS], size))
        if answer_of(question, things) == question.answer:
            break
    filled = [place for place in order[num_things:] if rng.random() < FILLED]
    radii = [rng.choice(RADII[rng.choice(list(RADII))]) for _ in filled]
    return things, [Place(*within(p, r, rng), r) for p, r in zip(filled, radii, strict=True)]


def picture(domain: Domain, things: Sequence[Thing], others: Sequence[Place], rng: random.Random) -> Image.Image:
    """Paint a picture of 56 x 56 pixels, and speckle it."""
    image = Image.new("RGB", (SIDE, SIDE))
    domain.paint(ImageDraw.Draw(image), things, others, rng)
    noise = np.random.default_rng(rng.getrandbits(48)).normal(0, domain.speckle, (SIDE, SIDE, 1))
    return Image.fromarray(np.clip(np.asarray(image) + noise, 0, 255).astype(np.uint8))


def candidates(
    domain: Domain, question: Question, rng: random.Random
) -> Iterator[tuple[str, list[Thing], Image.Image]]:
    """Pictures without an end that give the answer: the digest of the pixels, what they show, and themselves."""
    while True:
        things, others = layout(question, rng)
        image = picture(domain, things, others, rng)
        yield sha256(image.tobytes()).hexdigest(), things, image


def domain_samples(domain: Domain, split: str, num_samples: int, seed: int, prompts: str) -> Iterator[Sample]:
    """Samples of one domain; equal arguments give equal bytes on one machine.

    Args:
        domain: whose.
        split: `train`, `mine` or `test`.
        num_samples: how many.
        seed: of the split and of the draw.
        prompts: `shared`: words that name no domain; `own`: the same questions in words of the domain.
    """
    if prompts not in PROMPTS:
        raise unknown_name("prompts", prompts, PROMPTS)
    words = {} if prompts == "shared" else {"noun": domain.noun, "scene": domain.scene}
    rng = random.Random(f"toy_{domain.name}|{seed}|{word_of(split)}")
    seen: set[str] = set()
    for question, _ in zip(questions(split, seed), range(num_samples), strict=False):
        digest, things, image = next(
            shown
            for shown in candidates(domain, question, rng)
            if shown[0] not in seen and split_of(shown[0], seed) == split
        )
        seen.add(digest)
        name = f"toy_{domain.name}-{digest[:16]}"
        form = "count" if question.wording in COUNT else "exists"
        meta = {"domain": domain.name, "form": form, "asked": question.asked, "things": [t[3:] for t in things]}
        prompt, media = prompt_of(question, **words), (encode_image(image),)
        yield Sample(name, name, split, prompt, (question.answer,), media, meta=dict(meta))
