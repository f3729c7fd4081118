"""Recordings of a trace: values worked by hand, the slow plain way, and which tokens are kept."""

from math import log, sqrt
from typing import Any

import numpy as np
import pytest
import torch

from lode.dataset._objects import other_objects
from lode.grouping.modality import grouping
from lode.model.adapter import Adapter
from lode.model.lens import final_norm, lens_blocks, rank_of
from lode.model.permuted import permuted_weights
from lode.model.tokens import TOKEN_KINDS
from lode.recording import flow, lens, record, record_batch, states
from lode.recording._objects import SIDES, Asked, asked_words
from lode.recording._traced import Place, answered_prompts, last_place, places_of
from tests.tiny_model import NUM_LAYERS, RECORDS
from tests.traced import plain_pass, rows_of

GROUPING = grouping()


def test_a_distribution_by_hand() -> None:
    """Logits (0, ln 3): 0.562 nats; against (1/2, 1/2) as the last one, KL = ln(1/2) - (ln(1/4) + ln(3/4)) / 2."""
    log_p = torch.tensor([[0.0, log(3)]]).log_softmax(-1)
    entropy, top1, divergence = lens.distribution_measures(log_p, torch.tensor([[log(0.5)] * 2]))[:, 0].tolist()
    assert entropy == pytest.approx(0.5623351, abs=1e-6)
    assert top1 == pytest.approx(0.75)
    assert divergence == pytest.approx(log(0.5) - (log(0.25) + log(0.75)) / 2)
    assert not lens.distribution_measures(log_p, log_p)[2].any()


def test_ranks_by_hand() -> None:
    log_p = torch.tensor([[0.1, 0.5, 0.4], [0.2, 0.2, 0.6]]).log()
    assert rank_of(log_p, log_p[:, 0]).tolist() == [3, 2]
    assert rank_of(log_p, log_p.amax(-1)).tolist() == [1, 1]


def test_length_does_not_matter_to_the_lens(tiny: Adapter) -> None:
    """The norm takes it away, its small constant aside."""
    h = torch.randn((3, 32), generator=torch.Generator().manual_seed(0)) * 10
    with torch.inference_mode():
        ((_, one),), ((_, other),) = list(lens_blocks(tiny, h)), list(lens_blocks(tiny, 10 * h))
    torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-4)


def test_the_lens_is_the_slow_plain_way(tiny: Adapter) -> None:
    """Every token of every sample, one after the other; the gold answer by the places before its tokens."""
    kept = lens.recording(tiny, GROUPING, tokens_per_group=1000)
    record_batch(tiny, answered_prompts(tiny, RECORDS, GROUPING), [kept])
    head, norm = tiny.model.get_output_embeddings(), final_norm(tiny)
    for sample in RECORDS:
        prompts = answered_prompts(tiny, [sample], GROUPING)
        kinds, ids = prompts.batch.token_kind[0].tolist(), prompts.batch.inputs["input_ids"][0].tolist()
        _, seen, _ = plain_pass(tiny, prompts.batch.inputs)
        last = sum(kind >= 0 for kind in kinds) - 1
        for layer in range(NUM_LAYERS + 1):
            with torch.inference_mode():
                log_p = head(norm(seen[layer][0])).double().log_softmax(-1).numpy()
            final = log_p if layer == NUM_LAYERS else head(norm(seen[-1][0])).double().log_softmax(-1).detach().numpy()
            for row in rows_of(kept.columns(), sample_id=sample["sample_id"], layer=layer):
                group = row["group"]
                places = [last] if group == "last" else [
                    at for at, kind in enumerate(kinds) if kind == TOKEN_KINDS.index(group)
                ]  # fmt: skip
                assert row["num_tokens"] == len(places)
                entropies = [-sum(np.exp(x) * x for x in log_p[at]) for at in places]
                gaps = [float((np.exp(final[at]) * (final[at] - log_p[at])).sum()) for at in places]
                assert row["entropy"] == pytest.approx(np.mean(entropies), abs=1e-4)
                assert row["top1"] == pytest.approx(np.mean([np.exp(log_p[at].max()) for at in places]), abs=1e-4)
                assert row["kl_final"] == pytest.approx(np.mean(gaps), abs=1e-4)
                gold = [log_p[at - 1, ids[at]] for at, kind in enumerate(kinds) if kind == -2]
                assert row["gold_logp"] == (pytest.approx(sum(gold), abs=1e-3) if group == "last" else None)


