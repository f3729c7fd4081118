"""States are compared when a figure, or `enabled`, asks for it, and traced then; nothing else runs again by it."""

import pytest

from lode.checks.states import check_align_states, check_compare_states
from lode.engine.errors import UserError
from lode.study import compose
from tests.plans import run_again, steps_planned
from workflow.check import open_experiment

TRACED, COMPARED, ALIGNED = {"trace_states", "summarise_trace"}, {"compare_states"}, {"align_states"}


@pytest.mark.parametrize(
    ("overrides", "planned"),
    [
        ([], set()),
        (["trace.enabled=true"], TRACED),
        (["figures=[state_picture]"], TRACED),
        (["figures=[convergence]"], TRACED | COMPARED),
        (["compare_states.enabled=true"], TRACED | COMPARED),
        (["figures=[alignment]"], TRACED | ALIGNED),
        (["align_states.enabled=true"], TRACED | ALIGNED),
        (["compare_states.max_tokens=30"], set()),
    ],
)
def test_who_asks(overrides: list[str], planned: set[str]) -> None:
    assert steps_planned("same_content", overrides, TRACED | COMPARED | ALIGNED) == planned


def test_a_model_is_aligned_by_the_states_of_all_its_benchmarks() -> None:
    run = open_experiment({"experiment": "same_content", "overrides": ["figures=[alignment,convergence]"]})
    forms = {"tiny_qwen2_vl": ["text", "image"], "tiny_qwen2_audio": ["text", "speech"]}
    assert [row["model"] for row in run.plan.jobs("align_states").values()] == list(forms)
    for model, names in forms.items():
        read = run.plan.reads("align_states", {"model": model})
        states = [f"{run.root}/trace_states/states/{model}/same_content_{name}.parquet" for name in names]
        datasets = [f"{run.root}/prepare_dataset/same_content_{name}.parquet" for name in names]
        assert read == {"states": states, "dataset": datasets}
    job = {"model": "tiny_qwen2_vl", "dataset": "same_content_image"}
    assert run.plan.reads("compare_states", job) == {
        "states": f"{run.root}/trace_states/states/tiny_qwen2_vl/same_content_image.parquet"
    }


@pytest.mark.parametrize(
    ("value", "again"),
    [
        ("compare_states.num_permutations=3", {"compare_states"}),
        ("compare_states.bank=special", {"compare_states"}),
        ("align_states.num_permutations=3", {"align_states"}),
    ],
)
def test_a_value_runs_its_step_alone_again(value: str, again: set[str]) -> None:
    drawn = "figures=[alignment,convergence,phenomena]"
    assert run_again("same_content", drawn, value) == again


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("compare_states.bank=txt", "compare_states.bank 'txt'"),
        ("compare_states.max_tokens=0", "compare_states.max_tokens = 0"),
        ("compare_states.num_permutations=0", "compare_states.num_permutations = 0"),
        ("align_states.num_permutations=0", "align_states.num_permutations = 0"),
    ],
)
def test_what_is_wrong_is_refused_before_anything_runs(value: str, said: str) -> None:
    check = check_align_states if value.startswith("align") else check_compare_states
    with pytest.raises(UserError, match=said):
        check(compose([value]))


def test_a_grouping_without_words_needs_no_bank() -> None:
    with pytest.raises(UserError, match="With null no phenomena are looked for"):
        check_compare_states(compose(["grouping=domain"]))
    check_compare_states(compose(["grouping=domain", "compare_states.bank=null"]))


def test_contents_in_two_forms_are_asked_for_before_anything_runs() -> None:
    """The figure of one content in two forms needs two such benchmarks of one model."""
    one_each = ["benchmarks=[same_content_image,same_content_speech]"]
    no_two = ["models=[tiny_qwen2_vl]", "mining_datasets=[toy_caption]", "benchmarks=[same_content_text,toy_caption]"]
    for overrides in (one_each, no_two):
        with pytest.raises(SystemExit, match="figure alignment compares one content in two forms"):
            open_experiment({"experiment": "same_content", "overrides": ["figures=[alignment]", *overrides]})
    with pytest.raises(SystemExit, match="two benchmarks of one dataset plug-in"):
        open_experiment({"experiment": "miner_qwen2_vl", "overrides": ["figures=[alignment]"]})


def test_the_figures_of_flow_but_one_go_with_an_experiment_of_7b() -> None:
    figures = [name for name in compose(["experiment=flow"]).figures if name != "alignment"]
    run = open_experiment({"experiment": "miner_qwen2_vl", "overrides": [f"figures=[{','.join(figures)}]"]})
    assert len(run.plan.jobs("cut_attention")) == len(run.pairs["benchmarks"])
