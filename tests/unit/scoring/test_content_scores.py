"""Content and stopping apart: values worked by hand of the scores that tell a lost answer from a lost end token."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lode.scoring import answer_probability, begins_with_answer, content, exact_match, stopping
from lode.scoring._diagnostics import begins


def sample(*answers, tokens=1):
    return {"answers": list(answers), "num_gold_tokens": tokens}


@pytest.mark.parametrize(
    ("reply", "answers", "expected"),
    [
        ("cat", ["dog", "cat"], True),
        ("cats", ["cat"], True),  # where a word ends, nothing tells
        ("scat", ["cat"], False),
        ("cat cat cat", ["cat"], True),
        ("a purple square above a black square triangle cross", ["a purple square above a black square"], True),
        ("a purple square above a black square", ["a purple square"], True),  # the shorter answer is accepted too
        ("a purple square above a black squarez", ["a purple square above a black square"], True),
        ("a purple", ["a purple square"], False),
        ("the cat", ["cat"], False),
        ("  Cat.\n dog", [" CAT "], True),
        ("cat, dog", ["cat"], True),
        ("B. Paris", ["B"], True),
        ("Because", ["B"], True),
        ("3. Next", ["3"], True),
        ("12", ["120"], False),
        ("stop!stop!", ["stop!"], True),
        ("STRASSE nach", ["straße"], True),
        ("cafe\u0301 noir", ["caf\u00e9"], True),
        ("cafe\u0301", ["cafe"], False),
        ("猫が好き", ["猫"], True),
        ("", ["cat"], False),
        ("cat", [""], False),
        ("cat", [" "], False),
        ("", [""], False),
        ("cat", [], False),
    ],
)
def test_a_reply_begins_with_an_answer_whatever_follows(reply, answers, expected):
    assert begins(reply, answers) is expected
    assert begins_with_answer.score([reply], [sample(*answers)]).tolist() == [expected]


texts = st.text(alphabet=st.sampled_from("abAB cat.'é猫\u0301!1"), max_size=10)


@given(reply=texts, answers=st.lists(texts, max_size=3), tail=st.text(alphabet="zq .,", max_size=6))
@settings(max_examples=200, deadline=None)
def test_an_exact_reply_begins_with_its_answer_whatever_words_are_appended(reply, answers, tail):
    exact, begun = (plugin.score([reply], [sample(*answers)])[0] for plugin in (exact_match, begins_with_answer))
    assert begun >= exact
    longer = begins_with_answer.score([f"{reply.strip()} {tail}"], [sample(*answers)])[0]
    assert longer >= begun


def test_content_and_stopping_are_log_likelihoods_as_they_are():
    for plugin in (content, stopping):
        assert plugin.score([-0.25, -40.0, 0.0], [sample("a")] * 3).tolist() == [-0.25, -40, 0]


def test_chance_of_content_by_hand():
    """Three of four say "yes", so 2 of the other 3 do, and 2 + 1 of their 3 + 2 words; nobody else says "no".

    Putting words together is best here: log 3/5 and log 1/5, as saying an answer of the others never says "no".
    """
    rows = [sample("yes", "no")] * 3 + [sample("no")]
    assert content.chance(rows).mean() == pytest.approx((3 * math.log(3 / 5) + math.log(1 / 5)) / 4)
    assert content.chance(rows).tolist() == pytest.approx([math.log(3 / 5)] * 3 + [math.log(1 / 5)])  # by sample
    assert not content.chance([sample("yes")] * 4).any(), "four of a kind are certain"
    # Of 80 different words each is new among 79 others: one of 79 + 80 places.
    assert content.chance([sample(str(i)) for i in range(80)]).mean() == pytest.approx(-math.log(159))


def test_chance_of_classes_of_several_words_is_near_their_frequency():
    """4 equal classes of 4 words in 80 samples: 19 of the other 79 have the same answer, said with probability 0.99."""
    rows = [sample(f"the {kind} of it") for kind in ("cough", "sigh", "sneeze", "laugh")] * 20
    words = (79 + 1) ** 3 * (19 + 1) / (79 * 4 + 7) ** 4
    assert content.chance(rows).mean() == pytest.approx(math.log(0.99 * 19 / 79 + 0.01 * words))


def test_chance_of_whole_sentences_is_that_of_their_words():
    """FAULTS U4: no other caption is the same, and a guess does not know the list: 4 words of about 1 in 20 each."""
    captions = [f"a {one} on {other}" for one in "cat dog cow fox".split() for other in "mats beds rugs tops".split()]
    expected = math.log((15 + 1) ** 2 * (3 + 1) ** 2 / (15 * 4 + 10) ** 4)
    assert content.chance([sample(caption) for caption in captions]) == pytest.approx(expected)


def test_chance_of_stopping_by_hand():
    """Answers of 2 and 4 tokens: 2 of 8 places are an end. No rate of ending makes the two more probable."""
    rows = [sample("a b", tokens=2), sample("a b c d", tokens=4)]
    assert stopping.chance(rows).tolist() == pytest.approx([math.log(1 / 4)] * 2)
    rates = np.linspace(0.01, 0.99, 99)
    best = rates[np.argmax(2 * np.log(rates) + 6 * np.log(1 - rates))]
    assert best == pytest.approx(math.exp(stopping.chance(rows)[0]))
    assert stopping.chance([sample("a")])[0] == pytest.approx(math.log(1 / 2))


def test_answer_probability_by_hand():
    """A token of probability 1/2 and one of 1/8: the geometric mean is 1/4."""
    values = answer_probability.score([(math.log(1 / 2) + math.log(1 / 8)) / 2, 0.0, -1e5], [sample("a b")] * 3)
    assert values.tolist() == pytest.approx([1 / 4, 1, 0])


def test_chance_of_answer_probability_by_hand():
    """The guess of `content`, to the power 1 / number of tokens; no model is above chance just for being alive."""
    rows = [sample(str(i), tokens=2) for i in range(80)]
    assert answer_probability.chance(rows).tolist() == pytest.approx([(1 / 159) ** 0.5] * 80)
    assert answer_probability.chance([sample("a", tokens=2)] * 3).tolist() == [1, 1, 1]


@pytest.mark.parametrize("plugin", [content, stopping, answer_probability, begins_with_answer])
def test_unequal_lengths_are_refused(plugin):
    with pytest.raises(ValueError, match="zip"):
        plugin.score(["a", "b"] if plugin.COLUMN == "reply" else [-1.0, -2.0], [sample("a")])
