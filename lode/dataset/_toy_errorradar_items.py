"""Items of the made-up ErrorRadar: which kinds of error and of problem come when, and the samples that they become."""

import random
from collections.abc import Callable, Iterator

from lode.dataset import Sample
from lode.dataset._errorradar import CATEGORIES, NONE, Asking, Question, Solution
from lode.dataset._splits import split_of, word_of
from lode.dataset._toy_errorradar import PROBLEMS, draw, padded
from lode.dataset._toy_errorradar_pictures import render
from lode.engine.errors import UserError, unknown_name
from lode.media import encode_image

#: How often each kind of problem and of error comes [percent]: as in ErrorRadar's 2,500 items.
PAPER_TYPES = {"plane": 62.4, "solid": 7.6, "diagram": 9.3, "algebra": 11.5, "commonsense": 9.2}
PAPER_CATEGORIES = {"VIS": 15.8, "CAL": 36.5, "REAS": 38.0, "KNOW": 4.8, "MIS": 4.9}
PROPORTIONS = ("balanced", "paper")

#: A kind of problem and a kind of error.
Plan = tuple[str, str]


def plans(proportions: str, rng: random.Random) -> Iterator[Plan]:
    """What items are to be, without an end.

    Balanced: every 25 hold each kind of problem with each kind of error. Else both kinds come as often as in the paper,
    each by itself.
    """
    while True:
        pairs = [(problem, category) for problem in PROBLEMS for category in CATEGORIES]
        if proportions == "paper":
            types, kinds = (
                rng.choices(list(of), list(of.values()), k=len(pairs)) for of in (PAPER_TYPES, PAPER_CATEGORIES)
            )
            pairs = list(zip(types, kinds, strict=True))
        else:
            rng.shuffle(pairs)
        yield from pairs


def item(plan: Plan, split: str, seed: int, rng: random.Random) -> Solution | None:
    """An item of a kind, with its picture; `rng` decides all else. None, and nothing drawn, of another split."""
    problem_type, category = plan
    problem = PROBLEMS[problem_type]
    facts, work, right = draw(problem, category, rng)
    (steps, gold), drawing = padded(work, rng), rng.getrandbits(48)
    name = f"toy_errorradar-{drawing:012x}"
    if split_of(name, seed) != split:  # drawing takes time
        return None
    return Solution(
        sample_id=name,
        cluster_id=name,
        split=split,
        question=problem.question,
        image=encode_image(render(problem_type, facts, random.Random(f"{facts}|{drawing}"))),
        correct=str(right.answer),
        said=str(work.answer),
        steps=steps,
        gold_step=gold,
        category=category,
        problem_type=problem_type,
        meta={"truth": {"facts": dict(facts), "rule": problem.right.text, "steps": list(right.steps)}},
    )


def items(split: str, num_samples: int, seed: int, proportions: str, none_frac: float) -> Iterator[Solution]:
    """Items of a split; equal arguments give equal bytes on one machine.

    Args:
        split: `train`, `mine` or `test`.
        num_samples: how many.
        seed: of the split.
        proportions: `balanced`, or `paper`.
        none_frac: share of solutions without an error.

    Raises:
        UserError: there are no such proportions, or the share is none.
    """
    if proportions not in PROPORTIONS:
        raise unknown_name("dataset.options.proportions", proportions, PROPORTIONS)
    if not 0 <= none_frac < 1:
        raise UserError(f"dataset.options.none_frac = {none_frac}: expected a share in [0, 1), such as 0.2")
    rng = random.Random(f"toy_errorradar|{seed}|{word_of(split)}")
    planned = plans(proportions, rng)
    for _ in range(num_samples):
        plan = next(planned) if rng.random() >= none_frac else (rng.choice(list(PROBLEMS)), NONE)
        yield next(made for made in _endless(plan, split, seed, rng) if made is not None)


def _endless(plan: Plan, split: str, seed: int, rng: random.Random) -> Iterator[Solution | None]:
    while True:
        yield item(plan, split, seed, rng)


def samples_of_items(question: Question) -> Callable[..., Iterator[Sample]]:
    """`samples` of a plug-in that asks one question of every item."""

    def samples(
        split: str,
        num_samples: int,
        seed: int,
        proportions: str = "balanced",
        none_frac: float = 0.0,
        with_answer: bool = True,
        think_first: bool = False,
    ) -> Iterator[Sample]:
        """Yield samples of the split; equal arguments give equal bytes on one machine.

        Args:
            split: `train`, `mine` or `test`; items are split by their pictures.
            num_samples: how many.
            seed: of the split, and of the order of the kinds of error.
            proportions: of kinds of problems and of errors: `balanced`, or as in the `paper`.
            none_frac: share of solutions without an error.
            with_answer: the prompt tells the right answer.
            think_first: the reply may reason before it answers; raise `max_new_tokens` with it.

        Raises:
            UserError: there are no such proportions, or no such share.
        """
        asking = Asking(with_answer, think_first, may_be_right=none_frac > 0, seed=seed)
        for solution in items(split, num_samples, seed, proportions, none_frac):
            yield question(solution, asking)

    return samples
