"""Made-up problems whose facts are in a picture only, and solutions with one planted error and what follows from it.

A solution has a rule ("perimeter = 2 x (length + width)"), a reading of each fact, and the operations that the rule
asks for, one after the other. The error is of one of five kinds, and everything after it follows from it:

``VIS``   a fact is read wrongly
``CAL``   an operation has a wrong result
``KNOW``  the rule is a wrong one for what is asked
``MIS``   the rule is right, but for another question
``REAS``  an operation is another than the rule asks for, its result right

So arithmetic alone finds CAL and nothing else. Nor does the right answer tell which fact was read wrongly: a VIS error
is kept only where another reading, changed, would give that answer too. Steps that say nothing are put in between, so
that errors of every kind are in many places. Where they are is drawn without a look at the error, and which reading or
operation is wrong alike among all of a solution, so that neither tells the other. A rule comes first and operations
last, so kinds are not in the same places. Refused: a wrong solution with the right answer, negative numbers, divisions
with a rest.
"""

import operator
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce

Facts = Mapping[str, int]
#: What a step does: an operator, and what it is applied to: facts, numbers, and `#i` for the result of operation i.
Operation = tuple[str, tuple[str, ...]]
SIGNS: dict[str, Callable[[int, int], int]] = {
    "+": operator.add,
    "-": operator.sub,
    "x": operator.mul,
    "/": operator.floordiv,
}
#: Steps that are always right.
PADDING = (
    "look at the image",
    "read the question again",
    "write that down",
    "go on to the next",
    "one thing at a time",
)
MOST_PADDING = 3
#: By how much a result is wrong; of a sum that is then divided by 3, multiples of 3 alone leave no rest.
SLIPS = (-10, -3, -2, -1, 1, 2, 3, 10)
#: The kinds of error.
KINDS = ("VIS", "CAL", "KNOW", "MIS", "REAS")


@dataclass(frozen=True)
class Rule:
    """A formula in words, and the operations that it asks for."""

    text: str
    operations: tuple[Operation, ...]


@dataclass(frozen=True)
class Problem:
    """A kind of problem.

    Attributes:
        question: what is asked; it tells no fact.
        facts: the least and the largest value of each, by its name.
        right: the rule.
        wrong: one that is wrong for what is asked.
        other: one that is right for another question.
    """

    question: str
    facts: Mapping[str, tuple[int, int]]
    right: Rule
    wrong: Rule
    other: Rule


def _rule(text: str, *operations: str) -> Rule:
    """A rule from its operations as texts: "+ length width" adds two facts, "x 2 #0" doubles the first result."""
    return Rule(text, tuple((sign, tuple(terms)) for sign, *terms in map(str.split, operations)))


_EDGE = (2, 9)
PROBLEMS = {
    "plane": Problem(
        "Find the perimeter of the rectangle.",
        {"length": _EDGE, "width": _EDGE},
        _rule("perimeter = 2 x (length + width)", "+ length width", "x 2 #0"),
        _rule("perimeter = length + width", "+ length width"),
        _rule("area = length x width", "x length width"),
    ),
    "solid": Problem(
        "Find the sum of all edges of the box.",
        {"length": _EDGE, "width": _EDGE, "height": _EDGE},
        _rule("edges = 4 x (length + width + height)", "+ length width height", "x 4 #0"),
        _rule("edges = 2 x (length + width + height)", "+ length width height", "x 2 #0"),
        _rule("volume = length x width x height", "x length width height"),
    ),
    "diagram": Problem(
        "Find the mean of the three bars.",
        {"red": _EDGE, "green": _EDGE, "blue": _EDGE},
        _rule("mean = (red + green + blue) / 3", "+ red green blue", "/ #0 3"),
        _rule("mean = (red + green + blue) / 2", "+ red green blue", "/ #0 2"),
        _rule("total = red + green + blue", "+ red green blue"),
    ),
    "algebra": Problem(
        "Find x.",
        {"factor": (2, 5), "constant": _EDGE, "result": (10, 40)},
        _rule("x = (result - constant) / factor", "- result constant", "/ #0 factor"),
        _rule("x = (result + constant) / factor", "+ result constant", "/ #0 factor"),
        _rule("term = result - constant", "- result constant"),
    ),
    "commonsense": Problem(
        "Find the money in cents.",
        {"dimes": _EDGE, "nickels": _EDGE},
        _rule("cents = 10 x dimes + 5 x nickels", "x 10 dimes", "x 5 nickels", "+ #0 #1"),
        _rule("cents = 5 x dimes + 10 x nickels", "x 5 dimes", "x 10 nickels", "+ #0 #1"),
        _rule("coins = dimes + nickels", "+ dimes nickels"),
    ),
}


class Refused(ValueError):
    """A draw that makes no good item."""


@dataclass(frozen=True)
class Worked:
    """A solution: its steps without padding, its answer, and which step is the first wrong one (from 1 on, 0: none)."""

    steps: tuple[str, ...]
    answer: int
    gold: int


def compute(sign: str, values: Sequence[int]) -> int:
    """Apply an operator from left to right; raises `Refused` where a result is negative or no whole number."""
    if sign == "/" and values[0] % values[1]:
        raise Refused("a division with a rest")
    value = reduce(SIGNS[sign], values)
    if value < 0:
        raise Refused("a negative number")
    return value


