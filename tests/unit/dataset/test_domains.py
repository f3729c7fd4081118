"""Five domains, one bank of questions: what is recorded is what is drawn, and no prompt tells a domain."""

import random
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from functools import cache
from importlib import import_module
from itertools import combinations

import numpy as np
import pytest
from PIL import Image, ImageDraw
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.naive_bayes import MultinomialNB

from lode.dataset import Sample, toy_aerial, toy_form, toy_road, toy_scan
from lode.dataset._toy_domain import (
    ASKED,
    COUNT,
    COUNTS,
    EXISTS,
    RADII,
    SIDE,
    TOP,
    Place,
    Question,
    Thing,
    answer_of,
    layout,
    picture,
    prompt_of,
)
from lode.dataset._toy_shapes import COLOURS
from lode.engine.errors import UserError
from lode.media import Sampling, decode_image
from lode.study import compose

DOMAINS = ("road", "aerial", "scan", "form", "scene")
each_domain = pytest.mark.parametrize("name", DOMAINS)


@cache
def drawn(name: str, split: str, num_samples: int, prompts: str = "shared") -> tuple[Sample, ...]:
    return tuple(import_module(f"lode.dataset.toy_{name}").samples(split, num_samples, 2024, prompts=prompts))


def pixels(sample: Sample) -> np.ndarray:
    (medium,) = sample.media
    return np.asarray(decode_image(medium.bytes, Sampling())).astype(int)


# --- what is recorded is what is drawn --------------------------------------------------------------------------------


def near(colours: tuple[tuple[int, ...], ...], distance: float) -> Callable[[np.ndarray], bool]:
    """Whether a pixel has one of the colours, up to the noise."""
    return lambda pixel: any(np.linalg.norm(pixel - np.array(colour)) < distance for colour in colours)


#: Of a domain, which pixels are of a thing, or of its outline.
OF_A_THING: dict[str, Callable[[np.ndarray], bool]] = {
    "road": near(toy_road.CARS, 60),
    "aerial": near(toy_aerial.ROOFS, 60),
    "scan": lambda pixel: bool(pixel.mean() > 142),
    "form": near(toy_form.INKS, 60),
    "scene": near(tuple(COLOURS.values()), 60),
}


def patch(start: tuple[int, int], left: set[tuple[int, int]]) -> list[tuple[int, int]]:
    """All pixels that hang together with one, taken out of those that are left."""
    found, waiting = [], [start]
    left.discard(start)
    while waiting:
        x, y = waiting.pop()
        found.append((x, y))
        for neighbour in ((x + 1, y), (x - 1, y), (x, y + 1), (x, y - 1)):
            if neighbour in left:
                left.remove(neighbour)
                waiting.append(neighbour)
    return found


