"""One part of what a made-up problem takes: read its picture, or work out an operation.

The items are those of `toy_errorradar_step`, and so are their splits: what is held out here is held out there. The
option `form` says what is asked:

``facts``  the numbers that the picture alone shows, in the words of a solution's steps; chance: one of 64 or more
``work``   an operation of the right solution, told in the text, beside the same picture

A cluster is an item. Made to teach a model what the steps of a solution are made of; whoever cannot read a fact cannot
tell a wrong reading.
"""

import random
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from lode.dataset import Sample
from lode.dataset._errorradar import Solution
from lode.dataset._toy_errorradar_items import items
from lode.engine.errors import unknown_name

HELD_OUT = "clusters"
#: What an item holds in truth: `facts` by name, and the `steps` of the right solution.
Truth = Mapping[str, Any]
#: A question and its answer.
Asked = tuple[str, str]


def _facts(solution: Solution, truth: Truth, rng: random.Random) -> Asked:
    return "What does the image show?", ", ".join(f"{name} is {value}" for name, value in truth["facts"].items())


def _work(solution: Solution, truth: Truth, rng: random.Random) -> Asked:
    work, _, result = rng.choice([step for step in truth["steps"][1:] if "=" in step]).rpartition(" = ")
    return f"What is {work}?", result


FORMS: dict[str, Callable[[Solution, Truth, random.Random], Asked]] = {
    "facts": _facts,
    "work": _work,
}


def asked(solution: Solution, form: str, rng: random.Random) -> Asked:
    """A question about a part of an item, and its answer."""
    truth = solution.meta["truth"]
    assert isinstance(truth, dict)
    question, answer = FORMS[form](solution, truth, rng)
    return f"{solution.question}\n{question}", answer


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
