"""Sites other than the language model's gate: switched by hooks and in weights, watched, refused where it is no test.

The model is Qwen2-VL with a vision tower of one layer and a projector, both within the encoder.
"""

from contextlib import AbstractContextManager
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from lode.engine.errors import UserError
from lode.intervention import SHAM, View
from lode.intervention import _acting as acting
from lode.model import proofs
from lode.model.adapter import Adapter
from lode.model.encoding import encode
from lode.model.sites import others
from lode.model.tower import encoders_once
from lode.model.watching import watching
from lode.model.weights import zeroed_columns
from lode.neurons import LM_GATE, NeuronSet, Places, SetKey, at_gate, unique_pairs
from lode.stages.benchmark_ablation import CLEAN, ablate_batch
from tests.switching import intervention
from tests.tiny_model import RECORDS, record

SAMPLES = [sample for sample in RECORDS if sample["media"]]
TOWER, PROJECTOR = {"vision_tower": unique_pairs([(0, 3), (0, 20)])}, {"projector": unique_pairs([(0, 5), (0, 63)])}
BOTH = {**TOWER, **PROJECTOR, **at_gate([(1, 4)])}
#: Zero, but by hooks at every site.
BY_HOOK = acting.Intervention(lambda view: torch.zeros_like(view.chosen))


@torch.inference_mode()
def logits(adapter: Adapter, samples: Any) -> Tensor:
    return adapter.model(**encode(adapter, samples).inputs, use_cache=False).logits


def switched(adapter: Adapter, made: Any, places: Places, samples: Any = SAMPLES[:1]) -> AbstractContextManager[None]:
    return acting.switched(adapter, made, places, "image", encode(adapter, samples).token_kind)


def test_sites_of_the_model(tiny: Adapter) -> None:
    visual = tiny.model.model.visual
    tower, projector = tiny.sites["vision_tower"], tiny.sites["projector"]
    assert tower.activation == (visual.blocks[0].mlp.act,)
    assert projector.reader == (visual.merger.mlp[2],)
    assert (tower.widths, projector.widths, tiny.gate.widths) == ((32,), (64,), (48, 48, 48))
    assert [site.in_encoder for site in tiny.sites.values()] == [False, True, True]
    assert [site.has_tokens for site in tiny.sites.values()] == [True, False, False]
    assert not any(site.dead for site in tiny.sites.values())


@pytest.mark.parametrize("places", [TOWER, PROJECTOR, BOTH], ids=["tower", "projector", "both"])
def test_zero_by_hook_is_zero_in_weights(tiny: Adapter, places: Places) -> None:
    """Bit for bit, and not nothing; an image in a batch of one. Text alone is not touched by what only images pass."""
    clean = logits(tiny, SAMPLES[:1])
    with switched(tiny, BY_HOOK, places):
        hooked = logits(tiny, SAMPLES[:1])
    with switched(tiny, intervention(tiny, "zero"), places):
        baked = logits(tiny, SAMPLES[:1])
    assert torch.equal(hooked, baked)
    assert not torch.equal(clean, baked)
    assert torch.equal(clean, logits(tiny, SAMPLES[:1]))
    words = [record("words", "no")]
    before = logits(tiny, words)
    with zeroed_columns(tiny, places):
        assert torch.equal(logits(tiny, words), before) == (LM_GATE not in places)


def test_a_zero_column_by_hand(tiny: Adapter) -> None:
    """The projector by its own weights: w2 gelu(w1 x), of which two neurons are left out."""
    seen: dict[str, Tensor] = {}
    merger = tiny.model.model.visual.merger
    with torch.inference_mode():
        handle = merger.register_forward_hook(lambda *call: seen.update(out=call[2].clone()))
        kept = merger.mlp[1].register_forward_hook(lambda *call: seen.update(act=call[2].clone()))
        with zeroed_columns(tiny, PROJECTOR):
            logits(tiny, SAMPLES[:1])
    handle.remove()
    kept.remove()
    activations = seen["act"].clone()
    activations[:, [5, 63]] = 0
    expected = activations @ merger.mlp[2].weight.T + merger.mlp[2].bias
    torch.testing.assert_close(seen["out"], expected)
    assert float(seen["act"][:, [5, 63]].abs().max()) > 0


