"""Scores and statistics: values worked by hand, slow plain versions, and what must not change a result."""

import math
from importlib import import_module
from itertools import product

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
from lode.statistics.bootstrap import cluster_intervals, cluster_totals
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


def interval(values, clusters, num_resamples=2000, level=0.95, seed=0):
    return cluster_intervals(*cluster_totals(values, clusters), num_resamples, level, seed)


def all_resamples(values, clusters):
    """The mean over samples of every possible draw of clusters, each equally likely, by plain loops."""
    members = [[v for v, c in zip(values, clusters, strict=True) if c == label] for label in sorted(set(clusters))]
    drawn = ([v for i in draw for v in members[i]] for draw in product(range(len(members)), repeat=len(members)))
    return np.array([sum(pool) / len(pool) for pool in drawn])


def test_cluster_totals_by_hand():
    values = np.array([[1.0, 2.0, 4.0, 8.0], [0.0, 1.0, 0.0, 1.0]])
    totals, sizes = cluster_totals(values, np.array(["b", "a", "b", "c"]))
    assert totals.tolist() == [[2, 5, 8], [1, 0, 1]]
    assert sizes.tolist() == [1, 2, 1]


def test_intervals_and_paired_intervals_against_all_resamples():
    rng = np.random.default_rng(1)
    clusters = np.array([0, 0, 0, 0, 1, 2, 2, 3, 3, 4, 5])  # unequal, so a mean of cluster means would be off
    clean, ablated = rng.random(11), rng.random(11)
    low, high = interval(np.stack([clean, ablated, clean - ablated]), clusters, 40_000, 0.9)
    for i, series in enumerate((clean, ablated, clean - ablated)):
        exact = np.quantile(all_resamples(series, clusters), [0.05, 0.95])  # 6^6 draws
        assert [low[i], high[i]] == pytest.approx(exact, abs=0.005)


def test_interval_of_two_clusters_by_hand():
    # Draws: 0 (1 of 4), 1 (1 of 4), and both clusters, (0 + 1) / (3 + 1) samples (2 of 4).
    values, clusters = np.array([[0.0, 0.0, 0.0, 1.0]]), np.array(["b", "b", "b", "a"])
    assert interval(values, clusters, level=0.6) == ([0], [1])
    assert interval(values, clusters, level=0.4) == ([0.25], [0.25])


def test_the_seed_decides_and_the_block_size_does_not(monkeypatch):
    values, clusters = np.random.default_rng(0).random((3, 40)), np.arange(40) % 9
    first = interval(values, clusters, seed=1)
    np.testing.assert_array_equal(first, interval(values, clusters, seed=1))
    assert not np.array_equal(first, interval(values, clusters, seed=2))
    monkeypatch.setattr("lode.statistics.bootstrap._BLOCK", 7 * 27)
    np.testing.assert_allclose(first, interval(values, clusters, seed=1), rtol=1e-12)


def test_equal_series_have_equal_intervals_and_certain_differences_none():
    series = np.random.default_rng(0).integers(0, 9, 40) / 8
    low, high = interval(np.stack([series, series, series - series, series - (series - 0.25)]), np.arange(40) % 9)
    assert low[0] == low[1] < high[0] == high[1]
    assert low[2] == high[2] == 0
    assert low[3] == high[3] == 0.25


@settings(max_examples=30, deadline=None)
@given(
    rows=st.lists(st.tuples(st.integers(0, 4), st.integers(0, 8)), max_size=15),
    order=st.randoms(),
)
def test_permuting_samples_and_duplicating_them_within_clusters_changes_nothing(rows, order):
    rows = [*rows, (0, 3), (1, 5)]  # two clusters at least
    clusters = np.array([c for c, _ in rows])
    values = np.array([[v / 8 for _, v in rows]])  # eighths add without rounding
    ends = interval(values, clusters, 40)
    shuffled = order.sample(range(len(rows)), len(rows))
    np.testing.assert_array_equal(ends, interval(values[:, shuffled], clusters[shuffled], 40))
    np.testing.assert_array_equal(ends, interval(np.tile(values, 2), np.tile(clusters, 2), 40))
    assert 0 <= ends[0][0] <= ends[1][0] <= 1


def test_copies_within_clusters_do_not_narrow_the_interval_but_copied_samples_would():
    values, clusters = (np.random.default_rng(0).random((1, 30)) > 0.5).astype(float), np.arange(30)

    def width(v, c):
        low, high = interval(v, c, 4000)
        return float(high[0] - low[0])

    plain, copied = width(values, clusters), np.tile(values, 4)
    assert width(copied, np.tile(clusters, 4)) == plain
    assert width(copied, np.arange(120)) == pytest.approx(plain / 2, rel=0.15)


def test_coverage_on_clustered_data_is_near_nominal():
    """400 studies of 40 clusters of 1 to 6 samples that share a cluster's rate; the true mean is known."""
    rng = np.random.default_rng(7)
    hits = {"cluster": 0, "naive": 0}
    num_studies = 400
    for study in range(num_studies):
        clusters = np.repeat(np.arange(40), rng.integers(1, 7, 40))
        rate = rng.choice([0.1, 0.9], 40)  # mean 0.5, independent of the size
        values = (rng.random((1, len(clusters))) < rate[clusters]).astype(float)
        for kind, labels in (("cluster", clusters), ("naive", np.arange(len(clusters)))):
            low, high = interval(values, labels, 400, 0.9, study)
            hits[kind] += bool(low[0] <= 0.5 <= high[0])
    assert 0.85 <= hits["cluster"] / num_studies <= 0.94  # two standard errors are 0.03; percentile is a little short
    assert hits["naive"] / num_studies < 0.78  # ignoring the clusters fails, so the test can fail


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