@pytest.mark.parametrize("rows", [1, 9, 40, 1000])
def test_blocks_of_logits_change_nothing(tiny: Adapter, monkeypatch: pytest.MonkeyPatch, rows: int) -> None:
    """One token and layer at a time, few of both, and all at once."""
    rng = torch.Generator().manual_seed(0)
    hidden = [torch.randn((11, 32), generator=rng) for _ in range(5)]
    targets = torch.tensor([-1, 3, -1, 7, 9, -1, -1, 0, 5, -1, 6])
    asked = [Asked(0, [0, 4, 10], [2, 5]), Asked(1, [0, 4], [7])]
    with torch.inference_mode():
        whole = lens.token_measures(tiny, hidden, targets, asked)
        monkeypatch.setattr("lode.model.lens.rows_at_once", lambda _adapter: rows)
        parts = lens.token_measures(tiny, hidden, targets, asked)
        plain = [tiny.model.get_output_embeddings()(final_norm(tiny)(each)).double().log_softmax(-1) for each in hidden]
    np.testing.assert_allclose(parts, whole, rtol=1e-4, atol=1e-5)
    assert np.isnan(whole[3]).sum() == 5 * 5
    for layer, log_p in enumerate(plain):
        for place in (1, 3, 4, 7, 8, 10):
            own = float(log_p[place, targets[place]])
            assert whole[3, place, layer] == pytest.approx(own, abs=1e-4)
            assert whole[4, place, layer] == 1 + int((log_p[place] > own + 1e-6).sum())
        best = max(float(log_p[4, token]) for token in (2, 5))
        assert whole[5, 4, layer] == 1 + int((log_p[4] > best + 1e-6).sum())
    assert not whole[2, :, -1].any()


def test_a_prompt_without_an_answer_has_no_gold(tiny: Adapter) -> None:
    kept = lens.recording(tiny, GROUPING)
    record(tiny, RECORDS[:2], 2, [kept], GROUPING)
    assert set(kept.columns()["gold_logp"]) == set(kept.columns()["gold_rank"]) == {None}


def test_drawn_tokens_depend_on_the_sample_alone(tiny: Adapter) -> None:
    together = answered_prompts(tiny, RECORDS, GROUPING)
    found = places_of(together, GROUPING, 2, 7)
    assert found != places_of(together, GROUPING, 2, 8)
    for row, sample in enumerate(RECORDS):
        alone = answered_prompts(tiny, [sample], GROUPING)
        shift = last_place(together) - last_place(alone)
        own = [(place.at - shift, place.group) for place in found if place.row == row]
        assert own == [(place.at, place.group) for place in places_of(alone, GROUPING, 2, 7)]
        assert max(sum(group == name for _, group in own) for name in GROUPING.parts) <= 2


