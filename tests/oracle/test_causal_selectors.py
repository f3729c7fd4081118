"""Selectors on attributions: scores worked by hand, from a table of two modalities and three neurons."""

from collections.abc import Sequence
from importlib import import_module
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from lode.engine.errors import UserError
from lode.selection import contrasted
from lode.table._dense import neuron_columns
from lode.table.gradients import GRADIENTS

#: Four samples hold text, two an image.
COUNTS = np.array([4, 4, 4, 2, 2, 2])
SUMS = {
    "act_grad_sum": [8.0, 2.0, 0.0, 1.0, 6.0, 2.0],
    "can_sum": [4.0, 8.0, 2.0, 2.0, 1.0, 4.0],
    "patching_sum": [-4.0, 2.0, 0.0, 1.0, -3.0, 0.5],
    "patching_abs_sum": [8.0, 2.0, 1.0, 1.0, 3.0, 0.5],
    "target_sum": [-8.0, 4.0, 2.0, 6.0, -2.0, 1.0],
    "target_abs_sum": [9.0, 5.0, 2.0, 6.0, 2.0, 1.0],
    "integrated_sum": [4.0, -8.0, 0.0, -2.0, 1.0, 3.0],
    "integrated_abs_sum": [4.0, 9.0, 1.0, 2.0, 1.0, 5.0],
}


def table(**changed: Sequence[float]) -> pa.Table:
    columns = neuron_columns(("text", "image"), 1, 3) | {"num_samples": COUNTS} | SUMS | changed
    return pa.table({name: columns[name] for name in GRADIENTS.schema.names if name not in ("block", "num_tokens")})


def scores(plugin: str, modalities: Sequence[str] = ("text", "image"), **options: Any) -> list[list[float]]:
    found = import_module(f"lode.selection.{plugin}").score_neurons(table(), modalities, **options)
    return found[:, 0].tolist()


def test_contrasts_by_hand() -> None:
    values = np.array([[[5.0, 0.0]], [[1.0, 2.0]], [[3.0, 4.0]]])
    names = ["text", "image", "audio"]
    assert contrasted(values, names, "none").tolist() == values.tolist()
    assert contrasted(values, names, "mean")[:, 0].tolist() == [[3.0, -3.0], [-3.0, 0.0], [0.0, 3.0]]
    assert contrasted(values, names, "max")[:, 0].tolist() == [[2.0, -4.0], [-4.0, -2.0], [-2.0, 2.0]]
    with pytest.raises(UserError, match="compares groups"):
        contrasted(values[:1], names[:1], "mean")


def test_products_by_hand() -> None:
    assert scores("act_x_grad") == [[2.0, 0.5, 0.0], [0.5, 3.0, 1.0]]
    assert scores("act_x_grad", contrast="mean") == [[1.5, -2.5, -1.0], [-1.5, 2.5, 1.0]]
    assert scores("can") == [[1.0, 2.0, 0.5], [1.0, 0.5, 2.0]]
    assert scores("can", ["image"]) == [[1.0, 0.5, 2.0]]


def test_signs_by_hand() -> None:
    """High is good: the rise of the loss for patching, its fall for integrated gradients, the logit for the target."""
    assert scores("attribution_patching") == [[2.0, 0.5, 0.25], [0.5, 1.5, 0.25]]
    assert scores("attribution_patching", sign="harm") == [[-1.0, 0.5, 0.0], [0.5, -1.5, 0.25]]
    assert scores("integrated_gradients") == [[1.0, 2.25, 0.25], [1.0, 0.5, 2.5]]
    assert scores("integrated_gradients", sign="harm") == [[-1.0, 2.0, 0.0], [1.0, -0.5, -1.5]]
    assert scores("target_contribution") == [[-2.0, 1.0, 0.5], [3.0, -1.0, 0.5]]
    assert scores("target_contribution", sign="magnitude") == [[2.25, 1.25, 0.5], [3.0, 1.0, 0.5]]


def test_sets_by_hand() -> None:
    """Two neurons of three, one for each modality."""
    sets = import_module("lode.selection.attribution_patching").select_neurons(table(), ["text", "image"], 0.7, 1)
    assert [(name, pairs.tolist(), score.tolist()) for name, (pairs, score) in sets.items()] == [
        ("text", [[0, 0]], [2.0]),
        ("image", [[0, 1]], [1.5]),
    ]


@pytest.mark.parametrize("sign", ["magnitude", "harm"])
def test_modalities_that_blanking_leaves_alone_are_refused(sign: str) -> None:
    untouched = {"patching_sum": [0.0] * 3 + [1.0] * 3, "patching_abs_sum": [0.0] * 3 + [1.0] * 3}
    plugin = import_module("lode.selection.attribution_patching")
    with pytest.raises(UserError, match="blanking media changed nothing at the tokens of text; expected"):
        plugin.score_neurons(table(**untouched), ["text", "image"], sign=sign)
    assert plugin.score_neurons(table(**untouched), ["image"], sign=sign).tolist() == [[[0.5] * 3]]


@pytest.mark.parametrize(
    ("plugin", "options"),
    [
        ("act_x_grad", {"contrast": "min"}),
        ("can", {"contrast": "min"}),
        ("attribution_patching", {"sign": "help"}),
        ("integrated_gradients", {"sign": "toward"}),
        ("target_contribution", {"contrast": ""}),
    ],
)
def test_options_are_checked(plugin: str, options: dict[str, str]) -> None:
    with pytest.raises(UserError, match=r"unknown (sign|contrast)"):
        import_module(f"lode.selection.{plugin}").check_options(**options)
