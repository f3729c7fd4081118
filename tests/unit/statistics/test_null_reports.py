"""Whole reports of known truth: how often one names a specific set where none is, and how often it finds one.

Once with made-up effects of sets and controls that are drawn alike, and once with the controls that are shipped.
"""

from collections.abc import Callable

import numpy as np
import pytest

from lode.control import BLOCK, MOST_SHARED, UNMATCHABLE, in_blocks, magnitude_ratios, stream, within_blocks
from lode.neurons import Pairs
from lode.statistics.intervals import drop_intervals
from lode.statistics.selectivity import selectivity_intervals, share_weights
from lode.statistics.significance import report_p_values
from lode.statistics.verdict import GROWTHS, SMALLEST, SPECIFIC, judge

OWN = {  # 4 sets, 5 benchmarks
    "text": np.array([True, True, False, False, False]),
    "image": np.array([False, False, True, True, False]),
    "video": np.array([False, False, False, True, False]),
    "audio": np.array([False, False, False, False, True]),
}
NAMES = np.array(["a", "b", "c", "d", "e"])
SELECTIONS, CONTROLS, SAMPLES = 18, 20, 80

Truth = Callable[[np.random.Generator, tuple[int, ...]], np.ndarray]


def exponential(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Shares lost: a harm of the set's own everywhere, and as much again that differs between benchmarks."""
    return rng.exponential(0.03, (*shape, 1)) + rng.exponential(0.03, (*shape, 5))


def heavy(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Most sets cost nothing, few nearly everything: a Pareto tail without a variance."""
    return 0.01 * rng.pareto(1.2, (*shape, 5))


def overlapping(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """As `exponential`, but in every other selection the set of a modality (not its controls) does the same."""
    lost = exponential(rng, shape)
    lost[:, ::2, 0] = lost[:, :1, 0]
    return lost


def runs_of_reports(
    truth: Truth, num_reports: int, seed: int, effect: float = 0.0, num_controls: int = CONTROLS
) -> list[list[dict]]:
    """Rows of the selectivity tables of so many reports; `effect` is added to what image loses in the first run."""
    rng = np.random.default_rng(seed)
    reports: list[list[dict]] = [[] for _ in range(num_reports)]
    clusters = [np.array([f"{name}{i}" for i in range(SAMPLES)]) for name in NAMES]
    for name, own in OWN.items():
        weights = share_weights(own, np.ones(5))
        lost = truth(rng, (num_reports, SELECTIONS, 1 + num_controls))  # draw 0 is the set
        if name == "image":
            lost[:, 0, 0, own] += effect
        lost = np.clip(lost, 0, 1)
        controls = rng.binomial(SAMPLES, lost[:, :, 1:]) / SAMPLES @ weights
        of_sets = lost[:, :, 0].reshape(-1, 5)
        drops = [(rng.random((len(of_sets), SAMPLES)) < of_sets[:, [b]]).astype(float) for b in range(5)]
        found = selectivity_intervals(drops, clusters, weights, [drop_intervals] * len(weights), 0.95)
        for i, (value, low, high, wide_low, wide_high, _) in enumerate(
            zip(*map(np.ndarray.tolist, found), strict=True)
        ):
            report, selection = divmod(i, SELECTIONS)
            reports[report].append(
                {
                    "model": "m", "selection": f"s{selection}", "intervention": "zero", "set_name": name,
                    "num_neurons": 9, "own": NAMES[own].tolist(), "others": NAMES[~own].tolist(), "unmeasurable": [],
                    "magnitude_ratio": 1.0, "shared_frac": 0.1, "control_magnitudes": None, "num_different": None,
                    "num_controls": num_controls, "control_values": controls[report, selection].tolist(),
                    "share_own": 1.0, "share_own_low": 1.0,  # that its own lose something is not asked here
                    "selectivity": value, "interval_low": low, "interval_high": high,
                    "wide_low": wide_low, "wide_high": wide_high, "effective_clusters": float(SAMPLES),
                }
            )  # fmt: skip
    return reports


def named(report: list[dict]) -> set[tuple[str, str]]:
    """Which sets of a report are called specific, and in which selection."""
    return {(v.row["selection"], v.row["set_name"]) for v in judge(report) if v.verdict == SPECIFIC}


@pytest.mark.parametrize("truth", [exponential, heavy, overlapping])
def test_of_200_null_reports_at_most_5_percent_name_a_specific_set(truth: Truth) -> None:
    """FAULTS N2. By the rule that was (interval above 0 and above every control) 86, 96 and 78 % do.

    Of 2,000 reports of `exponential` 2.5 % do, and 5.1 % have a corrected p below 0.05 (1 / 21 is 4.8 %).
    """
    reports = runs_of_reports(truth, 200, seed=1)
    assert sum(map(bool, map(named, reports))) <= 10
    old = [any(r["interval_low"] > 0 and r["selectivity"] > max(r["control_values"]) for r in one) for one in reports]
    assert sum(old) > 100


def test_power_at_a_selective_drop_of_a_fifth() -> None:
    """One set of 72 loses 0.2 more on its own benchmarks than random sets do, whose selectivity spreads by 0.035.

    Power in 200 reports of 4 tests and of 72: 0.83 and 0.33 with 20 controls, 0.94 and 0.53 with 40; in 60 reports 0.97
    and 0.65 with 100, 0.97 and 0.72 with 200. Holm's correction of ranks finds none of 72 with 200 controls.
    """
    of_72 = runs_of_reports(exponential, 40, seed=2, effect=0.2)
    of_4 = [[one for one in report if one["selection"] == "s0"] for report in of_72]
    assert np.mean([("s0", "image") in named(report) for report in of_4]) > 0.6
    assert np.mean([("s0", "image") in named(report) for report in of_72]) > 0.2


# --- the shipped controls, where selection is blind to what a neuron does ---------------------------------------------

NUM_SETS, REPORTS = 3, 120
#: Layers, neurons in each, and neurons of a set: a small one, and one as large as the sets of the embedded models.
SMALL, SHIPPED = (1, 200, 16), (6, 512, 76)
Blind = Callable[[np.random.Generator, np.ndarray, int], Pairs]
Harm = Callable[[np.random.Generator, np.ndarray], np.ndarray]


def anywhere(rng: np.random.Generator, magnitudes: np.ndarray, count: int) -> Pairs:
    """Neurons of any size."""
    return np.stack(np.unravel_index(rng.choice(magnitudes.size, count, replace=False), magnitudes.shape), axis=1)


def rather_large(rng: np.random.Generator, magnitudes: np.ndarray, count: int) -> Pairs:
    """The first by size times chance, as a selector has it that knows how much a neuron writes."""
    noisy = magnitudes * rng.lognormal(0, 0.7, magnitudes.shape)
    return np.stack(np.unravel_index(np.argsort(-noisy, axis=None)[:count], magnitudes.shape), axis=1)


def neighbours_outside(pairs: Pairs, magnitudes: np.ndarray, rng: np.random.Generator) -> Pairs:
    """What controls were once: for each neuron one of the 8 nearest in its layer, none of the set."""
    free = np.ones(magnitudes.shape, dtype=bool)
    free[tuple(pairs.T)] = False
    found = np.empty_like(pairs)
    for place in rng.permutation(len(pairs)):
        layer, neuron = pairs[place]
        left = np.flatnonzero(free[layer])
        distance = np.abs(magnitudes[layer, left] - magnitudes[layer, neuron])
        found[place] = layer, rng.choice(left[np.argsort(distance, kind="stable")[:8]])
        free[tuple(found[place])] = False
    return found


def either_way(rng: np.random.Generator, magnitudes: np.ndarray) -> np.ndarray:
    """What each neuron does, in proportion to its size: heavy-tailed, for better or worse."""
    return magnitudes * rng.standard_t(3, magnitudes.shape)


def always_harm(rng: np.random.Generator, magnitudes: np.ndarray) -> np.ndarray:
    """The same where every neuron is of use: what is larger costs more."""
    return magnitudes * rng.gamma(16, 1 / 16, magnitudes.shape)


def squared_harm(rng: np.random.Generator, magnitudes: np.ndarray) -> np.ndarray:
    """The same where what a neuron costs grows with the square of its size."""
    return always_harm(rng, magnitudes) * magnitudes


def null_p_values(
    choose: Blind,
    harms: Harm,
    seed: int,
    spread: float = 0.7,
    shape: tuple[int, int, int] = SMALL,
    outside: bool = False,
    growths: tuple[int, ...] = GROWTHS,
    num_reports: int = REPORTS,
) -> tuple[np.ndarray, dict[str, float]]:
    """The smallest corrected p of each report of three sets, and how far their controls resemble them.

    Args:
        choose: the set, blind to what a neuron does.
        harms: what neurons do; it adds up.
        seed: of everything.
        spread: of the sizes of neurons [standard deviation of the logarithm].
        shape: layers, neurons in each, neurons of a set.
        outside: controls are neighbours from outside the set.
        growths: of effects with magnitude, as verdicts allow for.
        num_reports: how many.
    """
    rng = np.random.default_rng(seed)
    smallest, ratios, shared = [], [], []
    for report in range(num_reports):
        magnitudes = rng.lognormal(0, spread, shape[:2])
        harm = harms(rng, magnitudes)
        blocks = in_blocks(magnitudes, BLOCK)
        effects, of_controls, of_sizes = [], [], []
        for name in range(NUM_SETS):
            own = choose(rng, magnitudes, shape[2])
            streams = [stream(report, str(name), draw, own) for draw in range(CONTROLS)]
            controls = [
                neighbours_outside(own, magnitudes, s) if outside else within_blocks(own, blocks, s) for s in streams
            ]
            sizes = magnitude_ratios(magnitudes, own, controls)
            assert sizes
            effects.append(harm[tuple(own.T)].sum())
            of_controls.append([harm[tuple(control.T)].sum() for control in controls])
            of_sizes.append(sizes)
            every = np.concatenate(controls)
            shared.append(np.isin(every @ [shape[1], 1], own @ [shape[1], 1]).mean())
        values, sizes_of_all = np.array(of_controls), np.array(of_sizes)
        found = [report_p_values(effects, (values / sizes_of_all**growth).tolist(), SMALLEST) for growth in growths]
        smallest.append(np.max(found, axis=0).min())
        ratios.append(sizes_of_all.mean())
    return np.array(smallest), {"ratio": float(np.mean(ratios)), "shared": float(np.mean(shared))}


def promised(num_reports: int) -> float:
    """Three standard errors above 1 / 21, the share of null reports with a corrected p below 0.05."""
    return float(1 / 21 + 3 * np.sqrt(1 / 21 * 20 / 21 / num_reports))


@pytest.mark.parametrize(
    ("choose", "harms", "spread", "shape", "num_reports"),
    [
        (anywhere, either_way, 0.7, SMALL, REPORTS),
        (rather_large, either_way, 0.7, SMALL, REPORTS),
        (rather_large, always_harm, 1.0, SMALL, REPORTS),
        (rather_large, always_harm, 1.0, SHIPPED, 60),
        (rather_large, squared_harm, 1.0, SHIPPED, 60),
    ],
)
def test_blind_selection_beats_the_shipped_controls_as_seldom_as_promised(
    choose: Blind, harms: Harm, spread: float, shape: tuple[int, int, int], num_reports: int
) -> None:
    """FAULTS N2. Hardest where controls write 0.95 of what their set does, and what is larger costs more."""
    p_values, alike = null_p_values(choose, harms, seed=3, spread=spread, shape=shape, num_reports=num_reports)
    assert alike["ratio"] > UNMATCHABLE
    assert 0 < alike["shared"] < MOST_SHARED
    assert np.mean(p_values < 0.05) < promised(num_reports)


def test_neighbours_from_outside_the_set_would_not_do() -> None:
    """The counter-test: the same simulation finds controls that share neurons with each other and none with the set."""
    p_values, _ = null_p_values(rather_large, either_way, seed=4, outside=True)
    assert np.mean(p_values < 0.05) > promised(REPORTS)


@pytest.mark.parametrize(("harms", "growths"), [(always_harm, (0,)), (squared_harm, (0, 1))])
def test_smaller_growths_would_not_do(harms: Harm, growths: tuple[int, ...]) -> None:
    """A selector that knows the size takes the larger ones of a block too, and what is larger costs more."""
    p_values, _ = null_p_values(rather_large, harms, seed=3, spread=1.0, shape=SHIPPED, growths=growths, num_reports=60)
    assert np.mean(p_values < 0.05) > promised(60)
