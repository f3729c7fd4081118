"""What a question about a wrong solution looks like: the record and the prompts of ErrorRadar, real and generated.

ErrorRadar (Yan et al. 2024, arXiv 2410.04509) shows a problem with its image and a student's wrong solution, step by
step, and asks two things: STEP, which step is the first wrong one; CATE, which of five kinds of error it is. Its exact
prompts are not public, so these are our own.
"""

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from string import ascii_uppercase

from lode.dataset import BY_LETTER, Sample
from lode.media import Medium

#: What a solution without an error has for a gold step and for a category, and what is said of it for a step.
NONE, NO_STEP = "none", "0"
#: The kinds of error, and what a reply calls each.
CATEGORIES = {
    "VIS": "visual",
    "CAL": "calculation",
    "KNOW": "knowledge",
    "MIS": "misunderstanding",
    "REAS": "reasoning",
}
#: One line on each kind, by what it is called.
DEFINITIONS = {
    "visual": "the image is read wrongly",
    "calculation": "an operation is worked out wrongly",
    "knowledge": "a rule or fact is wrong",
    "misunderstanding": "another question is answered",
    "reasoning": "a step does not follow",
    NONE: "no step is wrong",
}


@dataclass(frozen=True)
class Solution:
    """A problem and what a student made of it.

    Attributes:
        sample_id: of the item.
        cluster_id: of its image.
        split: `train`, `mine` or `test`.
        question: the text of the problem.
        image: that it refers to.
        correct: the right answer.
        said: the student's.
        steps: of the student's solution, in order.
        gold_step: the first wrong one, from 1 on; 0: none is.
        category: of `CATEGORIES`, or `NONE`.
        problem_type: plane, solid, ...
        meta: what else is to be kept.
    """

    sample_id: str
    cluster_id: str
    split: str
    question: str
    image: Medium
    correct: str
    said: str
    steps: tuple[str, ...]
    gold_step: int
    category: str
    problem_type: str
    meta: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True)
class Asking:
    """How it is asked.

    Attributes:
        with_answer: the prompt tells the right answer.
        think_first: the reply may reason before it answers.
        may_be_right: a solution may hold no error, and the prompt says so.
        seed: of the order in which kinds of error are lettered.
    """

    with_answer: bool = True
    think_first: bool = False
    may_be_right: bool = False
    seed: int = 0


#: What is asked of a solution, and how.
Question = Callable[[Solution, Asking], Sample]


def situation(solution: Solution, asking: Asking) -> str:
    """The problem, the answers and the steps, up to the question about them."""
    steps = (f"{number}) {step}" for number, step in enumerate(solution.steps, 1))
    lines = [
        "A student solved this problem." if asking.may_be_right else "A student solved this problem and got it wrong.",
        f"Problem: {solution.question}",
        *([f"Correct answer: {solution.correct}"] if asking.with_answer else []),
        f"The student's answer: {solution.said}",
        "The student's steps:",
        *steps,
    ]
    return "\n".join(lines)


def request(what: str, asking: Asking) -> str:
    """How to reply: with a number or letter only, or at the end of some thoughts."""
    if asking.think_first:
        return f'Think step by step, then end with "Answer:" and {what.rstrip(",")}.'
    return f"Reply with {what} only."


#: The keys of `meta` that every record has.
META = ("problem_type", "category", "gold_step", "num_steps", "task")


def meta_of(solution: Solution, task: str) -> dict[str, object]:
    """What every record says of its item."""
    return {
        "problem_type": solution.problem_type,
        "category": solution.category,
        "gold_step": solution.gold_step or NONE,
        "num_steps": len(solution.steps),
        "task": task,
        **solution.meta,
    }


def step_sample(solution: Solution, asking: Asking) -> Sample:
    """The question for the first wrong step; the choices are the numbers of the steps, and 0 where none may be."""
    numbers = [str(number) for number in range(1, len(solution.steps) + 1)]
    choices = ([NO_STEP] if asking.may_be_right else []) + numbers
    gold = str(solution.gold_step)
    what = f"its number, or {NO_STEP} where no step is wrong," if asking.may_be_right else "its number"
    ask = f"Which step is the first wrong one? {request(what, asking)}"
    return Sample(
        sample_id=solution.sample_id,
        cluster_id=solution.cluster_id,
        split=solution.split,
        prompt=f"{situation(solution, asking)}\n{ask}",
        answers=(gold,),
        media=(solution.image,),
        choices=tuple(choices),
        answer_index=choices.index(gold),
        meta=meta_of(solution, "step"),
    )


def category_sample(solution: Solution, asking: Asking) -> Sample:
    """The question for the kind of error; the choices are the names of the kinds, in an order of the sample's own."""
    names = [*CATEGORIES.values(), *([NONE] if asking.may_be_right else [])]
    random.Random(f"errorradar|{asking.seed}|{solution.sample_id}").shuffle(names)
    gold = names.index(CATEGORIES.get(solution.category, NONE))
    kinds = (f"{letter}) {name}: {DEFINITIONS[name]}" for letter, name in zip(ascii_uppercase, names, strict=False))
    lines = ["Which kind of error is it?", *kinds, request("its letter", asking)]
    return Sample(
        sample_id=solution.sample_id,
        cluster_id=solution.cluster_id,
        split=solution.split,
        prompt="\n".join([situation(solution, asking), *lines]),
        answers=(ascii_uppercase[gold],),
        media=(solution.image,),
        choices=tuple(names),
        answer_index=gold,
        meta={**meta_of(solution, "category"), **BY_LETTER},
    )
