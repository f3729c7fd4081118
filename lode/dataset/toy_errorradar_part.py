"""One part of what a made-up problem takes: read its picture, work out an operation, tell whether a step is right.

The items are those of `toy_errorradar_step`, and so are their splits: what is held out here is held out there. The
option `form` says what is asked:

``fact``   a number that the picture alone shows; chance: one of 8 or more
``facts``  all of them, in the words of a solution's steps
``work``   an operation of the right solution, told in the text, beside the same picture
``check``  whether a reading or an operation is right: half of them are; the wrong ones are as wrong as VIS and CAL are

A cluster is an item. Made to teach a model what the steps of a solution are made of; whoever cannot read a fact cannot
tell a wrong reading.
"""

import random
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from lode.dataset import Sample
from lode.dataset._errorradar import Solution
from lode.dataset._toy_errorradar import PROBLEMS, SLIPS
from lode.dataset._toy_errorradar_items import items
from lode.engine.errors import unknown_name

HELD_OUT = "clusters"
#: What an item holds in truth: `facts` by name, and the `steps` of the right solution.
Truth = Mapping[str, Any]
#: A question and its answer.
Asked = tuple[str, str]


def operation(truth: Truth, rng: random.Random) -> tuple[str, int]:
    """An operation of the right solution, and its result."""
    work, _, result = rng.choice([step for step in truth["steps"][1:] if "=" in step]).rpartition(" = ")
    return work, int(result)


def _fact(solution: Solution, truth: Truth, rng: random.Random) -> Asked:
    name, value = rng.choice(sorted(truth["facts"].items()))
    return f"What is {name}?", str(value)


def _facts(solution: Solution, truth: Truth, rng: random.Random) -> Asked:
    return "What does the image show?", ", ".join(f"{name} is {value}" for name, value in truth["facts"].items())


def _work(solution: Solution, truth: Truth, rng: random.Random) -> Asked:
    work, result = operation(truth, rng)
    return f"What is {work}?", str(result)


def _check(solution: Solution, truth: Truth, rng: random.Random) -> Asked:
    is_right = rng.random() < 0.5
    if rng.random() < 0.5:
        name, value = rng.choice(sorted(truth["facts"].items()))
        low, high = PROBLEMS[solution.problem_type].facts[name]
        said = value if is_right else rng.choice([other for other in range(low, high + 1) if other != value])
        step = f"{name} is {said}"
    else:
        work, result = operation(truth, rng)
        said = result if is_right else result + rng.choice([slip for slip in SLIPS if result + slip >= 0])
        step = f"{work} = {said}"
    return f"A step says: {step}\nIs it right?", "yes" if is_right else "no"


FORMS: dict[str, Callable[[Solution, Truth, random.Random], Asked]] = {
    "fact": _fact,
    "facts": _facts,
    "work": _work,
    "check": _check,
}


def asked(solution: Solution, form: str, rng: random.Random) -> Asked:
    """A question about a part of an item, and its answer."""
    truth = solution.meta["truth"]
    assert isinstance(truth, dict)
    question, answer = FORMS[form](solution, truth, rng)
    return f"{solution.question}\n{question}", answer


def samples(split: str, num_samples: int, seed: int, form: str = "fact") -> Iterator[Sample]:
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
    for solution in items(split, num_samples, seed, "balanced", 0.0):
        prompt, answer = asked(solution, form, random.Random(f"{form}|{solution.sample_id}"))
        yield Sample(
            sample_id=solution.sample_id,
            cluster_id=solution.cluster_id,
            split=split,
            prompt=prompt,
            answers=(answer,),
            media=(solution.image,),
            meta={"problem_type": solution.problem_type, "form": form},
        )
