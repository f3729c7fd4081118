"""Scores and statistics: values worked by hand, slow plain versions, and what must not change a result."""

import math
from importlib import import_module

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lode.scoring import (
    UNITS,
    caption_bleu_paper,
    caption_cosine_paper,
    exact_match,
    mmlu_paper,
    speech_paper,
    vqa_paper,
)
from lode.scoring.caption_bleu_paper import bleu
from lode.statistics.clusters import cluster_totals
from lode.statistics.significance import rank_p_value

PLUGINS = ("exact_match", "vqa_paper", "mmlu_paper", "speech_paper", "caption_bleu_paper", "caption_cosine_paper")


def sample(*answers, index=-1):
    return {"answers": list(answers), "answer_index": index}


def one(plugin, reply, row):
    return plugin.score([reply], [row])[0]


# --- scores, by hand


@pytest.mark.parametrize(
    ("reply", "answers", "expected"),
    [
        ("cat", ["dog", "cat"], 1),
        ("  Cat\n", ["cat"], 1),
        ("cat", [" CAT "], 1),
        ("cat.", ["cat"], 0),
        ("a cat", ["cat"], 0),
        ("", ["cat"], 0),
        ("", [""], 0),
        ("  ", [" "], 0),
        ("cat", [], 0),
        ("STRASSE", ["straße"], 1),
        ("cafe\u0301", ["caf\u00e9"], 1),
        ("猫", ["猫"], 1),
        ("x" * 10_000, ["x" * 10_000], 1),
        ("x" * 9_999 + "y", ["x" * 10_000], 0),
    ],
)
def test_exact_match(reply, answers, expected):
    assert one(exact_match, reply, sample(*answers)) == expected


@pytest.mark.parametrize(
    ("reply", "answers", "expected"),
    [
        ("It says STOP here", ["stop"], 1),
        ("a woman", ["man"], 1),  # the paper's defect, kept
        ("go", ["stop", "halt"], 0),
        ("man", ["woman"], 0),
        ("", ["stop"], 0),
        ("", [""], 0),
        ("anything", [""], 0),
        ("anything", [], 0),
        ("CAFÉ NERO", ["café"], 1),
        ("x" * 9_997 + "cat", ["CAT"], 1),
        ("x" * 10_000, ["cat"], 0),
    ],
)
def test_vqa_paper(reply, answers, expected):
    assert one(vqa_paper, reply, sample(*answers)) == expected


@pytest.mark.parametrize(
    ("reply", "index", "expected"),
    [
        ("B", 1, 1),
        ("B. Paris", 1, 1),
        ("Because", 1, 1),  # the paper's defect, kept
        (" B", 1, 0),
        ("b", 1, 0),
        ("A", 1, 0),
        ("D", 3, 1),
        ("", 0, 0),
        ("A", -1, 0),
        ("@", -1, 0),  # chr(ord("A") - 1)
        ("B" * 10_000, 1, 1),
        ("É", 4, 0),
    ],
)
def test_mmlu_paper(reply, index, expected):
    assert one(mmlu_paper, reply, sample("B", index=index)) == expected


#: Five captions of one image of COCO.
COCO = (
    "A man with a red helmet on a small moped on a dirt road.",
    "Man riding a motor bike on a dirt road on the countryside.",
    "A man riding on the back of a motorcycle.",
    "A dirt path with a young person on a motor bike rests to the foreground of a verdant area with a bridge and a "
    "background of cloud-wreathed mountains.",
    "A man in a red shirt and a red hat is on a motorcycle on a hill side.",
)
MOTORCYCLE = "A man riding a motorcycle on a dirt road."


def test_caption_bleu_by_hand():
    # "The" is not "the", nor DOWN "down": 1-grams 3 of 5, 2-grams 1 of 4, others none of 3 and 2, which count 0.1.
    expected = (3 / 5 * 1 / 4 * 0.1 / 3 * 0.1 / 2) ** 0.25
    assert one(caption_bleu_paper, "The cat sat DOWN here", sample("the cat sat here now")) == pytest.approx(expected)
    # 9 words against the first of COCO, of 14: all but "riding" and "motorcycle"; "A man", "on a dirt road." and parts.
    assert one(caption_bleu_paper, MOTORCYCLE, sample(COCO[0])) == pytest.approx(
        math.exp(1 - 14 / 9) * (7 / 9 * 4 / 8 * 2 / 7 * 1 / 6) ** 0.25
    )
    assert one(caption_bleu_paper, MOTORCYCLE, sample(*COCO)) == pytest.approx(0.212, abs=5e-4)


@pytest.mark.parametrize(
    ("reply", "reference", "expected"),
    [
        *zip(
            [MOTORCYCLE] * 5,
            COCO,
            [0.21165417903210945, 0.10693319442988289, 0.13485111859503685, 0.007722415202373338, 0.13057811073335993],
            strict=True,
        ),
        ("cat", "cat", 0.1778279410038923),
        ("the cat", "the cat sat here now", 0.07055995207471726),
        ("a a a a a", "a b c a d e", 0.05231223689135342),
        ("The cat sat DOWN here", "the cat sat here now", 0.12574334296829354),
        ("red fox runs", "red fox runs", 0.5623413251903491),
        ("dog", "cat", 0),
        ("", "cat", 0),
    ],
)
def test_caption_bleu_is_that_of_nltk(reply, reference, expected):
    """Recorded from nltk 3.10.4: `sentence_bleu([reference.split()], reply.split(), smoothing_function=method1)`."""
    assert abs(bleu(reply.split(), reference.split()) - expected) < 1e-12


