"""The made-up ErrorRadar beside slow plain solvers that read its prompts: with the truth, with the text alone, and with
another picture's facts."""

import ast
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import cache, reduce
from itertools import pairwise
from operator import add, floordiv, mul, sub
from typing import Any

import pytest
from scipy.stats import chi2_contingency

from lode.dataset import Sample, toy_errorradar_cate, toy_errorradar_step
from lode.dataset._errorradar import CATEGORIES, NONE
from lode.dataset._toy_errorradar import PADDING, PROBLEMS
from lode.dataset._toy_errorradar_items import PAPER_CATEGORIES, PAPER_TYPES
from lode.engine.errors import UserError
from lode.media import Sampling, decode, shown_digest

NUM = 400
SIGNS = {"+": add, "-": sub, "x": mul, "/": floordiv}
OF_NODES = {ast.Add: "+", ast.Sub: "-", ast.Mult: "x", ast.Div: "/"}
Found = tuple[int, str]
NOTHING: Found = (0, NONE)


@cache
def drawn(task: str = "step", split: str = "test", num: int = NUM, **options: Any) -> list[Sample]:
    plugin = {"step": toy_errorradar_step, "category": toy_errorradar_cate}[task]
    return list(plugin.samples(split, num, 2024, **options))


def steps_in(prompt: str) -> list[str]:
    return re.findall(r"^\d+\) (.*)$", prompt.partition("\nWhich")[0], re.MULTILINE)


def truth_of(sample: Sample) -> Any:
    return sample.meta["truth"]


def expected(rule: str, read: Mapping[str, int], said: Sequence[int]) -> list[tuple[str, list[int]]]:
    """Operators and operands that a rule asks for, innermost first, given what was read and what came out so far."""
    tree = ast.parse(rule.partition(" = ")[2].replace(" x ", " * "), mode="eval").body
    found: list[tuple[str, list[int]]] = []

    def terms(node: ast.expr, sign: str) -> list[int]:
        if isinstance(node, ast.BinOp) and OF_NODES[type(node.op)] == sign and sign in "+x" and not inner(node):
            return [*terms(node.left, sign), *terms(node.right, sign)]
        return [value(node)]

    def inner(node: ast.BinOp) -> bool:
        return any(
            isinstance(side, ast.BinOp) and type(side.op) is not type(node.op) for side in (node.left, node.right)
        )

    def value(node: ast.expr) -> int:
        if isinstance(node, ast.Constant):
            return int(str(node.value))
        if isinstance(node, ast.Name):
            return read[node.id]
        assert isinstance(node, ast.BinOp)
        sign = OF_NODES[type(node.op)]
        values = [v for side in (node.left, node.right) for v in terms(side, sign)]
        found.append((sign, values))
        number = len(found) - 1
        return said[number] if number < len(said) else reduce(SIGNS[sign], values)

    value(tree)
    return found


def operations(steps: Sequence[str]) -> list[tuple[int, str, list[int], int]]:
    """Place, operator, operands and stated result of each step that is an operation."""
    found = []
    for place, step in enumerate(steps, 1):
        match = re.fullmatch(r"(\d+(?: ([-+x/]) \d+)+) = (\d+)", step)
        if match:
            found.append((place, match[2], [int(text) for text in re.findall(r"\d+", match[1])], int(match[3])))
    return found


def readings(steps: Sequence[str]) -> dict[str, tuple[int, int]]:
    """Place and value of each fact as it was read."""
    found = [(place, re.fullmatch(r"([a-z]+) is (\d+)", step)) for place, step in enumerate(steps, 1)]
    return {match[1]: (place, int(match[2])) for place, match in found if match}


def in_text(prompt: str, rule: str) -> Found:
    """The first error that shows to whoever knows the rule, without a picture."""
    steps = steps_in(prompt)
    for place, step in enumerate(steps, 1):
        if re.match(r"[a-z]+ = ", step) and step != rule:
            return place, "KNOW" if step.split()[0] == rule.split()[0] else "MIS"
    done = operations(steps)
    asked = expected(rule, {name: value for name, (_, value) in readings(steps).items()}, [of[3] for of in done])
    assert len(done) == len(asked)
    for (place, sign, values, result), (right_sign, right_values) in zip(done, asked, strict=True):
        if reduce(SIGNS[sign], values) != result:
            return place, "CAL"
        if (sign, values) != (right_sign, right_values):
            return place, "REAS"
    return NOTHING


