"""What an experiment plans, by the steps of interest, and what a value of its config makes run again."""

from collections.abc import Iterable, Sequence

from workflow.check import open_experiment


def steps_planned(experiment: str, overrides: Sequence[str], steps: Iterable[str]) -> set[str]:
    """Which of some steps have jobs."""
    plan = open_experiment({"experiment": experiment, "overrides": list(overrides)}).plan
    return {step for step in steps if plan.jobs(step)}


def run_again(experiment: str, drawn: str, value: str) -> set[str]:
    """The steps of which something that decides a result is another with a value than without it.

    Args:
        experiment: its name.
        drawn: an override that asks for the steps of interest.
        value: the other override.
    """
    before, after = (
        open_experiment({"experiment": experiment, "overrides": [drawn, *more]}).plan for more in ([], [value])
    )
    return {
        product.card.name
        for product in before.products()
        if before.semantic(product.card.name, product.wildcards) != after.semantic(product.card.name, product.wildcards)
    }
