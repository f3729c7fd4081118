"""Groups of tokens without meaning stand outside their controls as seldom as chance says, and real ones are found.

Made-up losses: what a sample loses with keys hidden is the sum over them of what their places are worth, counted from
the start and from the end of the prompt, and more for neighbours. A group is so many places, the same in all samples.
"""

from collections import Counter
from collections.abc import Callable

import numpy as np
import pytest
import torch

from lode.model.cutting import order_of_places, run_lengths
from lode.statistics.cuts import BELOW, BEYOND, FEWEST_CLUSTERS, verdict

NUM_STUDIES, NUM_CONTROLS, NUM_KEYS = 400, 20, 8
LENGTHS = [36, 36, 37, 38, 38, 40, 41, 41, 42, 44]
#: Whether a control is what the stage draws, or other places in each sample.
Rule = Callable[[int, int, int, int], np.ndarray]


def one_rule(count: int, run: int, seed: int, _sample: int) -> np.ndarray:
    return order_of_places(count, run, seed)


def a_rule_each(count: int, _run: int, seed: int, sample: int) -> np.ndarray:
    """As controls were once drawn."""
    return order_of_places(count, 1, 1000 * seed + sample)


def group(kind: str, rng: np.random.Generator) -> list[np.ndarray]:
    """Places of a group in every sample: apart, or side by side; counted from the first or from the last."""
    least = min(LENGTHS)
    start = int(rng.integers(least - NUM_KEYS + 1))
    own = np.arange(start, start + NUM_KEYS) if kind == "run" else rng.choice(least, NUM_KEYS, replace=False)
    from_last = rng.random() < 0.5
    return [count - 1 - own if from_last else own for count in LENGTHS]


def study(kind: str, rule: Rule, number: int, worth: float = 1.0) -> str:
    """The verdict on a group; `worth` multiplies what its own places are worth."""
    rng = np.random.default_rng(number)
    of_start, of_end, beside = np.exp(rng.normal(size=(3, max(LENGTHS))))
    own = group(kind, rng)
    values = [of_start[:count] * of_end[:count][::-1] for count in LENGTHS]
    for of_sample, places in zip(values, own, strict=True):
        of_sample[places] *= worth

    def delta(hidden: list[np.ndarray]) -> float:
        lost = []
        for of_sample, places in zip(values, hidden, strict=True):
            keys = np.zeros(len(of_sample), dtype=bool)
            keys[places] = True
            lost.append(of_sample[keys].sum() + (beside[: len(keys) - 1] * keys[1:] * keys[:-1]).sum())
        return -float(np.mean(lost))

    masks = [torch.zeros(count, dtype=torch.bool).index_fill(0, torch.from_numpy(at), True)
             for count, at in zip(LENGTHS, own, strict=True)]  # fmt: skip
    runs = [run_lengths(mask[None])[0] for mask in masks]
    shape = list(enumerate(zip(LENGTHS, runs, strict=True)))
    seeds = range(number * NUM_CONTROLS, (number + 1) * NUM_CONTROLS)
    draws = [[rule(count, run, seed, at)[:NUM_KEYS] for at, (count, run) in shape] for seed in seeds]
    return verdict(delta(own), [delta(draw) for draw in draws], [0.2] * len(draws), FEWEST_CLUSTERS)


def shares(kind: str, rule: Rule) -> dict[str, float]:
    said = Counter(study(kind, rule, number) for number in range(NUM_STUDIES))
    return {name: said[name] / NUM_STUDIES for name in (BEYOND, BELOW)}


@pytest.mark.parametrize("kind", ["apart", "run"])
def test_false_alarms_are_nominal(kind: str) -> None:
    """1 in 21 either way, but for two standard errors of the simulation."""
    nominal = 1 / (1 + NUM_CONTROLS)
    most = nominal + 2 * np.sqrt(nominal * (1 - nominal) / NUM_STUDIES)
    found = shares(kind, one_rule)
    assert max(found.values()) <= most, found


@pytest.mark.parametrize("kind", ["apart", "run"])
def test_controls_that_differ_between_samples_call_any_group(kind: str) -> None:
    """Why a control is one rule: of other places in every sample the mean hardly varies."""
    assert sum(shares(kind, a_rule_each).values()) > 0.3


def test_a_group_that_matters_is_found() -> None:
    found = Counter(study("apart", one_rule, number, worth=20.0) for number in range(100))
    assert found[BEYOND] >= 80, found