def test_objects(tiny: Adapter) -> None:
    """The best rank of each token of a medium, and of as many words of other samples."""
    samples = [{**sample, "meta": f'{{"objects": {words}}}'} for sample, words in
               ((RECORDS[0], '["a", "b"]'), (RECORDS[2], '["b", "c", "d"]'))]  # fmt: skip
    others = other_objects(samples)
    assert others == {"a": ("c", "d"), "c": ("a",)}
    prompts = answered_prompts(tiny, samples, GROUPING)
    image = (prompts.batch.token_kind[0] == TOKEN_KINDS.index("image")).nonzero()[0, 0].item()
    h = torch.randn((2, 32), generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        asked = asked_words(tiny, prompts, [Place(0, image, "image"), Place(0, image + 99, "last")], others)
        found = lens.token_measures(tiny, [h], torch.full((2,), -1), asked)[-len(SIDES) :]
        logits = tiny.model.get_output_embeddings()(final_norm(tiny)(h))[0].tolist()
    ranks = []
    for words in (" a", " b"), (" c", " d"):
        best = max(logits[tiny.processor.tokenizer(word)["input_ids"][0]] for word in words)
        ranks.append(1 + sum(value > best for value in logits))
    assert found[:, 0, 0].tolist() == ranks
    assert np.isnan(found[:, 1]).all()


# --- flow -------------------------------------------------------------------------------------------------------------


def test_contributions_by_hand() -> None:
    """One head of two dimensions, weights (1/4, 3/4), values (4, 0) and (0, 4), and W_O that doubles.

    The groups write (2, 0) and (0, 6): masses 1/4 and 3/4, lengths 2 and 6, shares 4 / 40 and 36 / 40.
    """
    weights, value = torch.tensor([[[0.25, 0.75]]]), torch.tensor([[[[4.0, 0.0], [0.0, 4.0]]]])
    members = torch.tensor([[[True, False], [False, True]]])
    parts = flow.contributions(weights, value, members, 2 * torch.eye(2))
    assert parts.tolist() == [[[2.0, 0.0], [0.0, 6.0]]]
    mass, length, share = flow.measures(weights, members, parts)[:, 0].tolist()
    assert (mass, length) == ([0.25, 0.75], [2.0, 6.0])
    assert share == pytest.approx([0.1, 0.9])


def test_sinks_by_hand() -> None:
    """Longer than 5 times the median of the real tokens and of their own group; never padding, nor the last token.

    The whole median is 1. Of the first group (5.5, 1, 1) one is longer than 5; all of a long group (9, 9, 9) are alike.
    """
    codes = torch.tensor([[-1, -1, 0, 0, 0, 1, 1, 2]])
    lengths = torch.tensor([[99.0, 99.0, 5.5, 1.0, 1.0, 1.0, 1.0, 9.0]])
    assert flow.with_sinks(codes, lengths, 7, 4).tolist() == [[-1, -1, 3, 0, 0, 1, 1, 2]]
    lengths[0, 2] = 5.0
    assert flow.with_sinks(codes, lengths, 7, 4).tolist() == codes.tolist()
    codes = torch.tensor([[0, 0, 0, 1, 1, 1, 1, 2]])
    lengths = torch.tensor([[9.0, 9.0, 9.0, 1.0, 1.0, 1.0, 1.0, 1.0]])
    assert flow.with_sinks(codes, lengths, 7, 4).tolist() == codes.tolist()


def test_text_alone_takes_nothing_from_media(tiny: Adapter) -> None:
    """Of each sample only the groups that it holds have rows, and `sink`, be there any or none."""
    kept = flow.recording(tiny, GROUPING)
    record(tiny, RECORDS, 4, [kept], GROUPING)
    for sample in RECORDS:
        found = {row["group"] for row in rows_of(kept.columns(), sample_id=sample["sample_id"])}
        assert found == {"text", "special", "last", "sink"} | ({"image"} if sample["media"] else set())


def test_a_planted_sink_is_one(tiny: Adapter) -> None:
    """Of a text, the first token 1,000 times as long: it has a row of its own, and text one token less."""
    kept, planted = (flow.recording(tiny, GROUPING) for _ in "12")
    record(tiny, RECORDS[1:2], 1, [kept], GROUPING)
    handle = tiny.model.get_input_embeddings().register_forward_hook(
        lambda _module, _given, output: torch.cat([output[:, :1] * 1000, output[:, 1:]], dim=1)
    )
    record(tiny, RECORDS[1:2], 1, [planted], GROUPING)
    handle.remove()
    (sink,), (before,) = (rows_of(one.columns(), group="sink", layer=0) for one in (planted, kept))
    assert (sink["num_tokens"], before["num_tokens"], before["mass"], before["share"]) == (1, 0, 0, 0)
    assert sink["mass"] > 0
    counts = [sum(row["num_tokens"] for row in rows_of(one.columns(), layer=0)) for one in (kept, planted)]
    assert counts[0] == counts[1]


# --- states -----------------------------------------------------------------------------------------------------------


def kept_states(adapter: Adapter, reservoir: int, size: int = 4, seed: int = 0) -> dict[str, Any]:
    made = states.recording(adapter, GROUPING, reservoir, seed)
    record(adapter, RECORDS, size, [made], GROUPING)
    return made.columns()


def test_states_are_those_of_the_model(tiny: Adapter) -> None:
    columns = kept_states(tiny, 1000)
    for sample in RECORDS[:3]:
        prompts = answered_prompts(tiny, [sample], GROUPING)
        _, seen, _ = plain_pass(tiny, prompts.batch.inputs)
        own = rows_of(columns, sample_id=sample["sample_id"])
        kinds = prompts.batch.token_kind[0]
        assert len(own) == (int((kinds >= 0).sum()) + 1) * (NUM_LAYERS + 1)
        for row in own:
            expected = seen[row["layer"]][0, row["position"]]
            np.testing.assert_allclose(row["state"].as_py(), expected, rtol=1e-3, atol=1e-4)
            assert row["norm"] == pytest.approx(float(expected.norm()), rel=1e-3)
            media = int(kinds[row["position"]]) == TOKEN_KINDS.index("image")
            assert row["token_id"] == (-1 if media else int(prompts.batch.inputs["input_ids"][0, row["position"]]))
            assert row["is_last"] == (row["position"] == last_place(prompts))


def test_one_token_of_every_sample_comes_first(tiny: Adapter) -> None:
    """Of seven samples, seven words: one each; of ten, three samples give a second one. Whatever the batch."""
    for reservoir, most in ((7, 1), (10, 2)):
        columns = kept_states(tiny, reservoir)
        (names,) = {tuple(sorted(row["sample_id"] for row in rows_of(columns, group="text", layer=layer)))
                    for layer in range(NUM_LAYERS + 1)}  # fmt: skip
        assert len(names) == reservoir
        assert {names.count(sample["sample_id"]) for sample in RECORDS} <= {1, most}
        alone = kept_states(tiny, reservoir, size=1)
        for name in ("sample_id", "group", "position", "layer", "is_last"):
            assert list(columns[name]) == list(alone[name])
    assert len(rows_of(kept_states(tiny, 3), group="last", layer=0)) == 3
    assert kept_states(tiny, 5)["position"] != kept_states(tiny, 5, seed=1)["position"]


def test_wide_states_keep_their_length_on_average() -> None:
    assert states.gaussian_map(256, 0) is None
    made = states.gaussian_map(2000, 0)
    assert made is not None
    h = torch.randn((200, 2000), generator=torch.Generator().manual_seed(1))
    ratio = (h @ made).norm(dim=-1) / h.norm(dim=-1)
    assert float(ratio.mean()) == pytest.approx(1, abs=0.01)
    assert float(ratio.std()) == pytest.approx(1 / sqrt(2 * 256), rel=0.2)


def test_permuted_weights_are_the_same_numbers_and_come_back(tiny: Adapter) -> None:
    inputs = answered_prompts(tiny, RECORDS[:2], GROUPING).batch.inputs
    before, _, _ = plain_pass(tiny, inputs)
    weight = tiny.attention[1].q_proj.weight
    clean, own = weight.clone(), dict(tiny.model.state_dict())
    with permuted_weights(tiny, 3):
        torch.testing.assert_close(weight.flatten().sort().values, clean.flatten().sort().values, rtol=0, atol=0)
        assert float((weight == clean).float().mean()) < 0.1
        during, _, _ = plain_pass(tiny, inputs)
    assert not torch.allclose(before, during)
    assert torch.equal(weight, clean)
    assert torch.equal(before, plain_pass(tiny, inputs)[0])
    assert own.keys() == tiny.model.state_dict().keys()
