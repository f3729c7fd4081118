"""What the shipped YAMLs must say for their reports to mean what the documents claim."""

from importlib import import_module
from inspect import signature
from pathlib import Path

import pytest

from lode.checks.experiment import advise
from lode.config import ControlsConfig
from lode.engine.compose import chosen
from lode.engine.recorded import sources
from lode.study import STUDY, compose
from tests.panels import LOOKS
from tests.tables import write_run
from workflow.check import open_experiment, print_advice
from workflow.verify import tell

EXPERIMENTS = sorted(path.stem for path in (STUDY.config_dir / "experiment").glob("*.yaml"))
#: Those whose verdicts are not read: where sets sit, ratings against known plants, a trial of stages, how sets hold.
FEWER_CONTROLS = ("miner_layers", "scoreboard", "scoreboard_sites", "smoke", "stability")


@pytest.mark.parametrize("name", sorted({*EXPERIMENTS} - {*FEWER_CONTROLS}))
def test_an_experiment_with_verdicts_has_controls_enough(name: str) -> None:
    cfg = compose([f"experiment={name}"])
    assert advise(cfg) == []
    assert cfg.controls.num_draws >= 20
    assert list(cfg.controls.kinds) in (["magnitude_matched"], ["own_matched"]), "controls matched by size"


def test_an_experiment_that_says_nothing_of_controls_has_them_matched_by_size() -> None:
    """FAULTS N4."""
    assert list(ControlsConfig().kinds) == ["magnitude_matched"]
    assert ControlsConfig().num_draws >= 20


def test_too_few_controls_are_named_before_anything_runs(capsys: pytest.CaptureFixture[str]) -> None:
    print_advice(open_experiment({"experiment": "smoke"}))
    assert "note: controls.num_draws = 2: no set can be called specific" in capsys.readouterr().err
    assert all(advise(compose([f"experiment={name}"])) for name in FEWER_CONTROLS)


@pytest.mark.parametrize(("num_draws", "smallest"), [(0, "1"), (1, "0.5"), (19, "0.05")])
def test_what_is_said_of_too_few_controls(num_draws: int, smallest: str) -> None:
    """FAULTS N15. With 19 the smallest p is 1 / 20, and only what is below 0.05 counts."""
    (note,) = advise(compose([f"controls.num_draws={num_draws}"]))
    assert note == (
        f"controls.num_draws = {num_draws}: no set can be called specific, as no p below {smallest} can come out; 20 "
        "draws or more can do"
    )
    assert advise(compose(["controls.num_draws=20"])) == []


def test_the_scoreboard_has_a_row_of_size() -> None:
    assert "size" in open_experiment({"experiment": "scoreboard"}).cfg.selections


@pytest.mark.parametrize("name", ["toy_speech", "toy_vocalsound", "toy_mmlu"])
def test_splits_share_no_speaker_and_no_fact(name: str) -> None:
    assert import_module(f"lode.dataset.{name}").HELD_OUT == "clusters"


def test_the_study_of_the_paper_is_set_as_its_code_is() -> None:
    assert chosen(STUDY, ("model=qwen2_vl_7b",)).model.video_frames == "qwen_vl_utils"
    official = chosen(STUDY, ("experiment=miner_qwen2_vl_official",))
    assert list(official.mining_datasets) == ["textvqa", "coco_caption", "mmlu"]
    assert list(official.models) == ["qwen2_vl_7b"]
    options = compose(["dataset=mmlu"]).dataset.options
    assert options.tokenizer == "openai-community/gpt2"
    most = signature(import_module("lode.dataset.mmlu").samples).parameters["max_prompt_tokens"]
    assert options.get("max_prompt_tokens", most.default) == 2048


def test_a_model_is_known_by_the_files_in_its_folders_too(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    nested = tmp_path / "qformer_tokenizer" / "tokenizer.json"
    nested.parent.mkdir()
    nested.write_text("{}")
    cfg = compose([f"model.source={tmp_path}"])
    before = sources(STUDY, cfg, "download_model")
    assert set(before) == {"config.json", "qformer_tokenizer/tokenizer.json"}
    nested.write_text('{"a": 1}')
    assert {name for name, digest in sources(STUDY, cfg, "download_model").items() if digest != before[name]} == {
        "qformer_tokenizer/tokenizer.json"
    }


def test_the_console_says_the_verdict_and_why_it_cannot_be_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = Path(write_run(tmp_path)["verdicts"][0]).parents[1]
    tell(str(folder), LOOKS)
    said = capsys.readouterr().out.splitlines()
    assert said[0] == f"Open {folder}/report.html"
    assert all("Cannot be told here: special (no benchmark of its own)" in line for line in said[1:])
    assert len(said) >= 2


@pytest.mark.parametrize("figure", ["domain_counts", "layer_profile"])
def test_few_blocks_are_named_where_they_are_dealt(figure: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Only where a figure deals them, and below five."""
    for shards, blocks, figures, told in (
        (2, 1, figure, True),
        (1, 4, figure, True),
        (5, 1, figure, False),
        (2, 3, figure, False),
        (2, 1, "set_overlap", False),
    ):
        overrides = [f"capture.shards={shards}", f"capture.blocks={blocks}", f"figures=[{figures}]"]
        print_advice(open_experiment({"experiment": "smoke", "overrides": overrides}))
        said = capsys.readouterr().err
        assert (f"note: capture.shards x capture.blocks = {shards * blocks}: labels" in said) == told, (
            shards,
            blocks,
            figures,
        )


@pytest.mark.parametrize("name", ["mmneuron", "mmneuron_7b"])
def test_the_studies_of_domains_have_blocks_enough(name: str) -> None:
    assert not advise(compose([f"experiment={name}"]), {"set_nulls", "profiles"})


def test_the_depth_of_the_sets_has_blocks_and_all_normalisations() -> None:
    """Else intervals are too short, and no set could be called shallow or deep; selected as in `default`."""
    cfg, usual = compose(["experiment=miner_layers"]), compose(["experiment=default"])
    assert not [note for note in advise(cfg, {"profiles"}) if "capture.blocks" in note]
    assert cfg.capture.all_normalisations
    for name in ("models", "mining_datasets", "selections"):
        assert cfg[name] == usual[name], name