def test_caption_cosine_by_hand():
    # Texts "cat sat" and "cat ran": idf(cat) = ln(3/3) + 1 = 1, idf(sat) = idf(ran) = ln(3/2) + 1.
    rare = math.log(3 / 2) + 1
    assert one(caption_cosine_paper, "cat sat", sample("cat ran")) == pytest.approx(1 / (1 + rare**2))
    assert one(caption_cosine_paper, "A red cat", sample("blue dog here", "a red cat")) == pytest.approx(1)
    assert one(caption_cosine_paper, "Ein grünes Fähnchen", sample("ein grünes fähnchen")) == pytest.approx(1)


@pytest.mark.parametrize("plugin", [caption_bleu_paper, caption_cosine_paper])
@pytest.mark.parametrize("reply", ["", " ", "...", "dog", "x" * 10_000, "🙂", "猫"])
def test_caption_without_a_shared_word_is_zero(plugin, reply):
    assert one(plugin, reply, sample("red cat", "blue cat")) == 0


@pytest.mark.parametrize("plugin", [caption_bleu_paper, caption_cosine_paper])
def test_caption_takes_the_best_reference_and_blank_ones_do_not_matter(plugin):
    assert one(plugin, "a cat", sample()) == 0
    assert one(plugin, "", sample("")) == 0
    assert one(plugin, "a cat", sample("", "  ")) == 0
    assert 0 < one(plugin, "cat sat", sample("cat ran", "")) == one(plugin, "cat sat", sample("cat ran"))
    assert one(plugin, "red cat sat here", sample("dog", "red cat sat here")) == pytest.approx(1)


def test_captions_of_ten_thousand_characters():
    long = "red cat " * 1250
    for plugin in (caption_bleu_paper, caption_cosine_paper):
        assert one(plugin, long, sample(long)) == pytest.approx(1)
        assert 0 < one(plugin, long, sample("red cat dog")) < 1


@pytest.mark.parametrize(
    ("reply", "reference", "expected"),
    [
        ("stew for dinner", "STEW FOR DINNER", 1),
        ("He says: stew for dinner, dear", "STEW FOR DINNER", 1),  # the reference is in it
        ("stewardess", "STEW", 1),  # the paper's defect, kept
        ("stew for lunch", "STEW FOR DINNER", 2 / 3),
        ("stew", "STEW FOR DINNER TODAY", 1 / 4),
        ("a b c d e f g h i j", "STEW TODAY", -4),  # 2 substitutions and 8 insertions for 2 words
        ("stew for lunch and then some more", "STEW FOR DINNER", 1 - 5 / 3),
        ("stew  for\nlunch", " STEW FOR  DINNER ", 2 / 3),
        ("", "STEW", 0),
        (" ", "STEW", 0),
        ("stew", "", 0),
        ("", "", 0),
    ],
)
def test_speech_paper_is_not_clipped(reply, reference, expected):
    assert one(speech_paper, reply, sample(reference)) == pytest.approx(expected)


# --- scores, properties

texts = st.text(alphabet=st.sampled_from("abAB cat.é猫\n"), max_size=12)
items = st.tuples(texts, st.lists(texts, max_size=3), st.integers(-1, 3))


@pytest.mark.parametrize("name", PLUGINS)
@settings(max_examples=30, deadline=None)
@given(batch=st.lists(items, max_size=6), order=st.randoms())
def test_scores_are_in_range_and_belong_to_the_sample_alone(name, batch, order):
    plugin = import_module(f"lode.scoring.{name}")
    values = plugin.score([r for r, _, _ in batch], [sample(*a, index=i) for _, a, i in batch])
    assert values.shape == (len(batch),)
    assert values.dtype == np.float64
    low, high = UNITS[plugin.UNIT]
    assert np.all((values >= low) & (values <= high) & np.isfinite(values))
    shuffled = order.sample(range(len(batch)), len(batch))
    again = plugin.score([batch[k][0] for k in shuffled], [sample(*batch[k][1], index=batch[k][2]) for k in shuffled])
    assert np.array_equal(again, values[shuffled])
    for (reply, answers, index), value in zip(batch, values, strict=True):
        assert one(plugin, reply, sample(*answers, index=index)) == value
        assert reply.strip() or value == 0


@pytest.mark.parametrize("name", PLUGINS)
def test_unequal_lengths_are_refused(name):
    with pytest.raises(ValueError, match="zip"):
        import_module(f"lode.scoring.{name}").score(["a", "b"], [sample("a")])


# --- statistics


def test_cluster_totals_by_hand():
    values = np.array([[1.0, 2.0, 4.0, 8.0], [0.0, 1.0, 0.0, 1.0]])
    totals, sizes = cluster_totals(values, np.array(["b", "a", "b", "c"]))
    assert totals.tolist() == [[2, 5, 8], [1, 0, 1]]
    assert sizes.tolist() == [1, 2, 1]


@pytest.mark.parametrize(
    ("drop", "controls", "expected"),
    [
        (0.5, [0.1, 0.2, 0.3], 1 / 4),
        (0.2, [0.1, 0.2, 0.3], 3 / 4),
        (0.05, [0.1, 0.2, 0.3], 1),
        (0.31, [0.1, 0.2, 0.3], 1 / 4),
        (-0.1, [-0.2, 0.0], 2 / 3),
        (0.9, [0.1] * 19, 1 / 20),
        (0.3, [], 1),
        (0.1 + 0.2, [0.3], 1),  # 0.30000000000000004 is a tie
        (0.3, [0.1 + 0.2], 1),
        (0.9 - 0.6, [1.0 - 0.7], 1),
        (0.3, [0.3 - 1 / 20_000], 1 / 2),  # one sample of 20,000 is no tie
    ],
)
def test_rank_p_value_by_hand(drop, controls, expected):
    assert rank_p_value(drop, controls) == pytest.approx(expected)
