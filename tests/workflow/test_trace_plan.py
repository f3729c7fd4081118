"""Benchmarks are traced when a figure, or `trace.enabled`, asks for it; nothing else runs again by it."""

import pytest

from lode.checks.trace import check_trace
from lode.engine.errors import UserError
from lode.study import compose
from tests.plans import run_again
from workflow.check import open_experiment

NEW = {"trace_states", "summarise_trace", "match_contexts"}
DRAWN = "figures=[lens_entropy]"


@pytest.mark.parametrize(
    ("overrides", "planned"),
    [([], set()), (["trace.enabled=true"], NEW), ([DRAWN], NEW), (["trace.max_samples=3"], set())],
)
def test_who_asks_for_traces(overrides: list[str], planned: set[str]) -> None:
    plan = open_experiment({"experiment": "smoke", "overrides": overrides}).plan
    assert {step for step in NEW if plan.jobs(step)} == planned
    assert {product.card.name for product in plan.products()} & NEW == planned


def test_what_traces_read() -> None:
    run = open_experiment({"experiment": "smoke", "overrides": [DRAWN]})
    job = {"model": "tiny_qwen2_vl", "dataset": "toy_caption"}
    assert set(run.plan.reads("trace_states", job)) == {"manifest", "dataset"}
    place = f"{run.root}/trace_states"
    read = run.plan.reads("summarise_trace", job)
    assert read == {
        name: f"{place}/{name}/tiny_qwen2_vl/toy_caption.parquet" for name in ("lens_samples", "flow_samples")
    }


@pytest.mark.parametrize("value", ["trace.max_samples=3", "trace.tokens_per_group=2", "trace.variants=[noise]"])
def test_a_value_traces_alone_again(value: str) -> None:
    assert run_again("smoke", DRAWN, value) == {"trace_states"}


@pytest.mark.parametrize("overrides", [[], ["trace.enabled=true"], [DRAWN], ["cut.enabled=true", "heads.enabled=true"]])
def test_what_is_asked_for_is_made(overrides: list[str]) -> None:
    """`rule all` asks for every file of the steps on demand, so that what `make verify` looks for is there."""
    run = open_experiment({"experiment": "smoke", "overrides": overrides})
    sections = set(run.on_demand)
    found = [each.path for each in run.plan.products() if sections & set(each.card.over or ())]
    assert sorted(run.demanded) == sorted(found)
    assert bool(found) == bool(overrides)


@pytest.mark.parametrize("value", ["trace.tokens_per_group=0", "trace.tokens_per_group=-1", "trace.reservoir=0"])
def test_fewer_tokens_than_one_are_refused(value: str) -> None:
    with pytest.raises(UserError, match=value.replace("=", " = ")):
        check_trace(compose([value]))
