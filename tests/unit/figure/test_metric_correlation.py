"""Which layers, groups and metrics the correlation of metrics is taken over."""

from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from lode.figure import Table, house_style, metric_correlation
from lode.importance import BY_ATTENTION, METRICS
from lode.table._dense import neuron_columns
from tests.panels import LOOKS, panels_of

KEYS = {"model": "m", "selection": "s"}


def importance(dead: bool, seed: int = 0) -> pa.Table:
    """Metrics independent of each other in three layers, at a site without attention; `text` does not occur there.

    Args:
        dead: whether a fourth layer was not recorded.
        seed: of the values.
    """
    shape = (2, 4 if dead else 3, 200)
    columns: dict[str, Any] = neuron_columns(("image", "text"), *shape[1:], site="vision_tower")
    seen = np.array([1, 0])[:, None, None]
    for metric in METRICS:
        values = np.random.default_rng([seed, METRICS.index(metric)]).uniform(0.1, 1, (2, 3, 200)) * seen
        values = np.concatenate([values, np.zeros((2, shape[1] - 3, 200))], axis=1)
        columns[metric] = pa.nulls(values.size, pa.float64()) if metric in BY_ATTENTION else values.ravel()
    columns["num_samples"] = np.broadcast_to(5 * seen, shape).ravel()
    return pa.table(columns)


def test_dead_layers_and_absent_groups_have_no_say() -> None:
    """With its dead layer as zeros two metrics that have nothing in common would agree at 0.5."""
    with house_style("test"):
        figure = metric_correlation.draw({"importance": [Table(KEYS, importance(dead=True))]}, LOOKS)
    (axes,) = panels_of(figure, "image")
    assert not panels_of(figure, "text")
    assert [text.get_text() for text in axes.get_xticklabels()] == ["prob", "mean"]
    assert [text.get_text() for text in axes.get_yticklabels()] == ["mean", "max"]
    names, with_dead = metric_correlation.correlations(importance(dead=True))
    assert names == ["prob", "mean", "max"]
    np.testing.assert_array_equal(
        with_dead["image"], metric_correlation.correlations(importance(dead=False))[1]["image"]
    )
    assert abs(with_dead["image"][0, 1]) < 0.15
    assert with_dead["image"][0, 0] == pytest.approx(1)
