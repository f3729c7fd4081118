"""Sets are traced when a figure, or `trace_sets.enabled`, asks for it; nothing else runs again by it."""

import pytest

from lode.checks.trace import check_trace_sets
from lode.engine.errors import UserError
from lode.study import compose
from tests.plans import run_again
from workflow.check import open_experiment

NEW = {"trace_sets", "compare_traces"}
DRAWN = "figures=[flow_sets]"


@pytest.mark.parametrize(
    ("overrides", "planned"),
    [([], set()), (["trace_sets.enabled=true"], NEW), ([DRAWN], NEW), (["trace_sets.max_samples=3"], set())],
)
def test_who_asks_for_them(overrides: list[str], planned: set[str]) -> None:
    plan = open_experiment({"experiment": "smoke", "overrides": overrides}).plan
    assert {step for step in NEW if plan.jobs(step)} == planned
    assert {product.card.name for product in plan.products()} & {*NEW, "trace_states"} == planned


def test_what_they_read() -> None:
    run = open_experiment({"experiment": "smoke", "overrides": [DRAWN]})
    job = {"model": "tiny_qwen2_vl", "selection": "miner", "intervention": "zero", "dataset": "toy_mmlu"}
    assert set(run.plan.reads("trace_sets", job)) == {"manifest", "dataset", "neurons"}
    place = "tiny_qwen2_vl/miner/zero/toy_mmlu.parquet"
    read = run.plan.reads("compare_traces", job)
    names = ("set_lens_samples", "set_flow_samples")
    assert {name: read[name] for name in names} == {name: f"{run.root}/trace_sets/{name}/{place}" for name in names}
    assert read["neurons"] == f"{run.root}/select_neurons/tiny_qwen2_vl/miner.parquet"


@pytest.mark.parametrize(
    "value", ["trace_sets.max_samples=3", "trace_sets.num_controls=2", "trace_sets.tokens_per_group=2"]
)
def test_a_value_runs_it_alone_again(value: str) -> None:
    assert run_again("smoke", DRAWN, value) == {"trace_sets"}


@pytest.mark.parametrize(
    "value", ["trace_sets.max_samples=0", "trace_sets.num_controls=0", "trace_sets.tokens_per_group=0"]
)
def test_what_is_wrong_is_refused(value: str) -> None:
    with pytest.raises(UserError, match=value.replace("=", " = ")):
        check_trace_sets(compose([value]))
