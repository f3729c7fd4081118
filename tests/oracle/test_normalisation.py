"""Normalisations and histograms: values worked by hand, scipy and numpy as oracles, identities."""

import numpy as np
import pytest
import torch
from scipy.stats import median_abs_deviation, rankdata
from scipy.stats import zscore as scipy_zscore

from lode.engine.errors import UserError
from lode.importance.miner import minmax
from lode.importance.normalisation import median, normalise
from lode.recording._histogram import LIMIT, LINEAR, bin_edges, count_by_bin
from lode.shapes import NORMALISATIONS


def normalised(values: object, kind: str) -> np.ndarray:
    return normalise(torch.tensor(np.asarray(values, dtype=np.float64)), kind)[0].numpy()


def test_by_hand() -> None:
    values = [1, 2, 2, 3, 5]
    np.testing.assert_allclose(normalised(values, "minmax"), [0, 0.25, 0.25, 0.5, 1])
    np.testing.assert_allclose(normalised(values, "rank"), [0, 0.375, 0.375, 0.75, 1])  # places 0 1.5 1.5 3 4 of 4
    np.testing.assert_array_equal(normalised(values, "none"), values)
    # Mean 2.6; squares of deviations 2.56 + 0.36 + 0.36 + 0.16 + 5.76 = 9.2, variance 1.84.
    np.testing.assert_allclose(normalised(values, "zscore"), np.array([-1.6, -0.6, -0.6, 0.4, 2.4]) / np.sqrt(1.84))
    # Median 2; deviations 1 0 0 1 3, their median 1.
    np.testing.assert_allclose(normalised(values, "robust"), np.array([-1, 0, 0, 1, 3]) / 1.482602218505602)


def test_equal_the_library() -> None:
    values = np.round(np.random.default_rng(0).normal(size=(3, 2, 41)), 1)  # with ties
    for part in (values, values[..., :40]):  # odd and even
        count = part.shape[-1]
        np.testing.assert_allclose(normalised(part, "rank"), (rankdata(part, axis=-1) - 1) / (count - 1))
        np.testing.assert_allclose(normalised(part, "zscore"), scipy_zscore(part, axis=-1))
        centre = np.median(part, axis=-1, keepdims=True)
        spread = median_abs_deviation(part, axis=-1, scale="normal")[..., None]
        np.testing.assert_allclose(normalised(part, "robust"), (part - centre) / spread)
        np.testing.assert_array_equal(median(torch.tensor(part)).numpy(), centre)


def test_minmax_is_the_reference_bit_for_bit() -> None:
    values = torch.randn(5, 4, 7, 33, generator=torch.Generator().manual_seed(0))
    for one, other in zip(normalise(values, "minmax"), minmax(values), strict=True):
        assert torch.equal(one, other)


@pytest.mark.parametrize("kind", [kind for kind in NORMALISATIONS if kind != "none"])
def test_scale_and_shift_change_nothing(kind: str) -> None:
    values = np.random.default_rng(1).normal(size=(2, 30))
    np.testing.assert_allclose(normalised(3 * values + 5, kind), normalised(values, kind), atol=1e-12)


@pytest.mark.parametrize("kind", NORMALISATIONS)
def test_permuting_neurons_permutes_the_result(kind: str) -> None:
    values, order = np.random.default_rng(2).normal(size=(2, 30)), np.random.default_rng(3).permutation(30)
    np.testing.assert_allclose(normalised(values[:, order], kind), normalised(values, kind)[:, order], atol=1e-12)


@pytest.mark.parametrize("kind", NORMALISATIONS)
@pytest.mark.parametrize("value", [0.0, 0.1, -1e9])
def test_equal_neurons_are_zero_and_counted(kind: str, value: float) -> None:
    scores = torch.full((3, 7), value)
    result, constant = normalise(scores, kind)
    if kind == "none":
        assert torch.equal(result, scores)
        assert not constant.any()
    else:
        assert not result.any()
        assert constant.tolist() == [True] * 3


def test_one_outlier_moves_minmax_and_not_rank_or_robust() -> None:
    values = np.arange(21.0)
    spiked = values.copy()
    spiked[-1] = 1e6

    def moved(kind: str) -> float:
        return np.abs(normalised(spiked, kind)[:-1] - normalised(values, kind)[:-1]).max()

    assert moved("minmax") > 0.9
    assert moved("zscore") > 1
    assert moved("rank") < 1e-12
    assert moved("robust") < 1e-12


def test_more_than_half_equal_is_without_robust_spread() -> None:
    result, constant = normalise(torch.tensor([[0.0, 0.0, 0.0, 1.0, 5.0], [0.0, 1.0, 2.0, 3.0, 4.0]]), "robust")
    assert constant.tolist() == [True, False]
    assert result[0].tolist() == [0] * 5


def test_unknown_kind_is_refused() -> None:
    with pytest.raises(UserError, match="Did you mean minmax"):
        normalise(torch.zeros(1, 2), "minmx")


# --- histograms ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("num_bins", [4, 16, 64, 128])
def test_edges(num_bins: int) -> None:
    edges = bin_edges(num_bins)
    assert len(edges) == num_bins - 1
    assert np.all(np.diff(edges) > 0)
    np.testing.assert_array_equal(edges, -edges[::-1])
    assert edges[num_bins // 2 - 1] == 0
    assert edges[-1] == pytest.approx(LIMIT)
    np.testing.assert_allclose(np.diff(np.arcsinh(edges / LINEAR)), 2 * np.arcsinh(LIMIT / LINEAR) / (num_bins - 2))


def test_counts_by_hand() -> None:
    # Four bins: below -100, [-100, 0), [0, 100), from 100 on. The second sample does not hold the second modality.
    assert bin_edges(4).tolist() == pytest.approx([-100, 0, 100])
    values = torch.tensor([[[-200.0, -1e-9, 0.0], [1.0, 1e-9, 5e3]], [[-0.3, 0.2, 2e4], [0.0, 0.0, 0.0]]])
    counts = count_by_bin(values, torch.tensor([[True, True], [True, False]]), 4)
    assert counts.tolist() == [
        [[1, 1, 0, 0], [0, 1, 1, 0], [0, 0, 1, 1]],
        [[0, 0, 1, 0], [0, 0, 1, 0], [0, 0, 0, 1]],
    ]


def test_counts_equal_numpy() -> None:
    values = torch.randn(40, 2, 9, generator=torch.Generator().manual_seed(1), dtype=torch.float64).sinh()
    counts = count_by_bin(values, torch.ones(40, 2, dtype=torch.bool), 32)
    edges = np.concatenate([[-np.inf], bin_edges(32), [np.inf]])
    for modality in range(2):
        for neuron in range(9):
            expected, _ = np.histogram(values[:, modality, neuron], edges)
            assert counts[modality, neuron].tolist() == expected.tolist()