def solve(prompt: str, rule: str, facts: Mapping[str, int]) -> Found:
    """The error: in the text, or else a reading that the picture contradicts."""
    found = in_text(prompt, rule)
    wrong = [place for name, (place, value) in readings(steps_in(prompt)).items() if value != facts[name]]
    return (wrong[0], "VIS") if found == NOTHING and wrong else found


def arithmetic(prompt: str) -> int:
    """The first step whose arithmetic is wrong: all that a checker without rule and picture can find; 0: none."""
    wrong = [
        place for place, sign, values, result in operations(steps_in(prompt)) if reduce(SIGNS[sign], values) != result
    ]
    return wrong[0] if wrong else 0


def right_by_category(samples: Sequence[Sample], said: Sequence[str]) -> dict[str, float]:
    """Accuracy of replies in each category."""
    right: dict[str, list[bool]] = {}
    for sample, reply in zip(samples, said, strict=True):
        right.setdefault(str(sample.meta["category"]), []).append(reply == sample.answers[0])
    return {category: sum(of) / len(of) for category, of in right.items()}


def replies(samples: Sequence[Sample], facts: Sequence[Mapping[str, int]]) -> list[str]:
    """What the solver says, with these facts for the pictures."""
    said = []
    for sample, of in zip(samples, facts, strict=True):
        step, category = solve(sample.prompt, truth_of(sample)["rule"], of)
        if sample.meta["task"] == "step":
            said.append(str(step))
        else:
            name = CATEGORIES.get(category, NONE)
            said.append("ABCDEF"[sample.choices.index(name)] if name in sample.choices else "")
    return said


def swapped(samples: Sequence[Sample]) -> list[Mapping[str, int]]:
    """For each sample the facts in the picture of the next one of its kind of problem."""
    by_type: dict[object, list[int]] = {}
    for place, sample in enumerate(samples):
        by_type.setdefault(sample.meta["problem_type"], []).append(place)
    after = {one: other for places in by_type.values() for one, other in pairwise([*places, places[0]])}
    return [truth_of(samples[after[place]])["facts"] for place in range(len(samples))]


VARIANTS: list[dict[str, Any]] = [{}, {"proportions": "paper"}, {"none_frac": 0.2, "with_answer": False}]


@pytest.mark.parametrize("options", VARIANTS)
@pytest.mark.parametrize("task", ["step", "category"])
def test_a_solver_with_the_truth_is_always_right(task: str, options: dict[str, Any]) -> None:
    samples = drawn(task, **options)
    found = right_by_category(samples, replies(samples, [truth_of(sample)["facts"] for sample in samples]))
    assert found == dict.fromkeys(found, 1.0)
    assert set(found) == set(CATEGORIES) | ({NONE} if "none_frac" in options else set())


def test_arithmetic_alone_finds_calculations_and_nothing_else() -> None:
    samples = drawn()
    found = right_by_category(samples, [str(arithmetic(sample.prompt)) for sample in samples])
    assert found == {"CAL": 1.0, "VIS": 0.0, "REAS": 0.0, "KNOW": 0.0, "MIS": 0.0}


def test_swapped_pictures_break_visual_errors_only() -> None:
    """What is left of VIS: the wrong reading is the first one, which another picture contradicts as well."""
    samples = drawn()
    found = right_by_category(samples, replies(samples, swapped(samples)))
    assert found.pop("VIS") < 0.6
    assert found == {"CAL": 1.0, "REAS": 1.0, "KNOW": 1.0, "MIS": 1.0}


def test_of_the_kind_a_picture_tells_nothing_unless_nothing_may_be_wrong() -> None:
    """The control: by elimination VIS is named without any picture; solutions without an error end that."""
    samples = drawn("category")
    assert right_by_category(samples, replies(samples, swapped(samples)))["VIS"] > 0.9
    samples = drawn("category", none_frac=0.2, with_answer=False)
    found = right_by_category(samples, replies(samples, swapped(samples)))
    assert found.pop(NONE) < 0.1
    assert found.pop("VIS") > 0.9, "another picture contradicts a solution as well"
    assert set(found.values()) == {1.0}
    blind = [in_text(sample.prompt, truth_of(sample)["rule"]) for sample in samples]
    assert {s.meta["category"] for s, of in zip(samples, blind, strict=True) if of == NOTHING} == {"VIS", NONE}


def evaluate(rule: str, facts: Mapping[str, int]) -> float:
    """The value of a rule, by Python."""
    code = compile(rule.partition(" = ")[2].replace(" x ", " * "), "rule", "eval")
    return float(eval(code, {"__builtins__": {}}, dict(facts)))


