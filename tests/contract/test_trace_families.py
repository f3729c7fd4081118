"""Identities of a trace on every family: lens of the last states = logits, contributions sum to the output, batches."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from lode.grouping.modality import grouping
from lode.model.adapter import Adapter
from lode.model.attention import Attention, observed
from lode.model.encoding import encode
from lode.model.heads import last_weights, projection_of
from lode.model.lens import final_norm, lens_logits, prove_lens
from lode.recording import flow, lens, record_batch, states
from lode.recording._traced import answered_prompts, last_place
from tests.contract.test_families import ONE_LENGTH, medium
from tests.families import BUILDERS, load_family, save
from tests.traced import plain_pass

GROUPING = grouping()


@pytest.fixture(scope="module", params=sorted(BUILDERS))
def family(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Adapter:
    manifest: Path = save(request.param, tmp_path_factory.mktemp(f"trace_{request.param}"))
    return load_family(request.param, manifest, "model.dtype=float32")


@pytest.fixture(scope="module")
def samples(family: Adapter) -> list[dict[str, Any]]:
    """Text alone, where the model takes it, and two of every medium, of different lengths."""
    kinds = [(), *((kind,) for kind in family.config.media_tokens for _ in range(2))]
    kinds = [held for held in kinds if set(family.config.required_media) <= set(held)]
    frames = 4 if family.config.name in ONE_LENGTH else 3
    return [
        {
            "sample_id": f"{at}",
            "cluster_id": f"{at}",
            "prompt": ("what?", "which of them is the longer one?")[at % 2],
            "media": [medium(kind, at % 2, frames) for kind in held],
            "answers": ["yes" if at % 2 else "no, never"],
        }
        for at, held in enumerate(kinds)
    ]


def test_the_lens_of_the_last_states_is_the_logits(family: Adapter, samples: list[dict[str, Any]]) -> None:
    """Bit for bit, of every token; and not where the norm is applied twice, nor at an earlier layer."""
    prove_lens(family)
    for sample in samples[:2]:
        logits, seen, _ = plain_pass(family, encode(family, [sample]).inputs)
        with torch.inference_mode():
            assert torch.equal(lens_logits(family, seen[-1]), logits)
            twice = lens_logits(family, final_norm(family)(seen[-1]))
            assert not torch.equal(twice, logits)
            assert not torch.equal(lens_logits(family, seen[-2]), logits)


def test_contributions_sum_to_the_output_of_the_attention(family: Adapter, samples: list[dict[str, Any]]) -> None:
    """Within 1e-5 of its length, at every layer, in a batch with padding; masses and shares sum to 1."""
    prompts = answered_prompts(family, samples, GROUPING)
    kept, last = flow.recording(family, GROUPING), last_place(prompts)
    found: dict[int, Any] = {}

    def see(layer: int, attention: Attention) -> None:
        groups = prompts.batch.token_kind >= 0
        projection = projection_of(family, layer)
        weights = last_weights(attention, last)
        found[layer] = flow.contributions(weights, attention.value, groups[:, None], projection.weight)[:, 0]
        found[layer] = found[layer] + (0 if projection.bias is None else projection.bias)

    with observed(family, see):
        _, _, outputs = plain_pass(family, prompts.batch.inputs)
    for layer, output in enumerate(outputs):
        expected = output[:, last]
        assert float((found[layer] - expected).norm() / expected.norm()) < 1e-5, layer
    record_batch(family, prompts, [kept])
    columns = kept.columns()
    keys = list(zip(columns["sample_id"], columns["layer"], strict=True))
    for name in ("mass", "share"):
        sums: dict[Any, float] = {}
        for key, value in zip(keys, columns[name], strict=True):
            sums[key] = sums.get(key, 0.0) + value
        np.testing.assert_allclose(list(sums.values()), 1, atol=1e-5, err_msg=name)


def test_a_batch_is_its_samples(family: Adapter, samples: list[dict[str, Any]]) -> None:
    """Every recording, with the gold answers, padded on the left and on the right."""
    plugins: Any = ((lens, 3), (states, 5), (flow, None))
    made = [[plugin.recording(family, GROUPING, *([size] if size else [])) for plugin, size in plugins] for _ in "12"]
    record_batch(family, answered_prompts(family, samples, GROUPING), made[0])
    for sample in samples:
        record_batch(family, answered_prompts(family, [sample], GROUPING), made[1])
    for together, alone in zip(*made, strict=True):
        one, other = together.columns(), alone.columns()
        for name in one:
            if name == "state":
                np.testing.assert_allclose(one[name].values, other[name].values, rtol=1e-3, atol=1e-4)
            elif name in ("gold_rank", "object_rank", "other_rank"):
                continue  # near ties may turn by rounding
            elif isinstance(one[name][0], float | np.floating) or name == "gold_logp":
                pair = [np.array(column[name], dtype=float) for column in (one, other)]
                np.testing.assert_allclose(*pair, rtol=1e-3, atol=1e-4, err_msg=name)
            else:
                assert list(one[name]) == list(other[name]), name
