"""Identities of cut attention on every family: what must not move does not by a bit, and what is cut has no weight."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from lode.grouping.modality import grouping
from lode.media.altered import CHANGES, altered
from lode.model.adapter import Adapter
from lode.model.attention import Attention, observed
from lode.model.cutting import Edges, cut_attention, edges_between, matched_edges, no_edges, tokens_of
from lode.model.heads import (
    head_outputs,
    last_weights,
    num_heads,
    projection_of,
    replaced_head,
    seen_heads,
)
from lode.model.tokens import MEDIA, TOKEN_KINDS
from lode.recording import Prompts, flow
from lode.recording._traced import answered_prompts, last_place
from tests.contract.test_families import ONE_LENGTH, medium
from tests.families import BUILDERS, load_family, save
from tests.traced import plain_pass

GROUPING = grouping()


@pytest.fixture(scope="module", params=sorted(BUILDERS))
def family(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Adapter:
    manifest: Path = save(request.param, tmp_path_factory.mktemp(f"cut_{request.param}"))
    return load_family(request.param, manifest, "model.dtype=float32")


@pytest.fixture(scope="module")
def samples(family: Adapter) -> list[dict[str, Any]]:
    """One of every medium, of different lengths."""
    frames = 4 if family.config.name in ONE_LENGTH else 3
    return [
        {
            "sample_id": f"{at}",
            "prompt": ("what?", "which of them is the longer one?")[at % 2],
            "media": [medium(kind, at % 2, frames)],
            "answers": ["yes" if at % 2 else "no, never"],
        }
        for at, kind in enumerate([*family.config.media_tokens] * 2)
    ]


@pytest.fixture(scope="module")
def prompts(family: Adapter, samples: list[dict[str, Any]]) -> Prompts:
    return answered_prompts(family, samples, GROUPING)


def edges_of(prompts: Prompts, source: str, target: str) -> Edges:
    kinds = prompts.batch.token_kind
    return edges_between(*(tokens_of(name, kinds, prompts.samples, GROUPING) for name in (source, target)), kinds)


def logits(adapter: Adapter, prompts: Prompts, edges: Edges) -> Tensor:
    with cut_attention(adapter, edges, range(adapter.num_layers)):
        return plain_pass(adapter, prompts.batch.inputs)[0]


def real(prompts: Prompts) -> Tensor:
    """Tokens that are no padding: of padding nothing is promised."""
    return prompts.batch.token_kind != -1


def test_nothing_cut_is_clean(family: Adapter, prompts: Prompts) -> None:
    """Bit for bit, though each layer is given a mask of its own."""
    empty = no_edges(prompts.batch.token_kind)
    clean = plain_pass(family, prompts.batch.inputs)[0]
    assert torch.equal(logits(family, prompts, empty)[real(prompts)], clean[real(prompts)])
    assert torch.equal(plain_pass(family, prompts.batch.inputs)[0], clean)


def test_edges_that_nobody_sees_change_nothing(family: Adapter, prompts: Prompts) -> None:
    """All of the future, and what else the model's own masks hide, bit for bit."""
    hidden: list[Tensor] = []
    with observed(family, lambda _layer, attention: hidden.append(~attention.visible[:, 0])):
        clean = plain_pass(family, prompts.batch.inputs)[0]
    unseen = torch.stack(hidden).all(0) & real(prompts)[:, :, None]
    assert unseen.any()
    edges = Edges(unseen, torch.zeros_like(unseen[:, 0]))
    assert torch.equal(logits(family, prompts, edges)[real(prompts)], clean[real(prompts)])


def test_what_is_cut_has_no_mass(family: Adapter, prompts: Prompts) -> None:
    """Exactly 0 from media to the last token, at every layer, whichever context comes first; the rest sums to 1."""
    edges, last = edges_of(prompts, "media", "last"), last_place(prompts)
    sources = tokens_of("media", prompts.batch.token_kind, prompts.samples, GROUPING)
    clean: list[Tensor] = []
    found: list[Tensor] = []

    def see(into: list[Tensor]) -> Any:
        return lambda _layer, attention: into.append(last_weights(attention, last))

    with observed(family, see(clean)):
        plain_pass(family, prompts.batch.inputs)
    with observed(family, see(found)), cut_attention(family, edges, [0, 1]):
        plain_pass(family, prompts.batch.inputs)
    with cut_attention(family, edges, [0, 1]), observed(family, see(found)):
        plain_pass(family, prompts.batch.inputs)
    assert len(found) == 2 * len(clean) == 2 * family.num_layers
    assert torch.stack([(weights * sources[:, None]).sum(-1) for weights in clean]).amax(0).min() > 0, (
        "a window may hide it"
    )
    for weights in found:
        assert not (weights * sources[:, None]).any()
        torch.testing.assert_close(weights.sum(-1), torch.ones_like(weights[..., 0]))


