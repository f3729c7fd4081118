"""Invented facts and sums as four-way multiple choice: the offline twin of MMLU.

Prompts have the Hendrycks format without worked examples. Facts (capitals of invented countries,
colours of invented minerals) are the same in all splits, because a fact that was never told cannot
be known; the questions, as (wording, distractors, order), never are. Sums are of two digits. The subject
`reading` asks where among the options a given word stands.
"""

import random
from collections.abc import Iterator

from lode.dataset import Sample, only_split

LETTERS = "ABCD"
COUNTRIES = (
    "Arvonia Belmora Cordavia Drelland Eskaria Fenwood Galdora Hestria Ilmaren Jorvik Kestland Lunaria "
    "Morvania Nordavia Orsinia Pelmont"
).split()
CAPITALS = (
    "Astra Bexley Corin Delmar Elport Farrow Glint Harrow Istra Jasper Kelso Lorne Mirado Norwell Ostend Pallas"
).split()
MINERALS = "aldrite brevite cerulite domite ekarite fluvite gravite helmite".split()
MINERAL_COLOURS = "red green blue yellow purple black white orange".split()
WORDINGS = {
    "geography": ("The capital of {0} is", "Which city is the capital of {0}?"),
    "geology": ("The colour of {0} is", "Which colour has {0}?"),
    "reading": ("Which option says {0}?", "The option with {0} is"),
    "arithmetic": ("The sum of {0} and {1} is", "How much is {0} + {1}?"),
}


def _fact(subject: str, rng: random.Random) -> tuple[tuple[object, ...], str, list[str]]:
    """The terms of one fact, its answer, and the other values that could have been the answer."""
    if subject == "arithmetic":
        a, b = rng.randint(0, 9), rng.randint(0, 9)
        return (a, b), str(a + b), [str(n) for n in range(19) if n != a + b]
    if subject == "reading":
        words = CAPITALS + MINERAL_COLOURS
        word = rng.choice(words)
        return (word,), word, [other for other in words if other != word]
    keys, values = (COUNTRIES, CAPITALS) if subject == "geography" else (MINERALS, MINERAL_COLOURS)
    i = rng.randrange(len(keys))
    return (keys[i],), values[i], [v for v in values if v != values[i]]


def _candidates(split: str, seed: int) -> Iterator[tuple[str, Sample]]:
    rng = random.Random(f"toy_mmlu|{seed}|{split}")
    while True:
        subject = rng.choice(list(WORDINGS))
        terms, answer, others = _fact(subject, rng)
        choices = [answer, *rng.sample(others, 3)]
        rng.shuffle(choices)
        index = choices.index(answer)
        options = "\n".join(f"{letter}. {choice}" for letter, choice in zip(LETTERS, choices, strict=True))
        question = rng.choice(WORDINGS[subject]).format(*terms)
        prompt = f"Questions about {subject}.\n\n{question}\n{options}\nAnswer:"
        name = f"toy_mmlu-{rng.getrandbits(48):012x}"
        yield (
            prompt,
            Sample(
                name,
                f"{subject}-{'-'.join(map(str, terms))}",
                split,
                prompt,
                (LETTERS[index],),
                choices=tuple(choices),
                answer_index=index,
                meta={"subject": subject},
            ),
        )


def samples(split: str, num_samples: int, seed: int) -> Iterator[Sample]:
    """Yield samples of the split; equal arguments give equal text."""
    return only_split(_candidates(split, seed), split, num_samples, seed)
