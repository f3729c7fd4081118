"""How many passes over a model are announced before anything runs: as the formulas say, and as the steps make."""

import json
from typing import Any

import pytest

from lode.engine.paths import is_local
from lode.study import STUDY, compose
from workflow.check import open_experiment, print_advice
from workflow.passes import DEPTHS, depth_in, depth_of, num_cuts, passes_of, passes_told

FIGURES = "figures=[lens_entropy, flow_sets, cuts, heads]"


def announced(*overrides: str, experiment: str = "smoke") -> dict[tuple[str, str], tuple[int, int | None]]:
    run = open_experiment({"experiment": experiment, "overrides": list(overrides)})
    return {(each.step, each.job): (each.num_samples, each.each) for each in passes_of(run)}


@pytest.mark.parametrize(
    ("layers", "media", "passes"), [(6, ["image"], 378), (28, ["audio"], 1353), (6, [], 195), (28, [], 702)]
)
def test_passes_of_cuts_are_those_of_methods_7_5(layers: int, media: list[str], passes: int) -> None:
    """Of words alone four pairs are left, one of them without controls."""
    assert num_cuts(compose().cut, layers, media) == passes


def test_what_a_smoke_run_would_make() -> None:
    """Text, special, image and their union with two controls: 1 + 4 x 3; of pictures four variants change something."""
    found = announced(FIGURES)
    job = "tiny_qwen2_vl, toy_caption"
    assert found["trace_states", job] == (8, 5)
    assert found["trace_states", "tiny_qwen2_vl, toy_mmlu"] == (8, 2)
    assert found["cut_attention", job] == (8, 378)
    assert found["ablate_heads", job] == (8, 1 + 6 * 4)
    assert found["trace_sets", "tiny_qwen2_vl, miner, zero, toy_caption"] == (8, 13)
    assert len(found) == 2 * (3 + 2)
    assert announced(FIGURES, "trace_sets.num_controls=1", "trace.max_samples=3")["trace_states", job] == (3, 5)
    fewer = announced(FIGURES, "trace_sets.num_controls=1", "controls.kinds=[uniform, sham]")
    assert fewer["trace_sets", "tiny_qwen2_vl, miner, zero, toy_caption"] == (8, 13)
    assert announced() == {}


def test_a_line_each_and_the_sum(capsys: pytest.CaptureFixture[str]) -> None:
    run = open_experiment({"experiment": "smoke", "overrides": ["figures=[cuts]"]})
    lines = passes_told(run)
    assert lines[0] == "cut_attention: tiny_qwen2_vl, toy_caption: 8 samples x 378 passes = 3,024"
    assert lines[-1] == "inside the model at most 4,584 passes in all"
    print_advice(run)
    assert f"note: {lines[-1]}" in capsys.readouterr().err


def models_elsewhere() -> list[str]:
    """Those of which no folder here holds a config: of the hub, or in a wheel."""
    names = sorted(path.stem for path in (STUDY.config_dir / "model").glob("*.yaml"))
    sources = {name: compose([f"model={name}"]).model.source for name in names}
    return [name for name, source in sources.items() if not is_local(source) or depth_in(source) is None]


def test_the_depth_of_every_model_that_is_not_held_here_is_known() -> None:
    assert sorted(DEPTHS) == models_elsewhere()
    lists = [f"{name}=[toy_mmlu]" for name in ("mining_datasets", "benchmarks")]
    run = open_experiment({"experiment": "smoke", "overrides": ["models=[smollm2]", *lists]})
    assert depth_of(run, "smollm2") == DEPTHS["smollm2"] == (30, 9)


def test_the_depth_of_a_folder_is_that_of_its_language_model(tmp_path: Any) -> None:
    for name in ("tiny_qwen2_vl", "tiny_llava_next", "tiny_instructblip", "tiny_qwen2_audio"):
        assert depth_in(compose([f"model={name}"]).model.source) == (6, 4)
    (tmp_path / "config.json").write_text(json.dumps({"num_hidden_layers": 3, "num_attention_heads": 2}))
    assert depth_in(str(tmp_path)) == (3, 2)
    assert depth_in(str(tmp_path / "none")) is None


def test_a_model_of_unknown_depth_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(DEPTHS, "qwen2_vl_2b")
    run = open_experiment({"experiment": "qwen2_vl_2b", "overrides": ["figures=[cuts, lens_entropy]"]})
    lines = passes_told(run)
    assert any("grows with the layers" in line for line in lines)
    assert lines[-1].endswith("and those of models whose depth is not known")
