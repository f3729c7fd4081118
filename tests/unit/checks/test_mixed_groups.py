"""Values of another sample are refused before any job where groups are made of samples, and there alone."""

import pytest

from lode.checks.steps import validate
from lode.engine.errors import UserError
from lode.study import compose
from workflow.check import open_experiment

RADAR = ("grouping=error_category", "dataset=toy_errorradar_step")


@pytest.mark.parametrize("step", ["benchmark_ablation", "measure_shift"])
def test_a_donor_of_another_group_is_refused(step: str) -> None:
    with pytest.raises(UserError, match=r"resample with grouping error_category: samples of toy_errorradar_step"):
        validate(compose([*RADAR, "intervention=resample"]), step)


@pytest.mark.parametrize("step", ["benchmark_ablation", "measure_shift"])
@pytest.mark.parametrize(
    "overrides",
    [
        [*RADAR, "intervention=class_mean"],  # takes no value of another sample
        ["grouping=modality", "dataset=toy_errorradar_step", "intervention=resample"],
        ["grouping=domain", "dataset=toy_road", "intervention=resample"],  # a dataset is of one domain
        ["grouping=error_category", "+grouping.options.datasets=[errorradar_step]", "dataset=toy_road",
         "intervention=resample"],  # no sample has a group
    ],
    ids=["no donor", "modality", "domain", "rest"],
)  # fmt: skip
def test_what_every_sample_holds_is_let_through(step: str, overrides: list[str]) -> None:
    validate(compose(overrides), step)


def test_an_experiment_is_refused_before_any_job() -> None:
    sets = "mining_datasets=[toy_errorradar_step]", "benchmarks=[toy_errorradar_step]"
    overrides = ["grouping=error_category", *sets, "interventions=[resample]", "selection.group_split=all"]
    with pytest.raises(SystemExit, match="resample with grouping error_category"):
        open_experiment({"experiment": "smoke", "overrides": overrides})
