"""Ablation says what the plain model says: replies of `generate`, likelihoods token by token, shortcut or not."""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import torch
from PIL import Image

from lode.artifacts import SCHEMAS, neuron_columns, read_provenance, read_table, write_table
from lode.config import compose, restrict
from lode.dataset import BY_LETTER
from lode.engine.errors import UserError
from lode.intervention import SHAM, switched
from lode.media import encode_image
from lode.model.adapter import Adapter
from lode.model.answering import Reply, Switch, generate, judge, judge_gold, option_tokens, prepare_batch, write
from lode.model.encoding import encode
from lode.scoring._diagnostics import begins
from lode.shapes import MODALITIES
from lode.stages import ablate
from lode.stages.ablate import CLEAN, NeuronSet, ablate_batch, blanked_batch, neuron_sets, untouched
from tests.plain_answers import MAX_NEW_TOKENS, PROMPTS, gold_tokens, plain_reply, slow_end, slow_likelihood
from tests.switching import INTERVENTIONS, donors, intervention
from tests.tables import filled_fields
from tests.tiny_model import NUM_LAYERS, NUM_NEURONS, PREPARED, RECORDS, record


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
        return switched(tiny, made, neurons, "image", tokens, part)

    with torch.inference_mode():
        batch = prepare_batch(tiny, shown)
        replies = written(tiny, shown, switch, MAX_NEW_TOKENS)
        with switch(batch.prompts.token_modality, range(len(shown))):
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
    key = {"set_name": "image", "kind": "method", "control_of": "", "control_kind": "", "control_draw": -1}
    sets = [CLEAN, NeuronSet(key, everything)]
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
            "num_prompt_tokens": encode(tiny, [sample]).token_modality.numel(),
            "num_reply_tokens": length,
            "truncated": truncated,
        }
    assert [row["num_neurons"] for row in switched] == [len(everything)] * len(samples)
    assert [row["reply"] for row in switched] != [row["reply"] for row in clean]
    again, _ = ablate_batch(tiny, samples, sets, intervention(tiny, "zero"), MAX_NEW_TOKENS)
    assert again == clean


def test_only_the_first_controls_write_replies(tiny: Adapter, samples: list[dict[str, Any]]) -> None:
    """The likelihoods are taken of all, and are the same with and without a reply."""
    some = np.array([(0, 3), (1, 5)])
    keys = [("image", "method", "", "", -1)]
    keys += [(f"image_{kind}_{i:02d}", "control", "image", kind, i) for kind in ("uniform", "sham") for i in range(3)]
    sets = [CLEAN, *(NeuronSet(dict(zip(ablate.SET_COLUMNS, key, strict=True)), some) for key in keys)]
    zero = intervention(tiny, "zero")
    few = list(ablate_batch(tiny, samples, sets, zero, MAX_NEW_TOKENS, num_written=2))
    every = list(ablate_batch(tiny, samples, sets, zero, MAX_NEW_TOKENS))
    wrote = ("reply", "begins_with_answer", "num_reply_tokens", "truncated")
    for neuron_set, rows, full in zip(sets, few, every, strict=True):
        silent = neuron_set.key["control_draw"] == 2
        for row, whole in zip(rows, full, strict=True):
            assert row == ({name: value for name, value in whole.items() if name not in wrote} if silent else whole)


def test_sham_changes_nothing_bit_for_bit(tiny: Adapter, samples: list[dict[str, Any]]) -> None:
    """Whatever the intervention of the experiment; the set itself is changed by it."""
    everything = np.array([(layer, neuron) for layer in range(NUM_LAYERS) for neuron in range(NUM_NEURONS)])
    keys = [("image", "method", "", "", -1), ("image_sham_00", "control", "image", "sham", 0)]
    sets = [NeuronSet(dict(zip(ablate.SET_COLUMNS, key, strict=True)), everything) for key in keys]
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


def neurons_table() -> list[dict[str, Any]]:
    control = ("image_uniform_00", "control", "image", "uniform", 0)
    keys = [("image", "method", "", "", -1), control, ("all", "method", "", "", -1)]
    places = [[(2, 7), (0, 3)], [(2, 1), (0, 9)], [(0, 3), (2, 7), (0, 3)]]
    return [
        {**dict(zip(ablate.SET_COLUMNS, key, strict=True)), "modality": "image", "layer": layer, "neuron": neuron,
         "score": 1.0, "rank": 0}
        for key, pairs in zip(keys, places, strict=True) for layer, neuron in pairs
    ]  # fmt: skip


