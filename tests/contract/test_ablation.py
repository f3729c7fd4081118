"""Ablation says what the plain model says: replies of `generate`, likelihoods token by token, shortcut or not."""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from lode.dataset import BY_LETTER, BY_TEXT
from lode.engine.tables import read_table, write_table
from lode.intervention import SHAM
from lode.intervention._acting import switched
from lode.media import encode_image
from lode.model.adapter import Adapter
from lode.model.answering import Reply, generate, judge, judge_gold, option_tokens, prepare_batch, write
from lode.model.encoding import encode
from lode.model.switching import Switch, untouched
from lode.neurons import NeuronSet, SetKey, at_gate
from lode.scoring._diagnostics import begins
from lode.stages.benchmark_ablation import CLEAN, ablate_batch, blanked_batch
from lode.table.predictions import PREDICTIONS
from tests.plain_answers import MAX_NEW_TOKENS, PROMPTS, gold_tokens, plain_reply, slow_end, slow_likelihood
from tests.switching import INTERVENTIONS, donors, intervention
from tests.tiny_model import NUM_LAYERS, NUM_NEURONS, RECORDS, record


def written(adapter: Adapter, samples: Sequence[dict[str, Any]], switch: Switch, limit: int) -> list[Reply]:
    """The replies that an ablation writes."""
    batch = prepare_batch(adapter, samples)
    return write(adapter, batch, judge(adapter, batch, switch), switch, limit)


@pytest.fixture(scope="module")
def samples(tiny: Adapter) -> list[dict[str, Any]]:
    """Records of which some have the model's own reply for a gold answer, and some another."""
    replies = [plain_reply(tiny, sample) for sample in PROMPTS]
    assert any(truncated for _, _, truncated in replies), "no reply hits the limit"
    assert any(not truncated and length for _, length, truncated in replies), "no reply ends"
    texts = [text if text and i % 4 else "fed" for i, (text, _, _) in enumerate(replies)]
    return [{**sample, "answers": [text]} for sample, text in zip(PROMPTS, texts, strict=True)]


def shortcuts(adapter: Adapter, samples: Sequence[dict[str, Any]]) -> list[bool]:
    with torch.inference_mode():
        return judge_gold(adapter, prepare_batch(adapter, samples)).is_greedy


def test_both_ways_are_taken(tiny: Adapter, samples: list[dict[str, Any]]) -> None:
    """Otherwise the tests below would say nothing of one of them."""
    greedy = shortcuts(tiny, samples)
    assert any(greedy)
    assert not all(greedy)
    expected = [plain_reply(tiny, sample, 20) for sample in samples]
    for sample, is_greedy, (text, _, truncated) in zip(samples, greedy, expected, strict=True):
        assert is_greedy == (not truncated and text == sample["answers"][0])


@pytest.mark.parametrize("name", INTERVENTIONS)
@pytest.mark.parametrize("neurons", [[(0, 3)], [(0, n) for n in range(30)], [(1, 2), (2, 9)]], ids=len)
def test_replies_equal_plain_generation(
    tiny: Adapter, samples: list[dict[str, Any]], name: str, neurons: list[tuple[int, int]]
) -> None:
    """The pass over gold answers stands for prefill and decoding: the shortcut says what decoding would have said."""
    shown = [sample for sample in samples if sample["media"]]
    made = intervention(tiny, name)
    others = donors(tiny, made, shown)

    def switch(tokens: torch.Tensor, rows: Sequence[int]) -> Any:
        part = None if others is None else [layer[list(rows)] for layer in others]
        return switched(tiny, made, at_gate(neurons), "image", tokens, part)

    with torch.inference_mode():
        batch = prepare_batch(tiny, shown)
        replies = written(tiny, shown, switch, MAX_NEW_TOKENS)
        with switch(batch.prompts.token_kind, range(len(shown))):
            plain = generate(tiny, batch.prompts, MAX_NEW_TOKENS)
    assert replies == plain


def test_clean_replies_equal_plain_replies(tiny: Adapter, samples: list[dict[str, Any]]) -> None:
    with torch.inference_mode():
        replies = written(tiny, samples, untouched, MAX_NEW_TOKENS)
    assert [(r.text, r.num_tokens, r.truncated) for r in replies] == [plain_reply(tiny, s) for s in samples]