def value_of(term: str, facts: Facts, results: Sequence[int]) -> int:
    """A fact, a number, or the result of an operation before."""
    if term.startswith("#"):
        return results[int(term[1:])]
    return facts[term] if term in facts else int(term)


def answer_of(rule: Rule, facts: Facts) -> int:
    """What a rule makes of facts; raises `Refused` as `compute`."""
    results: list[int] = []
    for sign, terms in rule.operations:
        results.append(compute(sign, [value_of(term, facts, results) for term in terms]))
    return results[-1]


def slipped(sign: str, values: Sequence[int], rng: random.Random) -> str:
    """Another operator than is asked for, of which the result differs."""
    others = [other for other in "+-x" if other != sign and reduce(SIGNS[other], values) != reduce(SIGNS[sign], values)]
    return rng.choice(others)


def worked(problem: Problem, facts: Facts, category: str, place: int, rng: random.Random) -> Worked:
    """A solution with an error of a kind at a step, and all that follows from it; of no kind, the right one.

    Args:
        problem: what is solved.
        facts: what the picture shows.
        category: of `KINDS`, or anything else for none.
        place: of the step that is wrong, from 0 on, among steps without padding.
        rng: chooses the wrong value.

    Raises:
        Refused: a number that no step may have.
    """
    rule = {"KNOW": problem.wrong, "MIS": problem.other}.get(category, problem.right)
    read = dict(facts)
    if category == "VIS":
        name = list(facts)[place - 1]
        low, high = problem.facts[name]
        read[name] = rng.choice([value for value in range(low, high + 1) if value != facts[name]])
    steps = [rule.text, *(f"{name} is {value}" for name, value in read.items())]
    results: list[int] = []
    for sign, terms in rule.operations:
        values = [value_of(term, read, results) for term in terms]
        wrong = len(steps) == place
        sign = slipped(sign, values, rng) if wrong and category == "REAS" else sign
        value = compute(sign, values) + (rng.choice(SLIPS) if wrong and category == "CAL" else 0)
        if value < 0:
            raise Refused("a negative number")
        steps.append(f"{f' {sign} '.join(map(str, values))} = {value}")
        results.append(value)
    return Worked(tuple(steps), results[-1], place + 1 if category in KINDS else 0)


def natural_places(problem: Problem, category: str) -> range:
    """The steps without padding, from 0 on, that can hold an error of a kind."""
    num_facts = len(problem.facts)
    if category == "VIS":
        return range(1, 1 + num_facts)
    if category in ("CAL", "REAS"):
        return range(1 + num_facts, 1 + num_facts + len(problem.right.operations))
    return range(1)


def is_ambiguous(problem: Problem, read: Facts, correct: int) -> bool:
    """Whether the right answer leaves open which reading is wrong: two or more, each changed alone, give it."""
    able = 0
    for name, (low, high) in problem.facts.items():
        able += any(_gives(problem.right, {**read, name: value}, correct) for value in range(low, high + 1))
    return able >= 2


def _gives(rule: Rule, facts: Facts, answer: int) -> bool:
    try:
        return answer_of(rule, facts) == answer
    except Refused:
        return False


def padded(work: Worked, rng: random.Random) -> tuple[tuple[str, ...], int]:
    """The steps of a solution with up to three that say nothing, and which step is the first wrong one then.

    Zero to three come before the rule, each number as often, and of the rest any number at any other place. None of
    this depends on the error.

    Args:
        work: without them.
        rng: chooses how many, where and which.
    """
    first = rng.randint(0, MOST_PADDING)
    later = rng.randint(0, MOST_PADDING - first)
    slots = [0] * first + sorted(rng.randint(1, len(work.steps)) for _ in range(later))
    steps = list(work.steps)
    for number, (slot, text) in enumerate(zip(slots, rng.sample(PADDING, len(slots)), strict=True)):
        steps.insert(slot + number, text)
    return tuple(steps), work.gold and work.gold + sum(slot < work.gold for slot in slots)


def draw(problem: Problem, category: str, rng: random.Random) -> tuple[Facts, Worked, Worked]:
    """Facts, a solution with an error of a kind, and the right solution; which step is wrong is drawn alike among all.

    Draws again until nothing is refused, with the same step.

    Args:
        problem: what is solved.
        category: of `KINDS`, or anything else for a solution without an error.
        rng: decides everything.
    """
    place = rng.choice(natural_places(problem, category))
    while True:
        facts = {name: rng.randint(low, high) for name, (low, high) in problem.facts.items()}
        try:
            right, work = (worked(problem, facts, kind, place, rng) for kind in ("", category))
        except Refused:
            continue
        if is_good(problem, category, facts, work, right):
            return facts, work, right


def is_good(problem: Problem, category: str, facts: Facts, work: Worked, right: Worked) -> bool:
    """Whether an error changes the answer, and a wrong reading is not told by the right answer."""
    if category not in KINDS:
        return True
    read = {name: int(step.rpartition(" ")[2]) for name, step in zip(facts, work.steps[1:], strict=False)}
    return work.answer != right.answer and (category != "VIS" or is_ambiguous(problem, read, right.answer))