def test_sets_of_a_table() -> None:
    sets = neuron_sets(pa.Table.from_pylist(neurons_table(), SCHEMAS["neurons"]))
    assert [s.key["set_name"] for s in sets] == ["none", "image", "image_uniform_00", "all"]
    assert [s.neurons.tolist() for s in sets] == [[], [[0, 3], [2, 7]], [[0, 9], [2, 1]], [[0, 3], [2, 7]]]
    assert tuple(sets[2].key) == ablate.SET_COLUMNS
    assert tuple(sets[2].key.values()) == ("image_uniform_00", "control", "image", "uniform", 0)


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


def test_options_are_recorded_for_every_set(tmp_path: Path, tiny: Adapter) -> None:
    """Nulls and lists of different lengths in one column."""
    key = dict(zip(ablate.SET_COLUMNS, ("image", "method", "", "", -1), strict=True))
    sets = [CLEAN, NeuronSet(key, np.array([(0, n) for n in range(NUM_NEURONS)]))]
    both = list(ablate_batch(tiny, [SPELT, LONG], sets, intervention(tiny, "zero"), 2))
    write_table(tmp_path / "p.parquet", "predictions", [row for rows in both for row in rows], {})
    clean, none, switched, again_none = read_table(tmp_path / "p.parquet", "predictions")["choice_log_likelihoods"]
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
        assert [row[name] for name in (*ablate.SET_COLUMNS, "num_neurons")] == ["blank", "blanked", "", "", -1, 0]
        reply = (row["reply"], row["num_reply_tokens"], row["truncated"])
        assert reply == plain_reply(tiny, black(sample))
        assert row["gold_log_likelihood"] == pytest.approx(slow_likelihood(tiny, black(sample)), rel=1e-4, abs=1e-4)
        assert row["num_prompt_tokens"] == encode(tiny, [sample]).token_modality.numel()
    (clean,) = ablate_batch(tiny, shown, [CLEAN], intervention(tiny, "zero"), MAX_NEW_TOKENS)
    assert [row["gold_log_likelihood"] for row in rows] != [row["gold_log_likelihood"] for row in clean]


def test_nothing_to_blank(tiny: Adapter) -> None:
    assert blanked_batch(tiny, [sample for sample in RECORDS if not sample["media"]], 2) == []


@pytest.mark.parametrize("batch_size", [1, 4])
def test_a_run_writes_every_set_of_every_sample(
    tmp_path: Path, tiny: Adapter, tiny_manifest: Path, batch_size: int
) -> None:
    """Replies do not depend on the batch; only the `report` split is asked, and of blank media where there are any."""
    extra = {"meta": "{}"}
    rows = [{**sample, **extra, "split": "mine" if i == 1 else "report"} for i, sample in enumerate(PROMPTS[:7])]
    write_table(tmp_path / "dataset.parquet", "dataset", rows, PREPARED)
    write_table(tmp_path / "neurons.parquet", "neurons", neurons_table(), {})
    paths = [f"io.{name}={tmp_path}/{name}.parquet" for name in ("output", "dataset", "neurons")]
    batches = [f"ablation.batch_size={batch_size}", "io.shard=0"]
    overrides = [*paths, f"io.manifest={tiny_manifest}", *batches, "runtime.device=cpu"]
    ablate.run(restrict(compose(overrides), "ablate", ("io", "runtime")), {"batch": batch_size})
    predictions = read_table(tmp_path / "output.parquet", "predictions").to_pylist()
    reported = [sample for row, sample in zip(rows, PROMPTS[:7], strict=True) if row["split"] == "report"]
    names = ("none", "blank", "image", "image_uniform_00", "all")
    asked = [(name, s["sample_id"]) for name in names for s in reported if s["media"] or name != "blank"]
    assert [(row["set_name"], row["sample_id"]) for row in predictions] == asked
    said = {row["sample_id"]: row["reply"] for row in predictions if row["set_name"] == "none"}
    assert said == {sample["sample_id"]: plain_reply(tiny, sample)[0] for sample in reported}
    replies = {name: [row["reply"] for row in predictions if row["set_name"] == name] for name in ("image", "all")}
    assert replies["image"] == replies["all"]  # the same neurons
    assert read_provenance(tmp_path / "output.parquet")["batch_size"] == batch_size