@pytest.mark.parametrize("limit", [1, 2, 3])
def test_the_limit_holds_for_the_shortcut_too(tiny: Adapter, samples: list[dict[str, Any]], limit: int) -> None:
    """A reply that is the gold answer and just as long as the limit is truncated: its end token was not spoken."""
    with torch.inference_mode():
        replies = written(tiny, samples, untouched, limit)
    expected = [plain_reply(tiny, sample, limit) for sample in samples]
    assert [(reply.text, reply.num_tokens, reply.truncated) for reply in replies] == expected


def test_gold_likelihood_token_by_token(tiny: Adapter) -> None:
    """Answers of one to five tokens, padded on both sides."""
    with torch.inference_mode():
        likelihood = judge_gold(tiny, prepare_batch(tiny, RECORDS)).content
    expected = [slow_likelihood(tiny, sample) for sample in RECORDS]
    np.testing.assert_allclose(likelihood, expected, rtol=1e-4, atol=1e-4)
    assert len({round(value, 3) for value in expected}) == len(RECORDS)


@pytest.mark.parametrize("num_ends", [1, 3])
def test_the_end_after_the_gold_answer(tiny: Adapter, monkeypatch: pytest.MonkeyPatch, num_ends: int) -> None:
    """Right behind the last token of each answer, however much padding follows; of several end tokens, any."""
    ends = [tiny.processor.tokenizer.eos_token_id, 5, 9][:num_ends]
    monkeypatch.setattr(tiny.model.generation_config, "eos_token_id", ends)
    with torch.inference_mode():
        stopping = judge_gold(tiny, prepare_batch(tiny, RECORDS)).stopping
    expected = [slow_end(tiny, sample, ends) for sample in RECORDS]
    np.testing.assert_allclose(stopping, expected, rtol=1e-4, atol=1e-4)
    assert len({round(value, 3) for value in expected}) == len(RECORDS)


def test_a_lost_end_token_is_no_lost_content(tiny: Adapter, samples: list[dict[str, Any]]) -> None:
    """Hand-worked: with logits of the end token set far down, content stays as it was and stopping is lost."""
    end = tiny.processor.tokenizer.eos_token_id
    with torch.inference_mode():
        batch = prepare_batch(tiny, samples)
        clean = judge_gold(tiny, batch)

        def forget(_module: Any, _inputs: Any, output: torch.Tensor) -> torch.Tensor:
            """All other tokens share what the end token had."""
            output = output.clone()
            share = output.double().softmax(-1)[..., end]
            output[..., end] = -1e4
            return (output.double() + (-torch.log1p(-share))[..., None]).to(output)

        handle = tiny.model.get_output_embeddings().register_forward_hook(forget)
        try:
            lost = judge_gold(tiny, batch)
        finally:
            handle.remove()
    assert max(lost.stopping) < -1000
    assert all(after >= before - 1e-4 for before, after in zip(clean.content, lost.content, strict=True))
    assert not any(lost.is_greedy)


def test_rows_of_clean_and_switched(tiny: Adapter, samples: list[dict[str, Any]]) -> None:
    everything = np.array([(layer, neuron) for layer in range(NUM_LAYERS) for neuron in range(NUM_NEURONS)])
    sets = [CLEAN, NeuronSet(SetKey("image", "method"), at_gate(everything))]
    clean, switched = ablate_batch(tiny, samples, sets, intervention(tiny, "zero"), MAX_NEW_TOKENS)
    ends = [tiny.processor.tokenizer.eos_token_id]
    for sample, row in zip(samples, clean, strict=True):
        text, length, truncated = plain_reply(tiny, sample)
        assert row == {
            "sample_id": sample["sample_id"],
            "cluster_id": sample["cluster_id"],
            "set_name": "none",
            "kind": "clean",
            "control_of": "",
            "control_kind": "",
            "control_draw": -1,
            "num_neurons": 0,
            "reply": text,
            "begins_with_answer": begins(text, sample["answers"]),
            "gold": sample["answers"][0],
            "num_gold_tokens": len(gold_tokens(tiny, sample)),
            "gold_log_likelihood": pytest.approx(slow_likelihood(tiny, sample), rel=1e-4, abs=1e-4),
            "gold_token_log_likelihood": row["gold_log_likelihood"] / len(gold_tokens(tiny, sample)),
            "end_log_likelihood": pytest.approx(slow_end(tiny, sample, ends), rel=1e-4, abs=1e-4),
            "choice_log_likelihoods": None,
            "num_prompt_tokens": encode(tiny, [sample]).token_kind.numel(),
            "num_reply_tokens": length,
            "truncated": truncated,
        }
    assert [row["num_neurons"] for row in switched] == [len(everything)] * len(samples)
    assert [row["reply"] for row in switched] != [row["reply"] for row in clean]
    again, _ = ablate_batch(tiny, samples, sets, intervention(tiny, "zero"), MAX_NEW_TOKENS)
    assert again == clean