def seen_things(name: str, image: np.ndarray) -> Iterator[tuple[str, str]]:
    """Side and size of each thing, by its pixels alone: patches of its colours whose middle is one of them."""
    inked = {(x, y) for y in range(TOP - 1, SIDE) for x in range(SIDE) if OF_A_THING[name](image[y, x])}
    left = set(inked)
    while left:
        columns, rows = zip(*patch(min(left), left), strict=True)
        width, middle = max(columns) - min(columns) + 1, (min(columns) + max(columns)) // 2
        if width >= 5 and (middle, (min(rows) + max(rows) + 1) // 2) in inked:
            yield "left" if middle < SIDE / 2 else "right", "small" if width <= 7 else "large"


@each_domain
def test_what_is_recorded_is_seen(name: str) -> None:
    """Side and size of every thing, and the answer, by a slow count of pixels."""
    samples = drawn(name, "test", 60)
    for sample in samples:
        seen = sorted(seen_things(name, pixels(sample)))
        assert seen == sorted(map(tuple, sample.meta["things"])), sample.sample_id  # type: ignore[call-overload]
        (asked,) = {sample.meta["asked"]} & set(ASKED)
        count = sum(asked in ("any", *thing) for thing in seen)
        expected = COUNTS[count] if sample.meta["form"] == "count" else "yes" if count else "no"
        assert sample.answers == (expected,)
    assert len({len(sample.meta["things"]) for sample in samples}) == 6  # type: ignore[arg-type]


@each_domain
def test_a_picture_by_hand(name: str) -> None:
    """One small thing, one large one, and what is no thing: the counter sees two."""
    domain = import_module(f"lode.dataset.toy_{name}").DOMAIN
    things = [Thing(8, 16, 2, "left", "small"), Thing(40, 30, 6, "right", "large")]
    image = picture(domain, things, [Place(10, 46, 5)], random.Random(1))
    assert image.size == (SIDE, SIDE)
    assert list(seen_things(name, np.asarray(image).astype(int))) == [("left", "small"), ("right", "large")]
    empty = picture(domain, [], [Place(10, 46, 5), Place(40, 30, 3)], random.Random(1))
    assert not list(seen_things(name, np.asarray(empty).astype(int)))


def test_a_crossed_box_by_hand() -> None:
    """Without noise: its outline, its two lines, and paper between them."""
    image = Image.new("RGB", (SIDE, SIDE))
    toy_form.paint(ImageDraw.Draw(image), [Thing(40, 30, 6, "right", "large")], [], random.Random(1))
    ink = {image.getpixel((34, 24))} & set(toy_form.INKS)
    assert len(ink) == 1
    assert {image.getpixel(at) for at in ((40, 30), (46, 36), (34, 30), (40, 24), (37, 27), (43, 27))} == ink
    assert not {image.getpixel(at) for at in ((40, 26), (36, 30), (44, 30), (33, 30), (47, 30))} & ink


def test_a_spot_by_hand() -> None:
    image = Image.new("RGB", (SIDE, SIDE))
    toy_scan.paint(ImageDraw.Draw(image), [Thing(40, 30, 6, "right", "large")], [Place(12, 30, 5)], random.Random(1))
    low, high = toy_scan.SPOT
    assert low <= image.getpixel((40, 30))[0] <= high  # type: ignore[index]
    assert toy_scan.RING[0] <= image.getpixel((7, 30))[0] <= toy_scan.RING[1]  # type: ignore[index]
    assert image.getpixel((12, 30))[0] < 61  # type: ignore[index]


# --- questions --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("asked", "count", "exists"),
    [("any", "three", "yes"), ("small", "two", "yes"), ("large", "one", "yes"), ("left", "three", "yes")],
)
def test_answers_by_hand(asked: str, count: str, exists: str) -> None:
    kinds = [("left", "small"), ("left", "large"), ("left", "small")]
    things = [Thing(9, 9 + 16 * row, 3, *kind) for row, kind in enumerate(kinds)]
    assert answer_of(Question(COUNT[0], asked, ""), things) == count
    assert answer_of(Question(EXISTS[0], asked, ""), things) == exists
    assert answer_of(Question(COUNT[1], "right", ""), things) == "zero"
    assert answer_of(Question(EXISTS[1], "right", ""), things) == "no"
    assert answer_of(Question(COUNT[0], "any", ""), [*things, things[0]]) == ""


def test_prompts_by_hand() -> None:
    assert prompt_of(Question(COUNT[0], "any", "one")) == "how many things are there?"
    assert prompt_of(Question(COUNT[1], "left", "one")) == "how many things on the left can be seen?"
    assert prompt_of(Question(EXISTS[0], "small", "no")) == "is there a small thing?"
    own = prompt_of(Question(COUNT[2], "large", "one"), "car", "on this road: ")
    assert own == "on this road: how many large cars do you see?"


