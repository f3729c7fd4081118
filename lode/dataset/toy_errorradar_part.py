"""One part of what a made-up problem takes: read its picture, work out an operation, check a step; or all, told aloud.

The items are those of `toy_errorradar_step`, and so are their splits: what is held out here is held out there. The
option `form` says what is asked:

``facts``  the numbers that the picture alone shows, in the words of a solution's steps; chance: one of 64 or more
``work``   an operation of the right solution, told in the text, beside the same picture
``check``  one step of a solution: what the picture shows or the operation gives, what the step says, and whether these
           are the same. The step is wrong in two of five, all those of VIS and CAL, so that a reading beside a text
           without an error is always wrong here: whoever learns from this alone need not look
``aloud``  the question of `toy_errorradar_step` that lets the reply think first, with its answer. A fifth of solutions
           is right, and the right answer is not told

A cluster is an item. Made to teach a model what the steps of a solution are made of; whoever cannot read a fact cannot
tell a wrong reading.
"""

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from lode.dataset import Sample
from lode.dataset._errorradar import Asking, Solution, situation
from lode.dataset._toy_errorradar_aloud import Truth, finding, told_aloud, truth_of
from lode.dataset._toy_errorradar_items import items
from lode.engine.errors import unknown_name

HELD_OUT = "clusters"
#: A question and its answer.
Asked = tuple[str, str]


def _facts(solution: Solution, truth: Truth, rng: random.Random) -> Asked:
    return "What does the image show?", ", ".join(f"{name} is {value}" for name, value in truth["facts"].items())


def _work(solution: Solution, truth: Truth, rng: random.Random) -> Asked:
    work, _, result = rng.choice([step for step in truth["steps"][1:] if "=" in step]).rpartition(" = ")
    return f"What is {work}?", result


def _check(solution: Solution, truth: Truth, rng: random.Random) -> Asked:
    numeric = [n for n, step in enumerate(solution.steps, 1) if step[-1].isdigit() and step.split()[-2] in ("is", "=")]
    number = rng.choice([n for n in numeric if n != solution.gold_step])
    if solution.category in ("VIS", "CAL"):
        number = solution.gold_step
    return f"{situation(solution, ALOUD)}\nIs step {number} right?", finding(solution, truth, number)


def _aloud(solution: Solution, truth: Truth, rng: random.Random) -> Asked:
    sample = told_aloud(solution, ALOUD)
    return sample.prompt, sample.answers[0]


#: How a whole solution is asked about.
ALOUD = Asking(with_answer=False, think_first=True, may_be_right=True)


@dataclass(frozen=True)
class Form:
    """A part that can be asked for.

    Attributes:
        ask: a question and its answer, of an item and what it holds in truth.
        none_frac: share of solutions without an error.
        has_problem: the question says the problem already.
    """

    ask: Callable[[Solution, Truth, random.Random], Asked]
    none_frac: float = 0.0
    has_problem: bool = False


FORMS = {
    "facts": Form(_facts),
    "work": Form(_work),
    "check": Form(_check, has_problem=True),
    "aloud": Form(_aloud, none_frac=0.2, has_problem=True),
}


def asked(solution: Solution, form: str, rng: random.Random) -> Asked:
    """A question about a part of an item, and its answer."""
    question, answer = FORMS[form].ask(solution, truth_of(solution), rng)
    return question if FORMS[form].has_problem else f"{solution.question}\n{question}", answer


def samples(split: str, num_samples: int, seed: int, form: str = "facts") -> Iterator[Sample]:
    """Yield samples of the split; equal arguments give equal bytes on one machine.

    Args:
        split: `train`, `mine` or `test`; items are split by their pictures.
        num_samples: how many.
        seed: of the split.
        form: of `FORMS`.

    Raises:
        UserError: there is no such form.
    """
    if form not in FORMS:
        raise unknown_name("dataset.options.form", form, FORMS)
    for solution in items(split, num_samples, seed, "balanced", FORMS[form].none_frac):
        prompt, answer = asked(solution, form, random.Random(f"{form}|{solution.sample_id}"))
        yield Sample(
            sample_id=solution.sample_id,
            cluster_id=solution.cluster_id,
            split=split,
            prompt=prompt,
            answers=(answer,),
            media=(solution.image,),
            meta={"problem_type": solution.problem_type, "category": solution.category, "form": form},
        )
