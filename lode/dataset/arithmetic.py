"""Sums, differences and products of one- and two-digit numbers: text alone, generated.

Every pair of operands of which the answer is from 1 to 99: 4,851 sums (terms from 1), 4,851 differences, and the
products of factors from 2. Operations take turns, so a third of the samples is of each until products run out; within
an operation every pair is as likely as the next. So the answers' distribution is known (`answer_shares`): large sums
are common and large differences rare.

The gold answer is the equation, as small models say it, or the number: `reply` says which, and both are accepted. The
likelihood of an equation is largely that of copying; the four choices begin alike, so which is likeliest is not. The
wrong numbers are within 10 of the right one and have as many digits. The cluster is the two operands, whatever is done
with them and in whichever order; it is in one split for good.

What it does not tell: reckoning from remembering, of small operands; a reply that goes on with a digit ("123" for "12")
begins with the answer.
"""

import random
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import chain, islice, product, zip_longest
from typing import NamedTuple

from lode.dataset import BY_TEXT, Sample
from lode.dataset._splits import split_of_few
from lode.dataset._written import item_id, shuffled
from lode.engine.errors import unknown_name

HELD_OUT = "clusters"
#: What the gold answer is: 7 + 5 = 12, or 12.
REPLIES = ("equation", "number")
LARGEST, REACH = 99, 10


class Problem(NamedTuple):
    """Two operands, the sign between them, and the answer."""

    first: int
    sign: str
    second: int
    answer: int

    @property
    def asked(self) -> str:
        """What is to be reckoned."""
        return f"{self.first} {self.sign} {self.second}"

    @property
    def cluster(self) -> str:
        """The operands, the smaller first."""
        return "-".join(map(str, sorted((self.first, self.second))))


def problems() -> dict[str, list[Problem]]:
    """All there are, by sign."""
    pairs = list(product(range(1, LARGEST), repeat=2))
    sums = [Problem(a, "+", b, a + b) for a, b in pairs if a + b <= LARGEST]
    differences = [Problem(total, "-", b, a) for a, _, b, total in sums]
    products = [Problem(a, "*", b, a * b) for a, b in pairs if min(a, b) > 1 and a * b <= LARGEST]
    return {"+": sums, "-": differences, "*": products}


def answer_shares() -> dict[int, float]:
    """The probability of every answer, a third from each operation."""
    shares: Counter[int] = Counter()
    found = problems()
    for of_sign in found.values():
        for problem in of_sign:
            shares[problem.answer] += 1 / len(of_sign) / len(found)  # type: ignore[assignment]
    return dict(shares)


def wrong_numbers(answer: int, dealer: random.Random) -> list[int]:
    """Three others near the answer, of as many digits."""
    near = range(max(answer - REACH, 1), min(answer + REACH, LARGEST) + 1)
    return dealer.sample([n for n in near if n != answer and len(str(n)) == len(str(answer))], 3)


def _sample(problem: Problem, split: str, seed: int, reply: str) -> Sample:
    said: dict[str, Callable[[int], str]] = {"number": str, "equation": f"{problem.asked} = {{}}".format}
    dealer = random.Random(f"arithmetic|{seed}|{problem.asked}")
    wrong = [said[reply](number) for number in wrong_numbers(problem.answer, dealer)]
    choices, index = shuffled(said[reply](problem.answer), wrong, dealer)
    answers = tuple(said[form](problem.answer) for form in sorted(REPLIES, key=lambda form: form != reply))
    meta: dict[str, object] = {"operation": problem.sign, "answer": problem.answer, "reply": reply, **BY_TEXT}
    name, prompt = item_id("arithmetic", problem.asked), f"What is {problem.asked}?"
    return Sample(name, problem.cluster, split, prompt, answers, (), choices, index, meta)


def samples(split: str, num_samples: int, seed: int, reply: str = "equation") -> Iterator[Sample]:
    """Yield samples of the split, at most some 2,000, 4,000 and 4,000; equal arguments give equal text.

    Args:
        split: `train`, `mine` or `test`.
        num_samples: at most this many.
        seed: of splits, order and choices.
        reply: the gold answer is the `equation` or the `number`; prompts do not depend on it.
    """
    if reply not in REPLIES:
        raise unknown_name("reply", reply, REPLIES)
    dealer = random.Random(f"arithmetic|{seed}")
    dealt = [
        [one for one in dealer.sample(of_sign, len(of_sign)) if split_of_few(one.cluster, seed) == split]
        for of_sign in problems().values()
    ]
    in_turn = (one for one in chain.from_iterable(zip_longest(*dealt)) if one)
    return islice((_sample(one, split, seed, reply) for one in in_turn), num_samples)