def test_a_plugin_sees_rows(tiny: Adapter) -> None:
    """(1, row, neuron), of all patches, every one of the prompt; the tower gives (patch, neuron)."""
    seen: list[View] = []
    made = acting.Intervention(lambda view: (seen.append(view), view.chosen)[1])
    with switched(tiny, made, TOWER):
        logits(tiny, SAMPLES[:1])
    ((view,), grid) = seen, encode(tiny, SAMPLES[:1]).inputs["image_grid_thw"]
    num_patches = int(grid.prod())
    assert view.activations.shape == (1, num_patches, 32)
    assert view.chosen.shape == (1, num_patches, 2)
    assert view.tokens is None
    assert view.prompt.shape == (1, num_patches)
    assert view.prompt.all()


def test_interventions_act_on_all_rows(tiny: Adapter) -> None:
    """The smallest activation of the layer, over all rows and neurons; times 1, nothing changes."""
    name, seen, clean = "vision_tower", [], logits(tiny, SAMPLES[:1])
    with switched(tiny, SHAM, BOTH):
        assert torch.equal(logits(tiny, SAMPLES[:1]), clean)
    watch = {name: lambda _layer, activations: seen.append(activations.clone())}
    with watching(tiny, activations=watch):
        logits(tiny, SAMPLES[:1])
    with switched(tiny, intervention(tiny, "minimum"), TOWER), watching(tiny, activations=watch):
        logits(tiny, SAMPLES[:1])
    expected = seen[0].clone()
    expected[:, [3, 20]] = seen[0].min()
    assert torch.equal(seen[1], expected)


def test_others_are_the_rest_of_the_same_sites(tiny: Adapter) -> None:
    rest = others(tiny.sites, TOWER)
    assert {name: pairs.tolist() for name, pairs in rest.items()} == {
        "vision_tower": [[0, neuron] for neuron in range(32) if neuron not in (3, 20)]
    }
    with switched(tiny, replace(BY_HOOK, neurons="others"), TOWER):
        by_name = logits(tiny, SAMPLES[:1])
    with zeroed_columns(tiny, rest):
        assert torch.equal(logits(tiny, SAMPLES[:1]), by_name)


def with_dead(adapter: Adapter, *layers: int) -> Adapter:
    return replace(adapter, sites={**adapter.sites, LM_GATE: replace(adapter.gate, dead=layers)})


def test_others_leave_dead_layers_out(tiny: Adapter) -> None:
    rest = others(with_dead(tiny, 1).sites, at_gate([(0, 3)]))[LM_GATE]
    assert np.unique(rest[:, 0]).tolist() == [0, 2]
    assert len(rest) == 47 + 48


@pytest.mark.parametrize("num_rows", [1, 2, 3, 8])
@pytest.mark.parametrize("layers", [[2], [0, 2], [0, 1]], ids=str)
def test_dead_layers_are_found_in_every_batch(
    tiny: Adapter, monkeypatch: pytest.MonkeyPatch, layers: list[int], num_rows: int
) -> None:
    """A layer whose reader reads nothing is dead, however many copies of a probe, each of a layer, go in one batch."""
    monkeypatch.setattr(proofs, "NUM_ROWS", num_rows)
    for layer in layers:
        weight = tiny.gate.reader[layer].weight
        monkeypatch.setattr(weight, "data", torch.zeros_like(weight.data))
    assert proofs.prove_sites(tiny, [LM_GATE]).gate.dead == tuple(layers)


@pytest.mark.parametrize(
    ("places", "message"),
    [
        ({"tower": unique_pairs([(0, 3)])}, "unknown site of model tiny_qwen2_vl 'tower'.* Did you mean vision_tower"),
        ({"vision_tower": unique_pairs([(0, 32)])}, "site vision_tower has no neuron 32 of layer 0; .* 1 layers of 32"),
        ({"projector": unique_pairs([(1, 0)])}, "site projector has no neuron 0 of layer 1"),
        (
            at_gate([(0, 1), (1, 2)]),
            "neuron 2 of layer 1 at site lm_gate: all neurons of that layer at 0 move",
        ),
    ],
    ids=["site", "neuron", "layer", "dead"],
)
def test_neurons_that_can_show_nothing_are_refused(tiny: Adapter, places: Places, message: str) -> None:
    adapter = with_dead(tiny, 1)
    for context in (zeroed_columns(adapter, places), switched(adapter, BY_HOOK, places)):
        with pytest.raises(UserError, match=message), context:
            raise AssertionError("neurons are switched")


