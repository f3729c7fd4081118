"""Datasets of text alone: items of our own, reckoning, and passages of domains."""

from collections import Counter
from itertools import combinations
from typing import Any

import pytest

from lode.dataset import Sample, arithmetic, cloze, general_knowledge, text_domain
from lode.dataset._written import items
from lode.engine.errors import UserError
from lode.scoring._diagnostics import canonical
from lode.stages.prepare_dataset import check_samples

SPLITS = ("train", "mine", "test")
WRITTEN = {"_general_knowledge": (general_knowledge, "question"), "_cloze": (cloze, "sentence")}
CHOSEN = (general_knowledge, cloze, arithmetic)
DOMAINS = tuple(text_domain.DOMAINS)


def drawn(plugin: Any, seed: int = 2024, **options: str) -> dict[str, list[Sample]]:
    return {split: list(plugin.samples(split, 400, seed, **options)) for split in SPLITS}


# --- items of our own -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", WRITTEN)
def test_no_item_is_written_twice(name: str) -> None:
    plugin, key = WRITTEN[name]
    rows = items(name, plugin.DIGEST)
    assert len({canonical(row[key]) for row in rows}) == len(rows)
    assert all(value and value == value.strip() and "  " not in value for row in rows for value in row.values())
    assert all(len(row[key]) < 90 for row in rows), "a small model reads every token"


@pytest.mark.parametrize("name", WRITTEN)
def test_another_file_is_refused(name: str) -> None:
    with pytest.raises(UserError, match=f"{name}.tsv: not the words of this version"):
        items(name, "0" * 64)


def test_a_question_has_one_right_answer_and_three_others() -> None:
    rows = items("_general_knowledge", general_knowledge.DIGEST)
    assert len(rows) >= 320
    for row in rows:
        answers = [canonical(row[name]) for name in ("answer", *general_knowledge.WRONG)]
        assert len(set(answers)) == 4, row
        assert row["question"].endswith("?")
        assert not {" and ", " or "} & {f" {word} " for answer in answers for word in answer.split()}


def test_a_sentence_does_not_hold_its_last_word() -> None:
    rows = items("_cloze", cloze.DIGEST)
    assert len(rows) >= 150
    for row in rows:
        assert not {canonical(word) for word in cloze.words_of(row)} & set(canonical(row["sentence"]).split()), row
        assert all(len(word.split()) == 1 for word in cloze.words_of(row))


@pytest.mark.parametrize("plugin", CHOSEN)
@pytest.mark.parametrize("seed", [0, 2024])
def test_choices_differ_and_one_is_right(plugin: Any, seed: int) -> None:
    samples = [sample for part in drawn(plugin, seed).values() for sample in part]
    check_samples(samples, [])
    for sample in samples:
        right = sample.choices[sample.answer_index]
        assert len({canonical(choice) for choice in sample.choices}) == len(sample.choices) == 4
        assert sample.answers[0] == right
        wrong = {canonical(choice) for choice in sample.choices} - {canonical(right)}
        assert not wrong & {canonical(answer) for answer in sample.answers}
    places = Counter(sample.answer_index for sample in samples)
    assert max(places.values()) < 0.36 * len(samples), "the place must not tell"


@pytest.mark.parametrize("plugin", CHOSEN)
def test_items_are_in_one_split(plugin: Any) -> None:
    held = {split: {sample.cluster_id for sample in part} for split, part in drawn(plugin).items()}
    prompts = {split: {sample.prompt for sample in part} for split, part in drawn(plugin).items()}
    assert all(len(clusters) >= 35 for clusters in held.values())
    for one, other in combinations(SPLITS, 2):
        assert not held[one] & held[other]
        assert not prompts[one] & prompts[other]


def test_every_item_is_in_a_split() -> None:
    for plugin, name in ((general_knowledge, "_general_knowledge"), (cloze, "_cloze")):
        assert sum(map(len, drawn(plugin).values())) == len(items(name, plugin.DIGEST))


