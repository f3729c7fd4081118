"""Whole reports of known truth: how often one names a specific set where none is, and how often it finds one."""

from collections.abc import Callable

import numpy as np

from lode.statistics.intervals import drop_intervals
from lode.statistics.selectivity import selectivity_intervals, share_weights
from lode.statistics.significance import report_p_values
from lode.statistics.verdict import SPECIFIC, judge

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
    """As `exponential`, but the sets of one modality (not their controls) are half the same in all selections."""
    lost = exponential(rng, shape)
    lost[:, :, 0] = 0.5 * lost[:, :, 0] + 0.5 * lost[:, :1, 0]
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
                    "num_controls": num_controls, "control_values": controls[report, selection].tolist(),
                    "share_own": 1.0, "share_own_low": 1.0,  # that its own lose something is not asked here
                    "selectivity": value, "interval_low": low, "interval_high": high, "num_clusters": SAMPLES,
                    "wide_low": wide_low, "wide_high": wide_high,
                }
            )  # fmt: skip
    return reports


def named(report: list[dict]) -> set[tuple[str, str]]:
    """Which sets of a report are called specific, and in which selection; not asked where every p is too large."""
    p_values = report_p_values([row["selectivity"] for row in report], [row["control_values"] for row in report])
    judged = judge(report) if p_values.min() < 0.05 else []
    return {(v.row["selection"], v.row["set_name"]) for v in judged if v.verdict == SPECIFIC}


def test_of_200_null_reports_at_most_5_percent_name_a_specific_set() -> None:
    """FAULTS N2. By the rule that was (interval above 0 and above every control) 86 % do.

    Of 4,000 reports 1.9 % do, and 4.6 % have a corrected p below 0.05 (1 / 21 is 4.8 %).
    """
    reports = runs_of_reports(exponential, 200, seed=1)
    assert sum(map(bool, map(named, reports))) <= 10
    old = [any(r["interval_low"] > 0 and r["selectivity"] > max(r["control_values"]) for r in one) for one in reports]
    assert sum(old) > 100


def test_power_at_a_selective_drop_of_a_fifth() -> None:
    """One set of 72 loses 0.2 more on its own benchmarks than random sets do, whose selectivity spreads by 0.035.

    Power in 200 reports of 4 tests and of 72: 0.82 and 0.38 with 20 controls, 0.94 and 0.51 with 40; in 60 reports 0.97
    and 0.63 with 100, 0.98 and 0.68 with 200. Holm's correction of ranks finds none of 72 with 200 controls.
    """
    of_72 = runs_of_reports(exponential, 40, seed=2, effect=0.2)
    of_4 = [[one for one in report if one["selection"] == "s0"] for report in of_72]
    assert np.mean([("s0", "image") in named(report) for report in of_4]) > 0.6
    assert np.mean([("s0", "image") in named(report) for report in of_72]) > 0.2