@pytest.mark.parametrize(
    ("name", "overrides", "message"),
    [
        ("constant", ["intervention.tokens=own"], "tokens=own, passes=both at site vision_tower"),
        ("zero", ["intervention.passes=decode"], "tokens=all, passes=decode at site vision_tower"),
        ("class_mean", [], "needing class_means at site vision_tower"),
        ("resample", [], "needing donors at site vision_tower"),
    ],
)
def test_what_rows_do_not_have_is_refused(tiny: Adapter, name: str, overrides: list[str], message: str) -> None:
    made = intervention(tiny, name, *overrides)
    with pytest.raises(UserError, match=message), switched(tiny, made, TOWER):
        raise AssertionError("neurons are switched")
    assert not tiny.sites["vision_tower"].activation[0]._forward_hooks
    assert (tiny.contexts.running, tiny.contexts.keeping) == (0, 0)


def test_hooks_take_one_sample_a_batch(tiny: Adapter) -> None:
    """Which rows are whose is not known; zero in the weights does not ask."""
    message = r"3 samples in a batch, .*vision_tower.*ablation\.batch_size=1"
    with pytest.raises(UserError, match=message), switched(tiny, BY_HOOK, TOWER, SAMPLES[:3]):
        raise AssertionError("neurons are switched")
    with switched(tiny, intervention(tiny, "zero"), TOWER, SAMPLES[:3]):
        together = logits(tiny, SAMPLES[:3])[:, -1]
    for row, sample in enumerate(SAMPLES[:3]):
        with switched(tiny, BY_HOOK, TOWER, [sample]):
            torch.testing.assert_close(logits(tiny, [sample])[0, -1], together[row], rtol=1e-4, atol=1e-4)


# --- encoders whose answers are kept ----------------------------------------------------------------------------------


def test_a_kept_answer_would_pass_by_the_switch(tiny: Adapter) -> None:
    """Why it is refused: with the guard off, a switch of half the tower changes nothing at all, bit for bit."""
    unguarded = replace(tiny, sites={name: replace(site, in_encoder=False) for name, site in tiny.sites.items()})
    places = {"vision_tower": unique_pairs((0, neuron) for neuron in range(16))}
    with encoders_once(unguarded):
        clean = logits(unguarded, SAMPLES)
        with zeroed_columns(unguarded, places):
            assert torch.equal(logits(unguarded, SAMPLES), clean)
    with zeroed_columns(tiny, places):
        assert not torch.equal(logits(tiny, SAMPLES), clean)


@pytest.mark.parametrize("places", [TOWER, PROJECTOR], ids=["tower", "projector"])
def test_switches_within_a_kept_encoder_are_refused(tiny: Adapter, places: Places) -> None:
    (name,) = places
    contexts = [
        zeroed_columns(tiny, places),
        switched(tiny, BY_HOOK, places),
        switched(tiny, intervention(tiny, "zero"), places),
        watching(tiny, activations={name: lambda _layer, _activations: None}),
        watching(tiny, hidden={name: lambda _layer, _inputs: None}),
    ]
    for context in contexts:
        with encoders_once(tiny), pytest.raises(UserError, match=f"sites {name} lie within an encoder"), context:
            raise AssertionError("neurons are switched")
    with zeroed_columns(tiny, places), pytest.raises(UserError, match="cannot be kept"), encoders_once(tiny):
        raise AssertionError("answers are kept")
    with encoders_once(tiny), zeroed_columns(tiny, at_gate([(0, 3)])):
        logits(tiny, SAMPLES)
    assert (tiny.contexts.running, tiny.contexts.keeping) == (0, 0)


