"""The field's own scores of the real benchmarks: values worked by hand, and slow plain versions."""

import math
from collections import Counter
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lode.scoring import bleu_4, cider_d, vocalsound_paper, vqa_accuracy, word_recognition
from lode.scoring.vqa_accuracy import CONTRACTIONS, normalise

PLUGINS = (bleu_4, cider_d, vocalsound_paper, vqa_accuracy, word_recognition)


def sample(*answers, name="a"):
    return {"sample_id": name, "answers": list(answers), "answer_index": -1}


def one(plugin, reply, row):
    return plugin.score([reply], [row])[0]


# --- VQA accuracy -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("  The Cat.", "cat"),
        ("A man, an ox", "man ox"),
        ("3.5 m", "3.5 m"),
        ("50.", "50"),
        ("1,000", "1000"),
        ("stop?!", "stop"),  # nothing follows, so the mark becomes a blank
        ("yes/no", "yes no"),
        ("yes / no", "yes no"),
        ("co-op", "co op"),
        ("co- or re-op", "co or reop"),  # one hyphen beside a blank, and all of them are deleted
        ("two dogs", "2 dogs"),
        ("none", "0"),
        ("DONT", "don't"),
        ("don't", "don't"),
        ("bob's", "bob 's"),
        ("new\nyork\tcity", "new york city"),
        ("the", ""),
        ("", ""),
        ("猫 é", "猫 é"),
    ],
)
def test_normal_form(text, expected):
    assert normalise(text) == expected


def test_contractions_are_those_of_one_apostrophe():
    assert all(word.count("'") == 1 and word.replace("'", "") == key for key, word in CONTRACTIONS.items())
    assert len(CONTRACTIONS) > 60


@pytest.mark.parametrize(("num_equal", "expected"), [(0, 0), (1, 0.3), (2, 0.6), (3, 0.9), (4, 1), (10, 1)])
def test_vqa_accuracy_by_hand(num_equal, expected):
    answers = ["Stop"] * num_equal + [f"other {i}" for i in range(10 - num_equal)]
    assert one(vqa_accuracy, "stop.", sample(*answers)) == pytest.approx(expected)


def test_vqa_accuracy_of_odd_replies():
    row = sample(*["two"] * 10)
    assert [one(vqa_accuracy, reply, row) for reply in ("2", "TWO!", "it says two", "", "the")] == [1, 1, 0, 0, 0]
    assert one(vqa_accuracy, "", sample(*["the"] * 10)) == 0
    assert one(vqa_accuracy, "a", sample()) == 0
    assert one(vqa_accuracy, "cat", sample("cat")) == 0


@given(st.lists(st.sampled_from(["cat", "The cat", "dog", "2", "two", "x"]), min_size=1, max_size=10))
@settings(max_examples=60, deadline=None)
def test_vqa_accuracy_against_all_subsets(answers):
    """The mean over all ways to leave one answer out of min(matches / 3, 1)."""
    others = combinations([normalise(answer) for answer in answers], len(answers) - 1)
    slow = np.mean([min(sum(a == "cat" for a in subset) / 3, 1) for subset in others])
    assert one(vqa_accuracy, "Cat", sample(*answers)) == pytest.approx(slow)


# --- CIDEr-D ----------------------------------------------------------------------------------------------------------


def grams(text, n):
    words = cider_d.words_of(text)
    return [tuple(words[i : i + n]) for i in range(len(words) - n + 1)]


def slow_cider(reply, references, corpus):
    """CIDEr-D / 10 by the paper's formulas, one n and one reference at a time."""
    total = 0.0
    for n in (1, 2, 3, 4):
        found = Counter(g for texts in corpus for g in {g for text in texts for g in grams(text, n)})

        def weighted(text, n=n, found=found):
            return {g: c * math.log(len(corpus) / max(found[g], 1)) for g, c in Counter(grams(text, n)).items()}

        for reference in references:
            a, b = weighted(reply), weighted(reference)
            lengths = math.sqrt(sum(v**2 for v in a.values())) * math.sqrt(sum(v**2 for v in b.values()))
            overlap = sum(min(v, b.get(g, 0)) * b.get(g, 0) for g, v in a.items())
            gap = len(cider_d.words_of(reply)) - len(cider_d.words_of(reference))
            total += (overlap / lengths if lengths else 0) * math.exp(-(gap**2) / 72) / len(references)
    return total / 4