def test_media_that_nobody_sees_cannot_change_an_answer(family: Adapter, samples: list[dict[str, Any]]) -> None:
    """All edges from media cut, at every layer: blank media give the same bits at all tokens but those of media."""
    found, places = [], []
    blank = [altered("silence" if sample["media"][0]["kind"] == "audio" else "blank", 0, sample) for sample in samples]
    for shown in (samples, blank):
        prompts = answered_prompts(family, shown, GROUPING)
        kinds = prompts.batch.token_kind
        sources = tokens_of("media", kinds, prompts.samples, GROUPING)
        found.append([plain_pass(family, prompts.batch.inputs)[0], logits(family, prompts, edges_between(
            sources, real(prompts) & ~sources, kinds))])  # fmt: skip
        places.append(real(prompts) & ~sources)
    assert torch.equal(*places)
    assert not torch.equal(found[0][0][places[0]], found[1][0][places[0]])
    assert torch.equal(found[0][1][places[0]], found[1][1][places[0]])


def test_contributions_under_a_cut_are_the_output(family: Adapter, prompts: Prompts) -> None:
    """What is cut adds exactly 0 to the output of the last token's attention; what is left sums to it within 1e-5."""
    edges, last = edges_of(prompts, "media", "last"), last_place(prompts)
    sources = tokens_of("media", prompts.batch.token_kind, prompts.samples, GROUPING)
    members = torch.stack([sources, real(prompts) & ~sources], dim=1)
    found: list[Tensor] = []

    def see(layer: int, attention: Attention) -> None:
        projection = projection_of(family, layer)
        weights = last_weights(attention, last)
        parts = flow.contributions(weights, attention.value, members, projection.weight)
        found.append(torch.cat([parts, parts[:, 1:] + (0 if projection.bias is None else projection.bias)], dim=1))

    with observed(family, see), cut_attention(family, edges, range(family.num_layers)):
        _, _, outputs = plain_pass(family, prompts.batch.inputs)
    for parts, output in zip(found, outputs, strict=True):
        assert not parts[:, 0].any()
        expected = output[:, last]
        assert float((parts[:, 2] - expected).norm() / expected.norm()) < 1e-5


def test_a_cut_acts_from_its_layer_on_and_for_its_queries_alone(family: Adapter, prompts: Prompts) -> None:
    """States before the layer are the same bits, and so are those of other tokens of the prompt."""
    edges, last = edges_of(prompts, "media", "last"), last_place(prompts)
    _, before, _ = plain_pass(family, prompts.batch.inputs)
    with cut_attention(family, edges, [1]):
        _, after, _ = plain_pass(family, prompts.batch.inputs)
    assert torch.equal(before[1][real(prompts)], after[1][real(prompts)])
    assert not torch.equal(before[2][:, last], after[2][:, last])
    earlier = real(prompts)
    earlier[:, last:] = False
    assert torch.equal(before[2][earlier], after[2][earlier])


def test_controls_are_matched(family: Adapter, prompts: Prompts) -> None:
    """As many edges into every query, none from itself, the future, or the answer."""
    kinds = prompts.batch.token_kind
    for source, target in (("media", "last"), ("special", "last"), ("media", "text")):
        edges = edges_of(prompts, source, target)
        draw = matched_edges(edges, kinds, 0)
        assert torch.equal(draw.cut.sum(-1), edges.cut.sum(-1))
        assert torch.equal(draw.later.sum(-1), edges.later.sum(-1))
        assert not draw.cut.triu().any()
        assert not (draw.cut & (kinds < 0)[:, None]).any()
        other = matched_edges(edges, kinds, 9)
        assert not torch.equal(draw.cut, other.cut) or torch.equal(draw.cut, edges.cut)


def test_heads_sum_to_the_output_of_the_attention(family: Adapter, prompts: Prompts) -> None:
    """Within 1e-5 of its length, W_O's bias aside; a head replaced by 0 everywhere takes its own part away."""
    seen: dict[int, Tensor] = {}
    with seen_heads(family, lambda layer, outputs: seen.__setitem__(layer, outputs.clone())):
        _, _, outputs = plain_pass(family, prompts.batch.inputs)
    places, last = torch.zeros_like(prompts.batch.token_kind), family.num_layers - 1
    for layer, output in enumerate(outputs):
        parts, bias = head_outputs(family, layer, seen[layer]), projection_of(family, layer).bias
        assert parts.shape[-2] == num_heads(family) > 1
        expected = output - (0 if bias is None else bias)
        assert float((parts.sum(-2) - expected).norm() / expected.norm()) < 1e-5, layer
    with replaced_head(family, last, 1, places, torch.zeros_like(seen[last][0, :1])):
        _, _, without = plain_pass(family, prompts.batch.inputs)
    gone = head_outputs(family, last, seen[last])[..., 1, :]
    torch.testing.assert_close(outputs[last] - without[last], gone, rtol=1e-3, atol=1e-5)


def test_media_are_told_by_what_the_samples_hold(prompts: Prompts) -> None:
    codes = [TOKEN_KINDS.index(kind) for kind in MEDIA]
    found = tokens_of("media", prompts.batch.token_kind, prompts.samples, GROUPING)
    assert torch.equal(found, torch.isin(prompts.batch.token_kind, torch.tensor(codes)))
    assert set(CHANGES) >= {"blank", "silence"}
