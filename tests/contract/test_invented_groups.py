"""Nothing but a grouping knows the name of a group: capture, selection, controls, ablation, selectivity on others.

Tokens are `blue`, `green` and `grey` by their place, a rule that only `tests/invented_groups.py` knows. And
modalities under other names give the same neurons and the same effects.
"""

import sys
from functools import partial
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import torch
from omegaconf import OmegaConf
from torch import Tensor

import tests.invented_groups
from lode.checks.names import known_plugins
from lode.config import GroupingConfig, LookConfig
from lode.engine.errors import UserError
from lode.engine.tables import read_provenance, read_table, with_nulls, write_table
from lode.figure import Looks
from lode.grouping import PROMPT, Grouping, grouping_of
from lode.grouping.modality import grouping as modalities
from lode.intervention import Intervention, from_config
from lode.intervention._acting import switched
from lode.intervention._reference import check_donors, class_means, token_means
from lode.model.adapter import Adapter
from lode.model.encoding import append_replies, append_tokens, encode
from lode.neurons import at_gate
from lode.recording import activations
from lode.recording import record as record_samples
from lode.selection import taking_part
from lode.stages import select_neurons
from lode.stages.measure_selectivity import Benchmark, own_of, selectivity_rows
from lode.study import compose, restrict
from lode.table._dense import dense, of_site
from lode.table.importance import IMPORTANCE
from lode.table.neurons import NEURONS
from lode.table.statistics import STATISTICS
from tests.dense_tables import captured_importance
from tests.invented_groups import HELD, PARTS, grouping, renamed, renamed_modalities
from tests.tiny_model import NUM_LAYERS, NUM_NEURONS, record

INVENTED = grouping()
SECTION = OmegaConf.structured(GroupingConfig("colours", "invented", looks={"grey": LookConfig("#888888", "s")}))
MADE_BY = {"config": {}, "code_digest": "unknown"}
#: The neuron that is by far the largest on each part: one of two layers of six.
BEST = {"blue": (0, 1), "green": (1, 2), "grey": (0, 4)}
SETS = [(0, 3), (0, 40), (2, 7)]
SAMPLES = [record("a", "what is this?", image=1), record("b", "no"), record("c", "all grey")]
DONORS = [record("d", "which word does the sign show?", image=2), record("e", "one and one"), record("f", "all grey")]
REPLIES = [[70, 71]] * len(SAMPLES)


@pytest.fixture(autouse=True)
def _known(monkeypatch: pytest.MonkeyPatch) -> None:
    """The groupings are plug-ins, as if they lay in `lode/grouping/`."""
    monkeypatch.setitem(sys.modules, "lode.grouping.invented", tests.invented_groups)
    monkeypatch.setitem(sys.modules, "lode.grouping.renamed", SimpleNamespace(grouping=renamed_modalities))


def coloured(best: float = 50.0) -> pa.Table:
    """Importance with gradients, of two layers of six neurons; on each part every sum of its best neuron is `best`."""
    table = captured_importance(0, 2, 6, groups=INVENTED.names, absent=())
    groups, neurons = np.array(table["group"].to_pylist()), table["layer"].to_numpy() * 6 + table["neuron"].to_numpy()
    for part, (layer, neuron) in BEST.items():
        here = (groups == part) & (neurons == layer * 6 + neuron)
        for column in (name for name in table.column_names if name.endswith("_sum") or name in ("prob", "max", "mean")):
            values = np.where(here, best, table[column].to_numpy())
            table = table.set_column(table.column_names.index(column), column, pa.array(values))
    return table


# --- selection --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["miner", "mean_difference", "margin", "modality_score", "contribution", "act_x_grad"])
def test_each_part_gets_its_best_neuron(name: str) -> None:
    """K = 3 of 12 neurons, one for each of three parts; `prompt` and `cold` are in the table and take no part."""
    table = coloured()
    groups = taking_part(table, INVENTED, "colours", None)
    assert groups == list(PARTS)
    options = compose([f"selection={name}"]).selection.options
    sets = import_module(f"lode.selection.{name}").select_neurons(table, groups, 0.25, 1, **options)
    assert {part: list(map(tuple, pairs.tolist())) for part, (pairs, _) in sets.items()} == {
        part: [place] for part, place in BEST.items()
    }


def test_groups_asked_for() -> None:
    assert taking_part(coloured(), INVENTED, "two", None) == ["cold", "grey"]
    assert taking_part(coloured(), INVENTED, "two", ["green"]) == ["green"]
    with pytest.raises(UserError, match="red does not occur in the mining data, which hold blue, cold, green, grey"):
        taking_part(coloured(), INVENTED, "two", ["red"])


