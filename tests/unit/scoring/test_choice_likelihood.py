"""Multiple choice by likelihood: worked by hand, and nothing scored that cannot be."""

import pytest

from lode.engine.errors import UserError
from lode.scoring.choice_likelihood import score

SAMPLE = {"sample_id": "a", "choices": ["ab", "c"], "answer_index": 0}


def test_by_hand() -> None:
    """Right, wrong, a tie (the first counts), and a certain option."""
    found = score([(-0.1, -3.0), (-3.0, -0.1), (-1.0, -1.0), (0.0, float("-inf"))], [SAMPLE] * 4)
    assert found.tolist() == [1, 0, 1, 1]


@pytest.mark.parametrize(
    ("values", "changed"),
    [
        (None, {}),  # choices of several tokens
        (None, {"choices": [], "answer_index": -1}),
        ((-1.0, -2.0), {"answer_index": -1}),
    ],
)
def test_what_has_no_likelihood_is_never_wrong(values: tuple[float, ...] | None, changed: dict[str, object]) -> None:
    samples = [{**SAMPLE, "sample_id": "good"}, SAMPLE | {"sample_id": "bad"} | changed]
    with pytest.raises(UserError, match=r"1 of 2 samples cannot be scored, bad first: .*one token each\. Letter the"):
        score([(-0.1, -3.0), values], samples)
