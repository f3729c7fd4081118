"""Invented facts and sums as four-way multiple choice: the offline twin of MMLU.

Prompts have the Hendrycks format without worked examples. As in MMLU, a question has its four options in one fixed
order. The questions (capitals of invented countries, colours of invented minerals, sums of two digits) of `mine` and
`test` differ; all of them are in `train`, because a fact that was never told cannot be known, in other wordings. The
cluster is the question.
"""

import random
from collections.abc import Iterator

from lode.dataset import BY_LETTER, Sample, only_split
from lode.dataset._splits import word_of

HELD_OUT = "clusters"
LETTERS = "ABCD"
COUNTRIES = (
    "Arvonia Belmora Cordavia Drelland Eskaria Fenwood Galdora Hestria Ilmaren Jorvik Kestland Lunaria Morvania "
    "Nordavia Orsinia Pelmont Quintara Rosmark Selvania Tarvos Ulmeria Vantara Westmark Zelmora"
).split()
CAPITALS = (
    "Astra Bexley Corin Delmar Elport Farrow Glint Harrow Istra Jasper Kelso Lorne Mirado Norwell Ostend Pallas "
    "Quill Rivena Solace Tamber Umbra Velden Wexel Zarin"
).split()
MINERALS = "aldrite brevite cerulite domite ekarite fluvite gravite helmite".split()
MINERAL_COLOURS = "red green blue yellow purple black white orange".split()
HEADERS = ("Questions about {}.", "A test of {}.", "Now some {}.", "Multiple choice, {}.")
WORDINGS = {
    "geography": (
        "The capital of {0} is",
        "Which city is the capital of {0}?",
        "What is the capital of {0}?",
        "{0} is governed from",
        "The government of {0} sits in",
        "Where is the capital of {0}?",
    ),
    "geology": (
        "The colour of {0} is",
        "Which colour has {0}?",
        "What colour is {0}?",
        "{0} looks",
        "A piece of {0} is",
        "How does {0} look?",
    ),
    "arithmetic": (
        "The sum of {0} and {1} is",
        "How much is {0} + {1}?",
        "What is {0} plus {1}?",
        "{0} and {1} make",
        "Add {0} and {1}:",
        "{0} + {1} =",
    ),
}
#: Different prompts: every fact under every header in every wording.
NUM_PROMPTS = (len(COUNTRIES) + len(MINERALS) + 10 * 10) * len(HEADERS) * len(WORDINGS["geography"])


def _fact(subject: str, rng: random.Random) -> tuple[tuple[object, ...], str, list[str]]:
    """The terms of one question, its answer, and the other values that could have been the answer."""
    if subject == "arithmetic":
        a, b = rng.randint(0, 9), rng.randint(0, 9)
        return (a, b), str(a + b), [str(n) for n in range(19) if n != a + b]
    keys, values = (COUNTRIES, CAPITALS) if subject == "geography" else (MINERALS, MINERAL_COLOURS)
    i = rng.randrange(len(keys))
    return (keys[i],), values[i], [v for v in values if v != values[i]]


def _candidates(split: str, seed: int) -> Iterator[tuple[str, Sample]]:
    rng = random.Random(f"toy_mmlu|{seed}|{word_of(split)}")
    made: set[str] = set()
    while len(made) < NUM_PROMPTS:
        subject = rng.choice(list(WORDINGS))
        terms, answer, others = _fact(subject, rng)
        question = f"{subject}-{'-'.join(map(str, terms))}"
        order = random.Random(f"{seed}|{question}")  # a question keeps its options, whatever the wording
        choices = [answer, *order.sample(others, 3)]
        order.shuffle(choices)
        index = choices.index(answer)
        options = "\n".join(f"{letter}. {choice}" for letter, choice in zip(LETTERS, choices, strict=True))
        header, wording = rng.choice(HEADERS).format(subject), rng.choice(WORDINGS[subject]).format(*terms)
        prompt = f"{header}\n\n{wording}\n{options}\nAnswer:"
        sample = Sample(
            sample_id=f"toy_mmlu-{rng.getrandbits(48):012x}",
            cluster_id=question,
            split=split,
            prompt=prompt,
            answers=(LETTERS[index],),
            choices=tuple(choices),
            answer_index=index,
            meta={"subject": subject, **BY_LETTER},
        )
        made.add(prompt)
        yield prompt, sample


def samples(split: str, num_samples: int, seed: int) -> Iterator[Sample]:
    """Yield samples of the split, at most some 2,200, 300 and 600; equal arguments give equal text."""
    return only_split(_candidates(split, seed), split, num_samples, seed, by_cluster=True)