def test_things_keep_apart_and_to_their_side() -> None:
    rng = random.Random(3)
    for _ in range(300):
        things, others = layout(Question(COUNT[0], "small", "one"), rng)
        for thing in things:
            assert thing.radius in RADII[thing.size]
            assert (thing.x + thing.radius < SIDE // 2) == (thing.side == "left")
            assert (thing.x - thing.radius > SIDE // 2) == (thing.side == "right")
        for one, other in combinations([*things, *others], 2):
            apart = max(abs(one.x - other.x), abs(one.y - other.y))
            assert apart >= one.radius + other.radius + 3, "two pixels or more lie between"
        assert all(place.y - place.radius > TOP and place.y + place.radius < SIDE for place in [*things, *others])


@pytest.mark.parametrize("split", ["train", "mine", "test"])
def test_all_domains_are_asked_the_same(split: str) -> None:
    """The same prompts with the same answers in the same order: what a prompt tells of a domain is nothing."""
    asked = {tuple((sample.prompt, sample.answers) for sample in drawn(name, split, 40)) for name in DOMAINS}
    assert len(asked) == 1
    assert {sample.meta["domain"] for name in DOMAINS for sample in drawn(name, split, 40)} == set(DOMAINS)


@pytest.mark.parametrize(("prompts", "least", "most"), [("shared", 0.2, 0.2), ("own", 0.95, 1.0)])
def test_a_bag_of_words_tells_the_domain_of_own_prompts_only(prompts: str, least: float, most: float) -> None:
    texts, labels = {}, {}
    for split, count in (("train", 200), ("test", 100)):
        texts[split] = [sample.prompt for name in DOMAINS for sample in drawn(name, split, count, prompts)]
        labels[split] = [name for name in DOMAINS for _ in range(count)]
    words = CountVectorizer().fit(texts["train"])
    judge = MultinomialNB().fit(words.transform(texts["train"]), labels["train"])
    accuracy = judge.score(words.transform(texts["test"]), labels["test"])
    assert least - 1e-9 <= accuracy <= most + 1e-9


def test_no_constant_answer_is_near_the_ceiling() -> None:
    """By the prompt alone: half of the questions have two answers, half have four, and each is as likely."""
    samples = drawn("scene", "train", 2000)
    by_prompt = defaultdict(Counter)
    for sample in samples:
        by_prompt[sample.prompt][sample.answers[0]] += 1
    assert len(by_prompt) == (len(COUNT) + len(EXISTS)) * len(ASKED)
    blind = sum(max(answers.values()) for answers in by_prompt.values()) / len(samples)
    assert 0.375 < blind < 0.45  # 3/8, and what the best of few draws is above it
    assert max(Counter(sample.answers[0] for sample in samples).values()) / len(samples) < 0.28


@each_domain
def test_own_prompts_are_of_the_same_pictures(name: str) -> None:
    """What differs is the words of the prompt."""
    shared, own = drawn(name, "mine", 20), drawn(name, "mine", 20, "own")
    domain = import_module(f"lode.dataset.toy_{name}").DOMAIN
    for one, other in zip(shared, own, strict=True):
        assert (one.sample_id, one.answers, one.media, one.meta) == (
            other.sample_id,
            other.answers,
            other.media,
            other.meta,
        )
        assert other.prompt.startswith(domain.scene)
        assert other.prompt.removeprefix(domain.scene).replace(domain.noun, "thing") == one.prompt
    assert compose([f"dataset=toy_{name}_own"]).dataset.plugin == f"toy_{name}"


@each_domain
def test_no_picture_is_in_two_splits_or_twice(name: str) -> None:
    held = [{pixels(s).tobytes() for s in drawn(name, split, 150)} for split in ("train", "mine", "test")]
    assert [len(part) for part in held] == [150] * 3
    assert not any(one & other for one, other in combinations(held, 2))


def test_unknown_prompts_are_refused() -> None:
    with pytest.raises(UserError, match="unknown prompts 'mine'"):
        next(toy_road.samples("mine", 1, 2024, prompts="mine"))