def renamed_table(table: pa.Table) -> pa.Table:
    """The same rows under other names of the modalities."""
    names = pa.array([renamed(name) for name in table["group"].to_pylist()])
    return table.set_column(table.column_names.index("group"), table.schema.field("group"), names)


@pytest.mark.parametrize("name", sorted(known_plugins("selection")))
def test_other_names_of_modalities_give_the_same_neurons(name: str) -> None:
    table, plugin = captured_importance(3), import_module(f"lode.selection.{name}")
    options = compose([f"selection={name}"]).selection.options
    found = {}
    for of, given in ((modalities(), table), (renamed_modalities(), renamed_table(table))):
        groups = taking_part(given, of, "special_text_separate", None)
        found[of.parts] = list(plugin.select_neurons(given, groups, 0.1, 1, **options).values())
    one, other = found.values()
    assert len(one) == len(other) == 3
    for these, those in zip(one, other, strict=True):
        for mine, its in zip(these, those, strict=True):
            np.testing.assert_array_equal(mine, its)


# --- controls ---------------------------------------------------------------------------------------------------------


def test_controls_of_every_kind(tmp_path: Path) -> None:
    """The stage, as a job runs it."""
    table = coloured()
    path, output, kinds = tmp_path / "m.parquet", tmp_path / "m" / "s.parquet", sorted(known_plugins("control"))
    columns = {name: table[name] for name in IMPORTANCE.schema.names}
    write_table(path, IMPORTANCE, with_nulls(columns, IMPORTANCE), MADE_BY)
    cfg = compose(
        ["grouping.plugin=invented", "selection.group_split=colours", "selection.ratio=0.25", "controls.num_draws=3",
         f"controls.kinds=[{','.join(kinds)}]", f"io.importance={path}", "io.attributions=null", f"io.neurons={output}"]
    )  # fmt: skip
    select_neurons.run(restrict(cfg, "select_neurons", ("io", "runtime")), MADE_BY)
    rows = read_table(output, NEURONS).to_pylist()
    places: dict[tuple[str, str], list[tuple[int, int]]] = {}
    for row in rows:
        places.setdefault((row["group"], row["set_name"]), []).append((row["layer"], row["neuron"]))
    assert {name: places[name, name] for name in PARTS} == {name: [place] for name, place in BEST.items()}
    assert set(places["all", "all"]) == set(BEST.values())
    assert places["blue", "blue_other_group_00"] == [BEST["green"]]
    assert places["blue", "blue_other_group_01"] == [BEST["grey"]]
    assert places["grey", "grey_sham_00"] == [BEST["grey"]]
    assert {row["control_kind"] for row in rows if row["control_of"] == "green"} == set(kinds)
    assert set(read_provenance(output)["magnitude_ratios"]["layer_matched"]) == {*PARTS, "all"}


# --- capture ----------------------------------------------------------------------------------------------------------