def test_an_ablation_runs_encoders_anew_where_it_must(tiny: Adapter) -> None:
    """Rows of each set are what they are alone; encoders run once for the sets outside, and for each one within."""
    keys = [SetKey(name, "method") for name in ("image", "text", "special", "all")]
    held = [at_gate([(0, 3)]), TOWER, {**PROJECTOR, **at_gate([(1, 1)])}, at_gate([(2, 7)])]
    sets = [CLEAN, *map(NeuronSet, keys, held)]
    zero, tower = intervention(tiny, "zero"), tiny.towers["image"]
    calls: list[None] = []
    handle = tower.patch_embed.register_forward_hook(lambda *_: calls.append(None))
    together, counts = [], []
    for rows in ablate_batch(tiny, SAMPLES, sets, zero, 1):
        together.append(rows)
        counts.append(len(calls))
    handle.remove()
    assert [row["num_neurons"] for rows in together for row in rows[:1]] == [0, 1, 2, 3, 1]
    assert counts[0] == counts[1]
    assert counts[1] < counts[2] < counts[3]
    alone = [rows for each in sets for rows in ablate_batch(tiny, SAMPLES, [each], zero, 1)]
    assert together == alone
    content = [[row["gold_log_likelihood"] for row in rows] for rows in together]
    assert all(content[0] != other for other in content[1:])


def test_a_sham_takes_any_batch(tiny: Adapter) -> None:
    """It looks at no other row, so it need not know whose rows are whose."""
    clean = logits(tiny, SAMPLES)
    with switched(tiny, SHAM, BOTH, SAMPLES):
        assert torch.equal(logits(tiny, SAMPLES), clean)


def test_means_of_the_gate_are_no_means_of_another_site(tiny: Adapter) -> None:
    """A site of the language model that is not its gate: its rows are tokens, and no mean of them is known."""
    other = replace(tiny.gate, name="lm_up")
    adapter = replace(tiny, sites={**tiny.sites, "lm_up": other})
    means = {"image": np.ones((2, tiny.num_layers, tiny.num_neurons))}
    made = replace(intervention(tiny, "class_mean"), class_means=means)
    with (
        pytest.raises(UserError, match="needs class_means at site lm_up: means are known of lm_gate only"),
        switched(adapter, made, {"lm_up": unique_pairs([(0, 3)])}),
    ):
        pass
    with (
        pytest.raises(UserError, match="class_means for group image: the mining data hold no group"),
        switched(tiny, replace(made, class_means={}), at_gate([(0, 3)])),
    ):
        pass


def test_a_sham_within_an_encoder_changes_nothing(tiny: Adapter) -> None:
    key = SetKey("image_sham_00", "control", "image", "sham", 0)
    sets = [CLEAN, NeuronSet(SetKey("image", "method"), TOWER), NeuronSet(key, TOWER)]
    clean, off, sham = ablate_batch(tiny, SAMPLES[:1], sets, intervention(tiny, "zero"), 2)
    values = [[row["gold_log_likelihood"] for row in rows] for rows in (clean, off, sham)]
    assert values[0] == values[2] != values[1]


def test_watchers_of_several_sites(tiny: Adapter) -> None:
    """Every layer once, in order; what a watcher gives takes the place of the activations."""
    calls: list[tuple[str, int, int]] = []

    def watcher(name: str) -> Any:
        return lambda layer, values: calls.append((name, layer, values.shape[-1]))

    names = ("vision_tower", "projector", LM_GATE)
    with watching(tiny, activations={name: watcher(name) for name in names}, hidden={LM_GATE: watcher("hidden")}):
        clean = logits(tiny, SAMPLES[:1])
    gates = [(name, layer, 48) for layer in range(3) for name in (LM_GATE, "hidden")]
    assert calls == [("vision_tower", 0, 32), ("projector", 0, 64), *gates]
    with watching(tiny, activations={"projector": lambda _layer, values: torch.zeros_like(values)}):
        silent = logits(tiny, SAMPLES[:1])
    everything = {"projector": unique_pairs((0, neuron) for neuron in range(64))}
    with zeroed_columns(tiny, everything):
        assert torch.equal(logits(tiny, SAMPLES[:1]), silent)
    assert torch.equal(logits(tiny, SAMPLES[:1]), clean)