def test_cider_by_hand():
    """Two samples, every word of a reference in one of them only: all weights are log 2, which cancels.

    "a b c" against "a b d": 2 of 3 words, 1 of 2 pairs, 0 of 1 triple, no quadruple; against "a b c d", which is one
    word longer: 3 / sqrt(3 * 4), 2 / sqrt(2 * 3), 1 / sqrt(1 * 2), and exp(-1 / 72).
    """
    rows = [sample("a b d", name="1"), sample("x y", name="2")]
    assert cider_d.score(["a b c", ""], rows).tolist() == pytest.approx([(2 / 3 + 1 / 2) / 4, 0])
    rows = [sample("a b c d", name="1"), sample("x y", name="2")]
    expected = (3 / math.sqrt(12) + 2 / math.sqrt(6) + 1 / math.sqrt(2)) / 4 * math.exp(-1 / 72)
    assert cider_d.score(["a b c", ""], rows)[0] == pytest.approx(expected)


def test_cider_weighs_rare_words_more():
    """Four samples; "a" is in all of them (weight 0), "dog" in two (log 2), "zebra" in one (log 4 = 2 log 2).

    Reply "dog" against "a dog zebra": 1 * 1 / (1 * sqrt(1 + 4)) for words; two words shorter.
    """
    texts = ["a dog zebra", "a dog", "a cat", "a"]
    rows = [sample(text, name=text) for text in texts]
    values = cider_d.score(["dog", "a", "zebra", ""], [rows[0]] * 3 + [rows[3]])
    assert values.tolist() != [0] * 4, "all samples count, also those with other replies only"
    values = cider_d.score(["dog", "a", "zebra", "", "", ""], [rows[0]] * 3 + rows[1:])
    short = math.exp(-4 / 72)
    assert values[:3].tolist() == pytest.approx([short / math.sqrt(5) / 4, 0, short * 2 / math.sqrt(5) / 4])


def test_cider_clips_repeated_words_and_caps_at_one():
    rows = [sample("red fox runs away", name="1"), sample("x", name="2")]
    full, repeated = cider_d.score(["red fox runs away", "red red red red"], [rows[0]] * 2 + [])[:2], None
    assert full.tolist() == [0, 0], "one sample: no weights"
    full, repeated, _ = cider_d.score(["Red fox runs away!", "red red red red", ""], [rows[0], rows[0], rows[1]])
    assert full == pytest.approx(1)
    assert full <= 1
    # a plain cosine of the words would give 4 / (4 * 2); clipped at the reference's one: 1 / (4 * 2)
    assert repeated == pytest.approx(1 / 8 / 4)


captions = st.lists(st.sampled_from("a red blue fox dog runs on the".split()), min_size=0, max_size=7).map(" ".join)


@given(st.lists(st.tuples(captions, st.lists(captions, min_size=1, max_size=3)), min_size=1, max_size=5), st.randoms())
@settings(max_examples=60, deadline=None)
def test_cider_against_the_slow_version_and_whatever_the_order_and_number_of_replies(items, order):
    rows = [sample(*texts, name=str(i)) for i, (_, texts) in enumerate(items)]
    replies = [reply for reply, _ in items]
    corpus = [[text for text in texts if text.strip()] for _, texts in items]
    corpus = [texts for texts in corpus if texts]
    values = cider_d.score(replies, rows)
    for value, reply, row in zip(values, replies, rows, strict=True):
        texts = [text for text in row["answers"] if text.strip()]
        assert value == pytest.approx(slow_cider(reply, texts, corpus) if texts else 0, abs=1e-12)
    doubled = order.sample(range(len(rows)), len(rows)) * 2
    again = cider_d.score([replies[i] for i in doubled], [rows[i] for i in doubled])
    np.testing.assert_allclose(again, values[doubled], rtol=1e-12)