def test_the_right_answer_does_not_tell_which_reading_is_wrong() -> None:
    """Every fact in turn is given every value that it may have: two or more could be what was read wrongly."""
    visual = [sample for sample in drawn() if sample.meta["category"] == "VIS"]
    assert len(visual) == NUM // 5
    for sample in visual:
        read = {name: value for name, (_, value) in readings(steps_in(sample.prompt)).items()}
        rule, correct = truth_of(sample)["rule"], int(re.findall(r"Correct answer: (\d+)", sample.prompt)[0])
        ranges = PROBLEMS[str(sample.meta["problem_type"])].facts
        could = [
            name
            for name, (low, high) in ranges.items()
            if any(evaluate(rule, {**read, name: value}) == correct for value in range(low, high + 1))
        ]
        assert len(could) >= 2
        wrong = [name for name, value in read.items() if value != truth_of(sample)["facts"][name]]
        assert len(wrong) == 1
        assert set(wrong) <= set(could)


@pytest.mark.parametrize("options", VARIANTS)
def test_before_the_first_wrong_step_all_is_as_in_the_right_solution(options: dict[str, Any]) -> None:
    for sample in drawn(**options):
        truth, gold = truth_of(sample), int(sample.answers[0])
        assert evaluate(truth["rule"], truth["facts"]) == int(truth["steps"][-1].rpartition(" ")[2])
        said = steps_in(sample.prompt)
        before = [step for step in said[: gold - 1 if gold else len(said)] if step not in PADDING]
        assert before == truth["steps"][: len(before)]
        if gold:
            assert said[gold - 1] != truth["steps"][len(before)]
            assert said[gold - 1] not in PADDING
        else:
            assert before == truth["steps"]
        assert sample.meta["num_steps"] == len(said) <= 9


@pytest.mark.parametrize("options", VARIANTS[:2])
def test_a_wrong_solution_has_a_wrong_answer(options: dict[str, Any]) -> None:
    for sample in drawn(**options):
        answers = re.findall(r"^(?:Correct|The student's) answer: (\d+)$", sample.prompt, re.MULTILINE)
        assert len(set(answers)) == 2
        assert int(answers[1]) == operations(steps_in(sample.prompt))[-1][3]


def test_facts_stand_in_the_picture_only() -> None:
    """The question of a kind of problem is one and the same text, and two pictures are never the same."""
    samples = drawn()
    questions = {sample.meta["problem_type"]: re.findall("Problem: (.*)", sample.prompt)[0] for sample in samples}
    for sample in samples:
        assert questions[sample.meta["problem_type"]] in sample.prompt
        assert not re.search(r"\d", questions[sample.meta["problem_type"]])
    shown = {shown_digest(decode(s.sample_id, s.media[0], Sampling())) for s in samples}
    assert len(shown) == NUM


@pytest.mark.parametrize(("split", "num"), [("mine", 150), ("test", 80), ("test", NUM)])
def test_no_constant_step_is_right_in_a_quarter(split: str, num: int) -> None:
    counts = Counter(sample.answers[0] for sample in drawn(split=split, num=num))
    assert set(counts) == set("123456789")
    assert max(counts.values()) <= num / 4
    letters = Counter(sample.answers[0] for sample in drawn("category", split, num))
    assert set(letters) == set("ABCDE")


def test_one_step_for_all_moves_kinds_apart_and_none_within_a_gold_step() -> None:
    """What docs say of strata: kinds are in other places, so a constant reply is right in some kinds alone."""
    samples = drawn(num=1000)
    places = {kind: {int(s.answers[0]) for s in samples if s.meta["category"] == kind} for kind in CATEGORIES}
    early, middle, late = set(range(1, 5)), set(range(2, 8)), set(range(4, 10))
    assert places == {"KNOW": early, "MIS": early, "VIS": middle, "CAL": late, "REAS": late}
    three, eight = (right_by_category(samples, [reply] * len(samples)) for reply in "38")
    assert three["VIS"] > 0.1
    assert three["CAL"] == 0
    assert eight["VIS"] == 0
    assert eight["CAL"] > 0.1
    shared = [s for s in samples if s.meta["gold_step"] == 5]
    assert set(right_by_category(shared, ["5"] * len(shared))) == {"VIS", "CAL", "REAS"}
    assert set(right_by_category(shared, ["5"] * len(shared)).values()) == {1.0}


def kinds_of_steps(sample: Sample) -> tuple[str, ...]:
    """What may be seen of a solution without its numbers."""
    return tuple(
        "nothing" if step in PADDING else re.sub(r"\d+", "n", step) if " is " not in step else "reading"
        for step in steps_in(sample.prompt)
    )


