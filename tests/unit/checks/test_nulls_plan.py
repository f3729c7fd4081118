"""Which jobs nulls make, what each is told, and nulls that are refused before any job."""

import pytest

from lode.engine.errors import UserError
from workflow.check import check
from workflow.study import Experiment

FIGURES = "figures=[domain_counts]"


def experiment(*overrides: str) -> Experiment:
    return Experiment({"experiment": "smoke", "overrides": ["capture.shards=2", *overrides]})


def jobs(run: Experiment, step: str) -> int:
    return len(run.plan.jobs(step))


def test_only_nulls_that_are_asked_for_and_drawn_are_captured() -> None:
    mined = len(experiment().pairs["mining_datasets"])
    plain = experiment("figures=[neurons_per_layer]")
    assert jobs(plain, "capture_nulls") == jobs(plain, "measure_domains") == jobs(plain, "profile_layers") == 0
    drawn = experiment(FIGURES)
    assert jobs(drawn, "capture_nulls") == 0
    assert jobs(drawn, "measure_domains") == len(drawn.cfg.models) * len(drawn.cfg.selections)
    both = experiment(FIGURES, "nulls.kinds=[blank,same_prompt]")
    assert jobs(both, "capture_nulls") == mined * 2
    cut = experiment(FIGURES, "nulls.kinds=[blank,same_prompt]", "nulls.shards=3")
    assert jobs(cut, "capture_nulls") == mined * 2 * 3
    assert jobs(cut, "capture_activations") == mined * 2
    assert jobs(experiment("figures=[layer_profile]"), "profile_layers") == jobs(drawn, "measure_domains")
    row = next(iter(both.plan.jobs("measure_domains").values()))
    assert len(both.plan.reads("measure_domains", row)["null_statistics"]) == mined * 2
    assert drawn.plan.reads("measure_domains", row)["null_statistics"] == []


def test_a_prompt_makes_the_jobs_that_show_it_stale_and_no_others() -> None:
    one, other = (experiment(FIGURES, "nulls.kinds=[blank,same_prompt]", f"nulls.prompt={text}") for text in "ab")
    for key, row in one.plan.jobs("capture_nulls").items():
        same = one.plan.semantic("capture_nulls", row) == other.plan.semantic("capture_nulls", row)
        assert same == (row["null"] == "blank"), key
    for step in ("capture_activations", "measure_domains"):
        for row in one.plan.jobs(step).values():
            assert one.plan.semantic(step, row) == other.plan.semantic(step, row)


def test_text_alone_has_the_nulls_that_need_no_capture() -> None:
    """Labels are dealt anew, and groups are halved, whatever samples hold; with a medium among them all nulls are."""
    check(experiment(FIGURES, "mining_datasets=[toy_mmlu]"))
    check(experiment(FIGURES, "mining_datasets=[toy_mmlu,toy_textvqa]", "nulls.kinds=[blank]"))


def test_a_capture_does_not_depend_on_nulls() -> None:
    one, other = experiment(), experiment(FIGURES, "nulls.kinds=[blank]", "nulls.num_draws=7")
    for row in one.plan.jobs("capture_activations").values():
        assert one.plan.semantic("capture_activations", row) == other.plan.semantic("capture_activations", row)


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["nulls.kinds=[blank]"], r"nulls\.kinds = \['blank'\], and no figure .* domain_counts"),
        ([FIGURES, "nulls.kinds=[white]"], "unknown null of nulls.kinds 'white'"),
        ([FIGURES, "nulls.kinds=[blank,blank]"], "at most once"),
        ([FIGURES, "mining_datasets=[toy_mmlu]", "nulls.kinds=[blank]"], r"\(toy_mmlu\) hold text alone"),
        ([FIGURES, "mining_datasets=[toy_mmlu]", "nulls.kinds=[same_prompt]"], r"all samples are one"),
        ([FIGURES, "nulls.num_draws=0"], r"nulls\.num_draws = 0"),
        ([FIGURES, "capture.shards=1"], r"figure domain_counts with capture\.shards = 1 and"),
        (["figures=[layer_profile]", "capture.shards=1"], r"figure layer_profile with capture\.shards = 1"),
    ],
)
def test_what_cannot_be_is_refused(overrides: list[str], message: str) -> None:
    with pytest.raises(UserError, match=message):
        check(experiment(*overrides))
