"""A solution of the made-up ErrorRadar checked aloud, step by step, up to the first wrong one."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from lode.dataset import Sample
from lode.dataset._errorradar import Asking, Solution, step_sample
from lode.dataset._toy_errorradar import PADDING, compute

#: What an item holds in truth: `facts` by name, and the `steps` of the right solution.
Truth = Mapping[str, Any]


def truth_of(solution: Solution) -> Truth:
    """What the picture and the rule say."""
    truth = solution.meta["truth"]
    assert isinstance(truth, dict)
    return truth


def finding(solution: Solution, truth: Truth, number: int) -> str:
    """What a check of a step finds, from 1 on: what it should say, what it says, and whether it is right or not.

    Of an operation that the rule does not ask for, and of a rule, only whether it is right.
    """
    step = solution.steps[number - 1]
    verdict = "wrong" if number == solution.gold_step else "fine"
    name, _, said = step.rpartition(" is ")
    if name in truth["facts"]:
        return f"shows {truth['facts'][name]} says {said} {verdict}"
    work, _, said = step.rpartition(" = ")
    if not said.isdigit() or (solution.category == "REAS" and verdict == "wrong"):
        return verdict
    _, sign, *_ = work.split()
    return f"gives {compute(sign, [int(value) for value in work.split(f' {sign} ')])} says {said} {verdict}"


def aloud(solution: Solution) -> str:
    """A line for each step that says something, and the answer."""
    last = solution.gold_step or len(solution.steps)
    numbers = [number for number in range(1, last + 1) if solution.steps[number - 1] not in PADDING]
    lines = [f"{number}) {finding(solution, truth_of(solution), number)}" for number in numbers]
    return "\n".join([*lines, f"Answer: {solution.gold_step}"])


def told_aloud(solution: Solution, asking: Asking) -> Sample:
    """The question for the first wrong step; where the reply may think first, answers begin with its thoughts."""
    sample = step_sample(solution, asking)
    return replace(sample, answers=(aloud(solution),)) if asking.think_first else sample
