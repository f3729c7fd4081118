"""Shifts of known truth: sets that know nothing, or size alone, are above their controls as seldom as promised."""

from typing import Any

import numpy as np
import pytest

from lode.control import BLOCK, UNMATCHABLE, in_blocks, magnitude_ratios, within_blocks
from lode.page.report.shifts import named
from lode.statistics.shift import (
    BEYOND,
    Cell,
    contrast,
    contrast_value,
    corrected,
    p_value,
    selectivity_weights,
    verdict,
)

CONTROLS = 20


def most(num_cases: int, share: float = 1 / 21) -> float:
    """Three standard errors above a share that was promised."""
    return float(share + 3 * np.sqrt(share * (1 - share) / num_cases))


# --- sets that know how much a neuron writes, and nothing else --------------------------------------------------------


def size_alone(
    num_neurons: int, spread: float, known: float, power: float, num_sets: int = 150
) -> tuple[float, float, float]:
    """Of so many sets of 6 layers of 512 neurons, the share that is beyond its controls.

    Args:
        num_neurons: of a set.
        spread: of the sizes of neurons [standard deviation of the logarithm].
        known: how far the selector errs about size, and effects depart from it [the same].
        power: of size that effects grow with.
        num_sets: how many.

    Returns:
        By the verdict; by the rank of the shift alone, with ratios from 0.8 on; and the share that is unmatchable.
    """
    rng, said, alone = np.random.default_rng(0), [], 0
    for _ in range(num_sets):
        sizes = rng.lognormal(0, spread, (6, 512))
        effects = sizes**power * rng.lognormal(0, known, sizes.shape)
        scores = sizes * rng.lognormal(0, known, sizes.shape)
        own = np.stack(np.unravel_index(np.argsort(-scores, axis=None)[:num_neurons], sizes.shape), axis=1)
        blocks = in_blocks(sizes, BLOCK)
        controls = [within_blocks(own, blocks, rng) for _ in range(CONTROLS)]
        value, *of_controls = [float(effects[tuple(pairs.T)].sum()) for pairs in (own, *controls)]
        ratios = magnitude_ratios(sizes, own, controls)
        assert ratios
        ratio = float(np.mean(ratios))
        said.append(verdict(p_value(value, of_controls, ratios), CONTROLS, ratio))
        alone += ratio >= 0.8 and value > max(of_controls)
    return said.count(BEYOND) / num_sets, alone / num_sets, said.count("unmatchable") / num_sets


@pytest.mark.parametrize(
    ("num_neurons", "spread", "known", "power"),
    [
        (60, 1.0, 0.3, 1),
        (30, 1.0, 0.3, 1),
        (60, 1.5, 0.3, 1),
        (60, 1.0, 0.3, 2),
        (60, 1.0, 0.6, 1),
        (300, 1.0, 0.3, 1),
        (300, 1.0, 0.3, 2),
        (300, 1.0, 0.3, 0.5),
    ],
)
def test_sets_that_know_size_alone_are_beyond_controls_as_seldom_as_promised(
    num_neurons: int, spread: float, known: float, power: float
) -> None:
    found, _, unmatchable = size_alone(num_neurons, spread, known, power)
    assert found <= most(150)
    assert unmatchable < 0.9, "or nothing was tried"


def test_the_shift_alone_would_not_do() -> None:
    """The counter-test: of the same sets the rank of the shift as it is calls most special."""
    assert size_alone(60, 1.0, 0.3, 1)[1] > 0.4


# --- reports of many sets ---------------------------------------------------------------------------------------------


def report(rng: np.random.Generator, num_sets: int, effect: float = 0.0) -> list[dict[str, Any]]:
    """Selectivities of random sets on 5 groups of 20 samples each; the own group of set 0 is moved by more."""
    rows, weights = [], selectivity_weights(1, [1] * 4)
    for place in range(num_sets):
        moved = rng.lognormal(-2, 0.4, (1 + CONTROLS, 5))
        if not place:
            moved[0, 0] += effect
        names = ["set", *(f"control{draw}" for draw in range(CONTROLS))]
        cells = [
            Cell({name: moved[at, b] * rng.lognormal(0, 0.2, 20) for at, name in enumerate(names)}, np.arange(20))
            for b in range(5)
        ]
        value, low, _ = contrast(cells, weights, "set")
        controls = [contrast_value(cells, weights, name) for name in names[1:]]
        rank = p_value(value, controls, None)
        row = {"selectivity": value, "interval_low": low, "p_value": rank, "verdict": verdict(rank, CONTROLS, 1.0)}
        rows.append({**row, "control_values": controls, "control_magnitudes": None})
    for row, p_corrected in zip(rows, corrected(rows), strict=True):
        row["p_corrected"] = p_corrected
    return rows


def test_null_reports_of_35_sets_name_one_as_seldom_as_promised() -> None:
    """Of 300 such 6 % do, and of 1,500 the corrected p is below 0.05 in 4.9 %. By the rank alone 87 % would."""
    rng = np.random.default_rng(1)
    reports = [report(rng, 35) for _ in range(60)]
    assert np.mean([any(named(row) == BEYOND for row in rows) for rows in reports]) <= most(60)
    alone = [any(row["verdict"] == BEYOND and row["interval_low"] > 0 for row in rows) for rows in reports]
    assert np.mean(alone) > 0.6


def test_a_set_that_moves_its_own_group_is_named() -> None:
    rng = np.random.default_rng(2)
    reports = [report(rng, 35, effect=0.5) for _ in range(10)]
    assert np.mean([named(rows[0]) == BEYOND for rows in reports]) >= 0.7


def test_unmatchable_is_that_of_drops() -> None:
    assert verdict(1 / 21, CONTROLS, UNMATCHABLE - 1e-6) == "unmatchable"
    assert verdict(1 / 21, CONTROLS, UNMATCHABLE) == BEYOND