def test_only_the_first_controls_write_replies(tiny: Adapter, samples: list[dict[str, Any]]) -> None:
    """The likelihoods are taken of all, and are the same with and without a reply."""
    some = at_gate([(0, 3), (1, 5)])
    keys = [("image", "method", "", "", -1)]
    keys += [(f"image_{kind}_{i:02d}", "control", "image", kind, i) for kind in ("uniform", "sham") for i in range(3)]
    sets = [CLEAN, *(NeuronSet(SetKey(*key), some) for key in keys)]
    zero = intervention(tiny, "zero")
    few = list(ablate_batch(tiny, samples, sets, zero, MAX_NEW_TOKENS, num_written=2))
    every = list(ablate_batch(tiny, samples, sets, zero, MAX_NEW_TOKENS))
    wrote = ("reply", "begins_with_answer", "num_reply_tokens", "truncated")
    for neuron_set, rows, full in zip(sets, few, every, strict=True):
        silent = neuron_set.key.control_draw == 2
        for row, whole in zip(rows, full, strict=True):
            assert row == ({name: value for name, value in whole.items() if name not in wrote} if silent else whole)


def test_sham_changes_nothing_bit_for_bit(tiny: Adapter, samples: list[dict[str, Any]]) -> None:
    """Whatever the intervention of the experiment; the set itself is changed by it."""
    everything = np.array([(layer, neuron) for layer in range(NUM_LAYERS) for neuron in range(NUM_NEURONS)])
    keys = [("image", "method", "", "", -1), ("image_sham_00", "control", "image", "sham", 0)]
    sets = [NeuronSet(SetKey(*key), at_gate(everything)) for key in keys]
    clean, switched, sham = ablate_batch(tiny, samples, [CLEAN, *sets], intervention(tiny, "zero"), MAX_NEW_TOKENS)
    said = ("reply", "gold_log_likelihood", "end_log_likelihood", "num_reply_tokens", "truncated")
    assert [[row[name] for name in said] for row in sham] == [[row[name] for name in said] for row in clean]
    assert [row["reply"] for row in switched] != [row["reply"] for row in clean]


def test_clean_is_never_intervened(tiny: Adapter) -> None:
    """The others of no neuron would be all of them."""

    def refuse(_site: Any) -> Any:
        pytest.fail("an intervention on the clean model")

    assert (
        len(list(ablate_batch(tiny, RECORDS[:2], [CLEAN], replace(SHAM, new_values=refuse, neurons="others"), 2))) == 1
    )


# --- options of a multiple choice -------------------------------------------------------------------------------------


def choice(row: dict[str, Any], *choices: str, index: int, meta: dict[str, Any]) -> dict[str, Any]:
    return {**row, "choices": choices, "answer_index": index, "meta": json.dumps(meta)}


LETTERED = choice(record("letters", "which?", answer="C"), "red", "green", "blue", index=2, meta=BY_LETTER)
SPELT = choice(record("texts", "which of them?", image=1, answer="b"), "a", "b", "h", index=1, meta={})
LONG = choice(record("words", "which word?", answer="ab"), "ab", "c", index=0, meta={})
#: Choices that are letters themselves, in another order: the answer is the text, and no letter of a place.
SHUFFLED = choice(record("letters themselves", "which type?", answer="A"), "B", "A", "C", index=1, meta={})


def test_options_are_letters_where_the_dataset_says_so(tiny: Adapter) -> None:
    tokenizer = tiny.processor.tokenizer
    assert option_tokens(tokenizer, LETTERED) == tokenizer.convert_tokens_to_ids(["A", "B", "C"])
    assert option_tokens(tokenizer, SPELT) == tokenizer.convert_tokens_to_ids(["a", "b", "h"])
    assert option_tokens(tokenizer, LONG) is None
    assert option_tokens(tokenizer, RECORDS[0]) is None
    assert option_tokens(tokenizer, SHUFFLED) == tokenizer.convert_tokens_to_ids(["B", "A", "C"])