def test_captured_tokens_by_hand(tiny: Adapter) -> None:
    """Of `n` tokens of a prompt (n + 2) // 3 are blue, (n + 1) // 3 green and n // 3 grey; of sample c all are grey."""
    kept = activations.recording(tiny, INVENTED)
    record_samples(tiny, SAMPLES, 2, [kept], INVENTED)
    table = pa.table(with_nulls(kept.columns(), STATISTICS), schema=STATISTICS.schema)
    names, (samples, tokens) = dense(table, ("num_samples", "num_tokens"))
    a, b, c = (encode(tiny, [sample]).token_kind.shape[1] for sample in SAMPLES)
    blue, green, grey = (sum((n + more) // 3 for n in (a, b)) for more in (2, 1, 0))
    assert names == INVENTED.names
    assert tokens[:, 0, 0].tolist() == [blue, green, grey + c, blue + green, a + b + c]
    assert samples[:, 0, 0].tolist() == [2, 2, 3, 2, 3]


# --- ablation ---------------------------------------------------------------------------------------------------------


def made(of: Grouping, name: str, *overrides: str) -> Intervention:
    """The intervention of a YAML."""
    return from_config(compose([f"intervention={name}", *overrides]).intervention, of)


def tokens_of(adapter: Adapter, of: Grouping) -> tuple[dict[str, Tensor], Tensor]:
    """Prompts with replies, and what every token is."""
    batch = encode(adapter, SAMPLES)
    return append_tokens(batch, REPLIES, 0), of.codes_of(append_replies(batch, REPLIES), SAMPLES)


@torch.inference_mode()
def first_layer(adapter: Adapter, inputs: dict[str, Tensor], **how: Any) -> Tensor:
    """What the gate of the first layer gives, under an intervention on `SETS` where one is given."""
    seen: list[Tensor] = []
    with switched(adapter, places=at_gate(SETS), **how) if how else torch.inference_mode():
        handle = adapter.gate.activation[0].register_forward_hook(lambda *call: seen.append(call[2].clone()))
        adapter.model(**inputs, use_cache=False)
        handle.remove()
    return seen[0]


def test_codes_by_hand(tiny: Adapter) -> None:
    """By the place among the tokens of a prompt, whatever the padding; a reply and padding are of no part."""
    _, codes = tokens_of(tiny, INVENTED)
    for row, sample in enumerate(SAMPLES):
        length = encode(tiny, [sample]).token_kind.shape[1]
        expected = [2] * length if row == 2 else [place % 3 for place in range(length)]
        assert codes[row].tolist() == [-1] * (codes.shape[1] - 2 - length) + expected + [-2, -2]


@pytest.mark.parametrize(("group", "places"), [("green", [1]), ("cold", [0, 1]), (PROMPT, [0, 1, 2])])
def test_own_tokens(tiny: Adapter, group: str, places: list[int]) -> None:
    inputs, codes = tokens_of(tiny, INVENTED)
    clean = first_layer(tiny, inputs)
    acting = made(INVENTED, "constant", "intervention.tokens=own", "intervention.options.value=7.5")
    changed = first_layer(tiny, inputs, intervention=acting, group=group, tokens=codes)
    own = torch.isin(codes, torch.tensor(places))
    assert own.any(1).tolist() == [True, True, group == PROMPT]
    assert torch.equal(changed[..., 3] == 7.5, own)
    assert torch.equal(changed[~own], clean[~own])


def means_by_hand(table: pa.Table, part: str) -> np.ndarray:
    """Of neuron (0, 3) and (0, 40), whose rows are found by their keys."""
    rows = {
        (row["group"], row["layer"], row["neuron"]): row["mean_sum"] / row["num_samples"] for row in table.to_pylist()
    }
    return np.array([rows[part, 0, 3], rows[part, 0, 40]], dtype=np.float32)


def test_class_mean_and_steering(tiny: Adapter) -> None:
    """Own: `cold` as captured. Others: of what it is not made of, only `grey` is left."""
    table = captured_importance(1, NUM_LAYERS, NUM_NEURONS, groups=INVENTED.names, absent=())
    inputs, codes = tokens_of(tiny, INVENTED)
    clean, own, others = (
        first_layer(tiny, inputs)[..., [3, 40]],
        *(torch.from_numpy(means_by_hand(table, part)) for part in ("cold", "grey")),
    )
    found = {}
    for name in ("class_mean", "other_mean", "steering"):
        acting = made(INVENTED, name)
        acting.class_means.update(class_means(table, INVENTED))  # type: ignore[attr-defined]
        found[name] = first_layer(tiny, inputs, intervention=acting, group="cold", tokens=codes)[..., [3, 40]]
    real = codes != -1
    torch.testing.assert_close(found["class_mean"][real], own.expand(int(real.sum()), 2))
    torch.testing.assert_close(found["other_mean"][real], others.expand(int(real.sum()), 2))
    torch.testing.assert_close(found["steering"][real], (clean - own + others)[real])


def test_resample_takes_the_same_part_of_another_sample(tiny: Adapter) -> None:
    """A token of the reply takes what text alone would be: the first token of a prompt is blue, and of c grey."""
    inputs, codes = tokens_of(tiny, INVENTED)
    means, held = token_means(tiny, DONORS, INVENTED)
    assert held.tolist() == [[True] * 4, [True] * 4, [False, False, True, True]]
    check_donors(SAMPLES, codes, held, INVENTED)
    with pytest.raises(UserError, match="sample a holds blue and its donor does not"):
        check_donors(SAMPLES, codes, held.flip(0), INVENTED)
    acting = made(INVENTED, "resample")
    found = first_layer(tiny, inputs, intervention=acting, group="blue", tokens=codes, donors=means)
    for row, donor in enumerate(DONORS):
        alone = first_layer(tiny, encode(tiny, [donor]).inputs)[0, :, 3]
        parts = [2] * len(alone) if row == 2 else [place % 3 for place in range(len(alone))]
        of_part = [alone[[at for at, part in enumerate(parts) if part == wanted]].mean() for wanted in range(3)]
        for code, value in zip(codes[row].tolist(), found[row, :, 3], strict=True):
            if code != -1:
                torch.testing.assert_close(value, of_part[code if code >= 0 else 2 * (row == 2)], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", ["zero", "class_mean", "steering", "resample"])
@pytest.mark.parametrize("group", ["text", "special_text", "image"])
def test_other_names_of_modalities_give_the_same_effects(tiny: Adapter, name: str, group: str) -> None:
    shown = [record(str(i), "what " * (i + 1), image=i) for i in range(3)]
    batch, logits = encode(tiny, shown), []
    table = captured_importance(1, NUM_LAYERS, NUM_NEURONS)
    for of, given, served in (
        (modalities(), table, group),
        (renamed_modalities(), renamed_table(table), renamed(group)),
    ):
        acting = made(of, name, "intervention.tokens=own")
        acting.class_means.update(class_means(given, of))  # type: ignore[attr-defined]
        donors = token_means(tiny, shown[::-1], of)[0] if acting.needs == ("donors",) else None
        codes = of.codes_of(batch.token_kind, shown)
        with torch.inference_mode(), switched(tiny, acting, at_gate(SETS), served, codes, donors):
            logits.append(tiny.model(**batch.inputs, use_cache=False).logits)
    assert torch.equal(*logits)
    with torch.inference_mode():
        assert not torch.equal(logits[0], tiny.model(**batch.inputs, use_cache=False).logits)


# --- selectivity ------------------------------------------------------------------------------------------------------


def measured(full: float, drop: float, names: tuple[str, ...]) -> Benchmark:
    """A benchmark of two samples on which every set costs `drop` of `full`."""
    keys = {
        name: {"set_name": name, "kind": "method", "control_of": "", "control_kind": "", "num_neurons": 1}
        for name in names
    }
    drops = dict.fromkeys(names, np.array([drop, drop]))
    return Benchmark(keys, full, dict.fromkeys(names, drop), drops, np.array(["c0", "c1"]), is_bounded=True)


def test_selectivity_by_hand() -> None:
    """On `sea` half of what there is to lose is lost, on `ash` a tenth."""
    names = ("blue", "cold", "grey", PROMPT, "all")
    benchmarks = {"sea": measured(1.0, 0.5, names), "ash": measured(2.0, 0.2, names)}
    rows = selectivity_rows("score", benchmarks, partial(own_of, SECTION, HELD))
    found = {row["set_name"]: (row["own"], row.get("selectivity")) for row in rows}
    assert found["blue"] == found["cold"] == (["sea"], pytest.approx(0.4))
    assert found["grey"] == (["ash"], pytest.approx(-0.4))
    assert found[PROMPT] == found["all"] == ([], None)


def test_own_benchmarks_under_other_names() -> None:
    held = {name: compose([f"dataset={name}"]).dataset for name in ("toy_mmlu", "toy_caption", "toy_speech")}
    of_modalities = compose(["grouping=modality"]).grouping
    under_other_names = OmegaConf.structured(
        GroupingConfig(
            name="renamed",
            plugin="renamed",
            own_without={renamed(name): list(map(renamed, parts)) for name, parts in of_modalities.own_without.items()},
            no_own=list(map(renamed, of_modalities.no_own)),
        )
    )
    one, other = (
        {
            name: own_of(section, {n: grouping_of(section).held(dataset) for n, dataset in held.items()}, called(name))
            for name in modalities().names
        }
        for section, called in ((of_modalities, str), (under_other_names, renamed))
    )
    assert one == other
    assert one["image"] == {"toy_mmlu": False, "toy_caption": True, "toy_speech": False}


# --- figures ----------------------------------------------------------------------------------------------------------


def test_looks() -> None:
    """In the order of the grouping; a group without a look is as any other name."""
    looks = Looks(SECTION)
    assert looks.in_order(["all", "grey", "moon", "green"]) == ["green", "grey", "moon", "all"]
    assert (looks.colour("grey"), looks.marker("grey")) == ("#888888", "s")
    assert looks.look("green") == looks.look("moon") != looks.look("all")


def test_a_table_of_two_sites_is_refused() -> None:
    table = coloured()
    place = table.column_names.index("site")
    other = table.set_column(place, table.schema.field("site"), pa.array(["tower"] * table.num_rows))
    both = pa.concat_tables([table, other])
    with pytest.raises(UserError, match=r"sites lm_gate, tower: .* take the rows of one, `of_site"):
        dense(both, ["down_norm"])
    assert of_site(both, "tower").equals(other)
    with pytest.raises(UserError, match="site of the table"):
        of_site(table, "tower")