@pytest.mark.parametrize("name", INTERVENTIONS)
def test_a_run_of_every_intervention_does_not_depend_on_the_batch(
    tmp_path: Path, tiny: Adapter, tiny_manifest: Path, name: str
) -> None:
    """From tables to a table; the importance table is there for those alone that need it."""
    rows = [{**sample, "meta": "{}", "split": "report"} for sample in PROMPTS if sample["media"]][:5]
    write_table(tmp_path / "dataset.parquet", "dataset", rows, PREPARED)
    write_table(tmp_path / "neurons.parquet", "neurons", neurons_table(), {})
    paths = [f"io.{kind}={tmp_path}/{kind}.parquet" for kind in ("dataset", "neurons")]
    if "class_means" in intervention(tiny, name).needs:
        columns = neuron_columns(MODALITIES, NUM_LAYERS, NUM_NEURONS)
        for field in filled_fields("importance"):
            values = np.random.default_rng(1).normal(size=len(columns["layer"]))
            columns.setdefault(field.name, values if pa.types.is_floating(field.type) else np.ones(len(values), int))
        write_table(tmp_path / "importance.parquet", "importance", columns, {})
        paths.append(f"io.importance={tmp_path}/importance.parquet")
    said = []
    for batch_size in (1, 3):
        output = tmp_path / f"{batch_size}.parquet"
        sizes = ["io.shard=0", f"ablation.batch_size={batch_size}"]
        overrides = [*paths, f"io.output={output}", f"io.manifest={tiny_manifest}", *sizes]
        cfg = compose([f"intervention={name}", "runtime.device=cpu", "dataset.max_new_tokens=3", *overrides])
        ablate.run(restrict(cfg, "ablate", ("io", "runtime")), {})
        said.append(read_table(output, "predictions").to_pylist())
    assert [row["reply"] for row in said[0]] == [row["reply"] for row in said[1]]
    likelihood = [[row["gold_log_likelihood"] for row in table] for table in said]
    np.testing.assert_allclose(*likelihood, rtol=1e-4, atol=1e-4)
    by_set = {s: [r["gold_log_likelihood"] for r in said[0] if r["set_name"] == s] for s in ("none", "image")}
    assert by_set["none"] != by_set["image"]


def test_any_number_of_shards_gives_the_same_predictions(tmp_path: Path, tiny: Adapter, tiny_manifest: Path) -> None:
    """Replies and counts exactly, log-likelihoods to rounding; more shards than samples are refused in words."""
    rows = [{**sample, "meta": "{}", "split": "report"} for sample in PROMPTS[:5]]
    write_table(tmp_path / "dataset.parquet", "dataset", rows, PREPARED)
    write_table(tmp_path / "neurons.parquet", "neurons", neurons_table(), {})
    paths = [f"io.{name}={tmp_path}/{name}.parquet" for name in ("output", "dataset", "neurons")]

    def predicted(shards: int, shard: int) -> list[dict[str, Any]]:
        cut = [f"ablation.shards={shards}", f"io.shard={shard}", "ablation.batch_size=3", "runtime.device=cpu"]
        overrides = [*paths, f"io.manifest={tiny_manifest}", *cut]
        ablate.run(restrict(compose(overrides), "ablate", ("io", "runtime")), {})
        return read_table(tmp_path / "output.parquet", "predictions").to_pylist()

    def by_key(shards: int) -> dict[tuple[str, str], dict[str, Any]]:
        found = [row for shard in range(shards) for row in predicted(shards, shard)]
        return {(row["set_name"], row["sample_id"]): row for row in found}

    whole = by_key(1)
    for shards in (2, 3, 5):
        parts = by_key(shards)
        assert parts.keys() == whole.keys()
        for key, row in parts.items():
            other = dict(whole[key])
            options = row.pop("choice_log_likelihoods"), other.pop("choice_log_likelihoods")
            for name in ("gold_log_likelihood", "gold_token_log_likelihood", "end_log_likelihood"):
                assert row.pop(name) == pytest.approx(other.pop(name), rel=1e-6)
            assert row == other
            assert options[0] == (options[1] and pytest.approx(options[1], rel=1e-6))
    with pytest.raises(UserError, match="shard 6 of 7 has none of the 5 'report' samples"):
        predicted(7, 6)