def test_likelihood_of_each_option(tiny: Adapter) -> None:
    """That of the option as a gold answer, whatever is the gold answer and however long."""
    mixed = [RECORDS[2], LETTERED, LONG, SPELT]
    with torch.inference_mode():
        judgement = judge_gold(tiny, prepare_batch(tiny, mixed))
    assert judgement.options[0] is None
    assert judgement.options[2] is None
    for row, options in ((1, "ABC"), (3, "abh")):
        expected = [slow_likelihood(tiny, {**mixed[row], "answers": [option]}) for option in options]
        np.testing.assert_allclose(judgement.options[row], expected, rtol=1e-4, atol=1e-4)
        assert judgement.options[row][mixed[row]["answer_index"]] == judgement.content[row]


def test_likelihood_of_options_that_are_texts(tiny: Adapter) -> None:
    """That of each whole text as a gold answer, under a switch too; other samples of the batch keep theirs."""
    long = choice(LONG, "ab", "c", "bahc", index=0, meta=BY_TEXT)
    mixed = [LETTERED, long, LONG, choice(long, "c", "ab", index=1, meta=BY_TEXT)]
    neurons = NeuronSet(SetKey("image", "method"), at_gate((0, n) for n in range(NUM_NEURONS)))
    for rows in ablate_batch(tiny, mixed, [CLEAN, neurons], intervention(tiny, "zero"), 2):
        found = [row["choice_log_likelihoods"] for row in rows]
        assert list(map(bool, found)) == [True, True, False, True]
        np.testing.assert_allclose(found[1][0], rows[1]["gold_log_likelihood"], rtol=1e-4, atol=1e-4)
        np.testing.assert_allclose(found[3], found[1][1::-1], rtol=1e-4, atol=1e-4)
    clean = next(iter(ablate_batch(tiny, mixed, [CLEAN], SHAM, 2)))
    with torch.inference_mode():
        expected = [slow_likelihood(tiny, {**long, "answers": [option]}) for option in long["choices"]]
        lettered = judge_gold(tiny, prepare_batch(tiny, mixed)).options[0]
    np.testing.assert_allclose(clean[1]["choice_log_likelihoods"], expected, rtol=1e-4, atol=1e-4)
    assert clean[0]["choice_log_likelihoods"] == lettered


def test_options_are_recorded_for_every_set(tmp_path: Path, tiny: Adapter) -> None:
    """Nulls and lists of different lengths in one column."""
    sets = [CLEAN, NeuronSet(SetKey("image", "method"), at_gate((0, n) for n in range(NUM_NEURONS)))]
    both = list(ablate_batch(tiny, [SPELT, LONG], sets, intervention(tiny, "zero"), 2))
    write_table(tmp_path / "p.parquet", PREDICTIONS, [row for rows in both for row in rows], {})
    clean, none, switched, again_none = read_table(tmp_path / "p.parquet", PREDICTIONS)["choice_log_likelihoods"]
    assert none.as_py() is again_none.as_py() is None
    assert len(clean.as_py()) == len(switched.as_py()) == 3
    assert clean.as_py() != switched.as_py()


# --- blank media ------------------------------------------------------------------------------------------------------


def black(sample: dict[str, Any]) -> dict[str, Any]:
    medium = encode_image(Image.new("RGB", (84, 84)))
    return {**sample, "media": [{"kind": "image", "bytes": medium.bytes, "mime": "image/png"}]}


def test_the_blank_run_shows_black_images(tiny: Adapter, samples: list[dict[str, Any]]) -> None:
    """The unmodified model on the same questions about black images; none about text alone."""
    rows = blanked_batch(tiny, samples, MAX_NEW_TOKENS)
    shown = [sample for sample in samples if sample["media"]]
    assert [row["sample_id"] for row in rows] == [sample["sample_id"] for sample in shown]
    for row, sample in zip(rows, shown, strict=True):
        assert [row[name] for name in (*SetKey._fields, "num_neurons")] == ["blank", "blanked", "", "", -1, 0]
        reply = (row["reply"], row["num_reply_tokens"], row["truncated"])
        assert reply == plain_reply(tiny, black(sample))
        assert row["gold_log_likelihood"] == pytest.approx(slow_likelihood(tiny, black(sample)), rel=1e-4, abs=1e-4)
        assert row["num_prompt_tokens"] == encode(tiny, [sample]).token_kind.numel()
    (clean,) = ablate_batch(tiny, shown, [CLEAN], intervention(tiny, "zero"), MAX_NEW_TOKENS)
    assert [row["gold_log_likelihood"] for row in rows] != [row["gold_log_likelihood"] for row in clean]


def test_nothing_to_blank(tiny: Adapter) -> None:
    assert blanked_batch(tiny, [sample for sample in RECORDS if not sample["media"]], 2) == []