@pytest.mark.parametrize(("plugin", "forms"), [(cloze, cloze.REPLIES), (arithmetic, arithmetic.REPLIES)])
def test_the_form_of_the_reply_changes_the_gold_answer_alone(plugin: Any, forms: tuple[str, str]) -> None:
    long, short = ([*plugin.samples("mine", 50, 1, reply=form)] for form in forms)
    for one, other in zip(long, short, strict=True):
        assert (one.prompt, one.sample_id, one.answer_index) == (other.prompt, other.sample_id, other.answer_index)
        assert set(one.answers) == set(other.answers)
        assert one.answers[0].endswith(f" {other.answers[0]}")
    with pytest.raises(UserError, match="unknown reply 'letter'"):
        list(plugin.samples("mine", 1, 1, reply="letter"))


# --- reckoning --------------------------------------------------------------------------------------------------------


def test_answers_are_right_and_spread_as_stated() -> None:
    for problems in arithmetic.problems().values():
        assert len(set(problems)) == len(problems)
        for problem in problems:
            assert eval(problem.asked) == problem.answer
            assert 1 <= problem.answer <= 99 >= max(problem.first, problem.second)
    shares = arithmetic.answer_shares()
    assert sum(shares.values()) == pytest.approx(1)
    samples = list(arithmetic.samples("test", 300, 3))
    operations = Counter(sample.meta["operation"] for sample in samples)
    assert max(operations.values()) - min(operations.values()) <= 1
    small = sum(share for answer, share in shares.items() if answer < 30)
    assert sum(int(sample.answers[1]) < 30 for sample in samples) / 300 == pytest.approx(small, abs=0.1)


# --- passages ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("domain", DOMAINS)
def test_passages_have_one_length_and_go_on(domain: str) -> None:
    for split in SPLITS:
        samples = list(text_domain.samples(split, 60, 2024, domain=domain))
        assert len(samples) == 60
        check_samples(samples, [])
        for sample in samples:
            assert text_domain.LENGTH <= len(sample.prompt) < text_domain.LENGTH + text_domain.SLACK
            assert sample.prompt == sample.prompt.strip()
            (answer,) = sample.answers
            assert 1 <= len(answer.split()) <= text_domain.MOST_WORDS


def test_domains_have_equal_budgets_of_characters() -> None:
    sizes = [sum(len(sample.prompt) for sample in text_domain.samples("mine", 60, 7, domain=name)) for name in DOMAINS]
    assert max(sizes) < 1.02 * min(sizes)


@pytest.mark.parametrize("domain", DOMAINS)
def test_passages_repeat_little(domain: str) -> None:
    """No template, and no file, makes up the domain: few passages begin alike, and few clusters hold many."""
    samples = list(text_domain.samples("test", 60, 2024, domain=domain))
    assert len({sample.prompt[:40] for sample in samples}) >= 50
    assert max(Counter(sample.cluster_id for sample in samples).values()) <= 2


@pytest.mark.parametrize("domain", DOMAINS)
def test_clusters_of_passages_are_in_one_split(domain: str) -> None:
    held = [{s.cluster_id for s in text_domain.samples(split, 120, 5, domain=domain)} for split in SPLITS]
    for one, other in combinations(held, 2):
        assert not one & other


@pytest.mark.parametrize(("text", "expected"), [("a" * 400, None), ("ab " * 50, None), ("word " * 60 + "\nnext", None)])
def test_a_text_that_cannot_be_cut_is_left_out(text: str, expected: None) -> None:
    assert text_domain.cut(text) is expected


def test_a_cut_lies_between_two_words_of_a_line() -> None:
    prompt, answer = text_domain.cut("x" * 302 + " one two three four five six\nseven") or ("", "")
    assert (len(prompt), answer) == (302, "one two three four")


def test_an_unknown_domain_is_refused() -> None:
    with pytest.raises(UserError, match="unknown domain 'poem'"):
        list(text_domain.samples("mine", 1, 1, domain="poem"))
