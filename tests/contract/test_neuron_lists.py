"""Neuron lists in and out as Parquet and CSV, and what is no set of a model."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import lode
from lode.engine.errors import UserError
from lode.library.opening import Model
from tests.notebook import SOME, ask, rows


@pytest.mark.parametrize("suffix", ["parquet", "csv"])
def test_lists_come_back(model: Model, tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"list.{suffix}"
    lode.write_neurons(path, SOME)
    assert lode.read_neurons(path, model).to_pylist() == rows().to_pylist()
    lode.write_neurons(path, rows(score=[0.1, 1 / 3, 1e-300], set_name=["image"] * 3, further=[1, 2, 3]))
    found = lode.read_neurons(path)
    assert found.schema.names == ["layer", "neuron", "score", "set_name"]
    assert found["score"].to_pylist() == [0.1, 1 / 3, 1e-300]
    lode.write_neurons(path, rows(score=[float("nan")] * 3))
    assert found["set_name"].to_pylist() == ["image"] * 3
    assert all(np.isnan(lode.read_neurons(path)["score"].to_numpy()))


def test_a_list_typed_by_hand_switches(model: Model, tmp_path: Path) -> None:
    path = tmp_path / "list.csv"
    path.write_text("neuron,layer,note\n7,2,best\n3,0,\n40,0,\n3,0,twice\n")
    with lode.switched(model, SOME):
        expected = ask(model)
    with lode.switched(model, lode.read_neurons(path)):
        assert ask(model) == expected
    with lode.switched(model, np.array(SOME)):
        assert ask(model) == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("layer,place\n0,1\n", "neuron"),
        ("layer,neuron\n0,\n", "holds int32 or nulls"),
        ("layer,neuron\n0,1.5\n", "expected a table with the columns layer and neuron"),
        ("layer,neuron\n-1,1\n", "column 'layer' holds -1"),
        ("layer,neuron\n2,47\n2,48\n3,0\n", "has no neuron 48 of layer 2, neuron 0 of layer 3; it has 3 layers of 48"),
        ("", "expected a table"),
    ],
)
def test_a_bad_list_is_refused(model: Model, tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "list.csv"
    path.write_text(text)
    with pytest.raises(UserError, match=message) as caught:
        lode.read_neurons(path, model)
    assert str(path) in str(caught.value)


def test_a_list_of_another_kind_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"ends in \.parquet or \.csv"):
        lode.write_neurons(tmp_path / "list.xlsx", SOME)
    with pytest.raises(UserError, match=r"list\.csv: .*expected a table"):
        lode.read_neurons(tmp_path / "list.csv")
    (tmp_path / "list.parquet").write_bytes(b"no table")
    with pytest.raises(UserError, match=r"list\.parquet: .*expected a table"):
        lode.read_neurons(tmp_path / "list.parquet")


@pytest.mark.parametrize(
    ("neurons", "message"),
    [
        ([], "expected \\(layer, neuron\\) pairs"),
        (np.array([0, 1]), "expected \\(layer, neuron\\) pairs"),
        (np.array([[0, 1.5]]), "expected \\(layer, neuron\\) pairs"),
        ([(0, -1)], "column 'neuron' holds -1"),
        ([(3, 0)], "has no neuron 0 of layer 3"),
        ([(2, n) for n in range(48, 58)], "neuron 52 of layer 2 and 5 more;"),
        (rows().slice(0, 0), "the list is empty"),
        (rows(set_name=["image", "image", "text"]), "neurons of 2 sets, which differ in set_name"),
        (rows(model=["other"] * 3), "neurons of model other, and .* is open"),
        (rows().drop_columns("layer"), "no column 'layer'"),
    ],
)
def test_neurons_that_are_no_set_of_the_model_are_refused(model: Model, neurons: Any, message: str) -> None:
    with pytest.raises(UserError, match=message), lode.switched(model, neurons):
        raise AssertionError("the model is switched")
