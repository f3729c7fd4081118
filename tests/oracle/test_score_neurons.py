"""What a selector scores and what it selects agree, at every ratio: the selected are among the best."""

from importlib import import_module

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from lode.selection import miner
from lode.stages.rate_selectors import finite
from lode.study import STUDY, compose
from tests.dense_tables import captured_importance

HELD = ["text", "special", "image"]


def table(seed: int) -> pa.Table:
    """Random importance with many ties in one metric; no sample holds video or audio."""
    made = captured_importance(seed)
    place = made.column_names.index("prob")
    return made.set_column(place, made.schema.field("prob"), [np.round(made["prob"].to_numpy(), 1)])


@pytest.mark.parametrize("mix", ["mean_max_attn_k", "prob"])
@pytest.mark.parametrize("strategy", [s for s in miner.STRATEGIES if s != "random"])
def test_miner_selects_the_best_of_its_scores(strategy: str, mix: str) -> None:
    for seed in range(3):
        scores = miner.score_neurons(table(seed), HELD, strategy, mix)
        assert scores.shape == (3, 4, 60)
        for ratio in (0.02, 0.1, 0.5, 1.0):
            sets = miner.select_neurons(table(seed), HELD, ratio, 1, strategy, mix)
            for name, own in zip(HELD, scores, strict=True):
                chosen = np.zeros(own.shape, dtype=bool)
                chosen[tuple(sets[name][0].T)] = True
                assert (own[chosen] > -np.inf).all()
                if chosen.any() and not chosen.all():
                    assert own[chosen].min() >= own[~chosen].max()


def test_la_mu_scores_are_the_mixed_importance() -> None:
    importance = table(0)
    scores = miner.score_neurons(importance, ["image"], "LA_MU", {"mean": 0.5, "max": 0.5})
    rows = importance.filter(pc.equal(importance["group"], "image"))
    expected = (rows["mean"].to_numpy() + rows["max"].to_numpy()) / 2
    np.testing.assert_allclose(scores.ravel(), expected)


def test_orders_by_hand() -> None:
    """Two modalities, one layer, two neurons: .9 .1 for the first, .8 .2 for the second."""
    mixed = np.array([[[0.9, 0.1]], [[0.8, 0.2]]])
    np.testing.assert_allclose(miner._ORDERS["adaptive"](mixed), [[[1.7, -np.inf]], [[-np.inf, 0.3]]])
    np.testing.assert_array_equal(miner._ORDERS["LU_MA"](mixed), [[[0, -3]], [[-1, -2]]])
    np.testing.assert_array_equal(miner._ORDERS["uniform"](mixed), [[[0, -1]], [[0, -1]]])
    np.testing.assert_array_equal(miner._ORDERS["LA_MU"](mixed), mixed)


def test_random_scores_know_nothing() -> None:
    """Equal samples give equal scores, others others: two halves must not agree on a random choice.

    What is drawn depends on the last digit of the table, which another processor may round otherwise: so the bounds
    are of many draws, 4 standard errors of their mean and 5 of one.
    """
    first, again, *others = (miner.score_neurons(table(seed), HELD, "random") for seed in (0, *range(21)))
    np.testing.assert_array_equal(first, again)
    assert len(np.unique(np.stack([first, others[0]]))) == 2 * first.size
    alike = np.array([np.corrcoef(first.ravel(), other.ravel())[0, 1] for other in others])
    assert abs(alike.mean()) < 4 / np.sqrt(len(alike) * first.size)
    assert abs(alike).max() < 5 / np.sqrt(first.size)


@pytest.mark.parametrize("name", sorted(path.stem for path in (STUDY.config_dir / "selection").glob("*.yaml")))
def test_every_selection_scores_every_neuron(name: str) -> None:
    cfg = compose([f"selection={name}"]).selection
    scores = import_module(f"lode.selection.{cfg.plugin}").score_neurons(table(0), HELD, **cfg.options)
    assert scores.shape == (3, 4, 60)
    assert not np.isnan(scores).any()
    assert (scores < np.inf).all()
    assert np.isfinite([finite(part.ravel()) for part in scores]).all()