# --- BLEU-4 -----------------------------------------------------------------------------------------------------------


def test_bleu_by_hand():
    """Words 4 of 5, pairs 2 of 4, triples 1 of 3, quadruples 0 of 2, which count half a match of two."""
    expected = (4 / 5 * 2 / 4 * 1 / 3 * (1 / 2) / 2) ** 0.25
    assert one(bleu_4, "the cat sat DOWN here", sample("the cat sat here now")) == pytest.approx(expected)
    # the nearest reference decides the brevity penalty; matches may come from any of them
    assert one(bleu_4, "the cat sat", sample("the cat sat here now")) == pytest.approx(math.exp(1 - 5 / 3))
    assert one(bleu_4, "the cat sat", sample("the cat sat here now", "a dog ran")) == pytest.approx(1)
    assert one(bleu_4, "A red fox.", sample("blue", "a red fox.")) == 1
    assert one(bleu_4, "zebra", sample("a red fox")) == 0


# --- speech and vocal sounds ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("reply", "reference", "expected"),
    [
        ("Mister Quilter is here.", "MR QUILTER IS HERE", 1),
        ("he's here: twenty five dollars", "HE IS HERE TWENTY-FIVE DOLLARS", 1),
        ("um, stew for [noise] dinner", "STEW FOR DINNER", 1),
        ("stew for lunch", "STEW FOR DINNER", 2 / 3),
        ("The speaker says: stew for dinner", "STEW FOR DINNER", 0),  # three insertions
        ("stew", "STEW FOR DINNER TODAY", 1 / 4),
        ("the colour", "THE COLOR", 1 / 2),  # the table of spellings is empty
        ("", "STEW", 0),
        ("...", "STEW", 0),
        ("stew " * 50, "STEW", 0),
        ("stew", "UM", 0),
    ],
)
def test_word_recognition(reply, reference, expected):
    assert one(word_recognition, reply, sample(reference)) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        ("Sigh", 1),
        ("4. Throat clearing, Sigh", 1),
        ("Sighs", 1),  # the paper's defect, kept
        ("sigh", 0),
        ("", 0),
        ("Laughter", 0),
    ],
)
def test_vocalsound_paper(reply, expected):
    assert one(vocalsound_paper, reply, sample("Sigh")) == expected
    assert one(vocalsound_paper, reply, sample("")) == 0


# --- all of them ------------------------------------------------------------------------------------------------------

texts = st.text(alphabet=st.sampled_from("abAB cat.é猫\n1"), max_size=12)


@pytest.mark.parametrize("plugin", PLUGINS, ids=lambda plugin: plugin.__name__.rpartition(".")[2])
@settings(max_examples=30, deadline=None)
@given(batch=st.lists(st.tuples(texts, st.lists(texts, max_size=3)), max_size=6))
def test_scores_are_in_range_and_empty_replies_score_nothing(plugin, batch):
    rows = [sample(*answers, name=str(i)) for i, (_, answers) in enumerate(batch)]
    values = plugin.score([reply for reply, _ in batch], rows)
    assert values.shape == (len(batch),)
    assert values.dtype == np.float64
    assert np.all((values >= 0) & (values <= 1))
    for value, (reply, answers) in zip(values, batch, strict=True):
        assert value == 0 or (reply.strip() and any(answer.strip() for answer in answers))
        if plugin is not cider_d:
            assert one(plugin, reply, sample(*answers)) == value


@pytest.mark.parametrize("plugin", PLUGINS, ids=lambda plugin: plugin.__name__.rpartition(".")[2])
def test_unequal_lengths_are_refused(plugin):
    with pytest.raises(ValueError, match="zip"):
        plugin.score(["a", "b"], [sample("a")])