def test_the_look_of_a_solution_does_not_tell_which_reading_is_wrong() -> None:
    """A table of what was wrong where solutions look alike, of other items, finds no more than a guess among readings.

    It names the reading by its place among them, by kind of problem and kinds of steps; and it is the same for each
    number of lines that say nothing, before and after.
    """
    options: dict[str, Any] = {"none_frac": 0.2, "with_answer": False}
    seen: dict[tuple[object, ...], Counter[str]] = {}
    for sample in drawn(split="train", num=2500, **options):
        if sample.meta["category"] == "VIS":
            seen.setdefault((sample.meta["problem_type"], kinds_of_steps(sample)), Counter())[sample.answers[0]] += 1
    right, by_chance = list[bool](), list[float]()
    for sample in drawn(num=1500, **options):
        counts = seen.get((sample.meta["problem_type"], kinds_of_steps(sample)))
        if sample.meta["category"] == "VIS" and counts is not None:
            right.append(counts.most_common(1)[0][0] == sample.answers[0])
            by_chance.append(1 / len(truth_of(sample)["facts"]))
    assert len(right) > 120
    deviation = sum(p * (1 - p) for p in by_chance) ** 0.5
    assert sum(right) - sum(by_chance) < 3 * deviation


def test_a_solution_without_an_error_looks_as_one_with_a_wrong_reading() -> None:
    """As many lines that say nothing before the rule, and after it."""
    before: dict[str, Counter[int]] = {"VIS": Counter(), NONE: Counter(), "CAL": Counter()}
    after: dict[str, Counter[int]] = {"VIS": Counter(), NONE: Counter(), "CAL": Counter()}
    for sample in drawn(num=1500, none_frac=0.2, with_answer=False):
        kind = str(sample.meta["category"])
        if kind in before:
            steps = steps_in(sample.prompt)
            first = next(place for place, step in enumerate(steps) if step not in PADDING)
            before[kind][first] += 1
            after[kind][sum(step in PADDING for step in steps) - first] += 1
    for counts in (before, after):
        table = [[of[number] for number in range(4)] for of in counts.values()]
        assert chi2_contingency(table).pvalue > 0.001


def test_kinds_are_balanced_or_as_in_the_paper() -> None:
    pairs = Counter((sample.meta["problem_type"], sample.meta["category"]) for sample in drawn())
    assert set(pairs.values()) == {NUM // 25}
    assert len(pairs) == 25
    samples = drawn(proportions="paper")
    for key, shares in (("problem_type", PAPER_TYPES), ("category", PAPER_CATEGORIES)):
        assert sum(shares.values()) == pytest.approx(100)
        counts = Counter(sample.meta[key] for sample in samples)
        for name, share in shares.items():
            deviation = (share / 100 * (1 - share / 100) / NUM) ** 0.5
            assert abs(counts[name] / NUM - share / 100) < 4 * deviation


def test_solutions_without_an_error() -> None:
    samples = drawn(none_frac=0.2, with_answer=False)
    right = [sample for sample in samples if sample.meta["category"] == NONE]
    assert abs(len(right) / NUM - 0.2) < 4 * (0.2 * 0.8 / NUM) ** 0.5
    for sample in samples:
        assert sample.choices[0] == "0"
        assert (sample.answers == ("0",)) == (sample.meta["gold_step"] == NONE) == (sample in right)
        assert "got it wrong" not in sample.prompt
        assert "Correct answer" not in sample.prompt
        assert sample.prompt.endswith("Reply with its number, or 0 where no step is wrong, only.")
    kinds = drawn("category", none_frac=0.2, with_answer=False)
    assert all(NONE in sample.choices and len(sample.choices) == 6 for sample in kinds)


def test_both_tasks_ask_about_the_same_items() -> None:
    for one, other in zip(drawn(), drawn("category"), strict=True):
        assert (one.sample_id, one.media, one.meta["truth"]) == (other.sample_id, other.media, other.meta["truth"])
        assert one.prompt.partition("\nWhich")[0] == other.prompt.partition("\nWhich")[0]


@pytest.mark.parametrize(
    ("options", "says"), [({"proportions": "papr"}, "Did you mean paper"), ({"none_frac": 1.0}, "none_frac = 1.0")]
)
def test_what_is_no_option_is_refused(options: dict[str, Any], says: str) -> None:
    with pytest.raises(UserError, match=says):
        list(toy_errorradar_step.samples("test", 1, 1, **options))
