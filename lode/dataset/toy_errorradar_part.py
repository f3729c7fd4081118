"""One part of what a made-up problem takes: read a fact off its picture, or work out an operation.

The items are those of `toy_errorradar_step`, and so are their splits: what is held out here is held out there. The
option `form` says what is asked: `fact`, a number that the picture alone shows; `work`, an operation of the right
solution, told in the text, beside the same picture. Chance: numbers from 2 to 40 or more, so hardly any. A cluster is
an item. Made to teach a model what the steps of a solution are made of; whoever cannot read a fact cannot tell a wrong
reading.
"""

import random
from collections.abc import Iterator

from lode.dataset import Sample
from lode.dataset._errorradar import Solution
from lode.dataset._toy_errorradar_items import items
from lode.engine.errors import unknown_name

HELD_OUT = "clusters"
FORMS = ("fact", "work")


def asked(solution: Solution, form: str, rng: random.Random) -> tuple[str, str]:
    """A question about a part of an item, and its answer."""
    truth = solution.meta["truth"]
    assert isinstance(truth, dict)
    if form == "fact":
        name, value = rng.choice(sorted(truth["facts"].items()))
        return f"{solution.question}\nWhat is {name}?", str(value)
    work, _, result = rng.choice([step for step in truth["steps"][1:] if "=" in step]).rpartition(" = ")
    return f"{solution.question}\nWhat is {work}?", result


def samples(split: str, num_samples: int, seed: int, form: str = "fact") -> Iterator[Sample]:
    """Yield samples of the split; equal arguments give equal bytes on one machine.

    Args:
        split: `train`, `mine` or `test`; items are split by their pictures.
        num_samples: how many.
        seed: of the split.
        form: `fact` or `work`.

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
