"""The neuron set: its key, its neurons by site, and how it is read from a neurons table."""

import subprocess
import sys

import numpy as np
import pyarrow as pa
import pytest

from lode.neurons import LM_GATE, NeuronSet, SetKey, at_gate, by_layer, sets_of, unique_pairs
from lode.table._neuron_set import NEURON_SET
from lode.table.neurons import NEURONS

CONTROL = SetKey("image_uniform_00", "control", "image", "uniform", 0)


def row(key: SetKey, site: str, layer: int, neuron: int) -> dict[str, object]:
    place = {"site": site, "modality": "image", "layer": layer, "neuron": neuron}
    return {**key._asdict(), **place, "score": 1.0, "rank": 0}


def test_the_key_is_the_columns_of_a_set() -> None:
    assert SetKey._fields == tuple(field.name for field in NEURON_SET)
    assert SetKey("image", "method") == ("image", "method", "", "", -1)


@pytest.mark.parametrize(
    ("key", "group"),
    [
        (SetKey("image", "method"), "image"),
        (CONTROL, "image"),
        (SetKey("all", "method"), "prompt"),
        (SetKey("all_uniform_03", "control", "all", "uniform", 3), "prompt"),
    ],
)
def test_a_set_serves_a_group(key: SetKey, group: str) -> None:
    assert NeuronSet(key).group == key.group == group


def test_neurons_of_all_sites_count() -> None:
    places = {LM_GATE: np.array([[0, 3], [2, 7]]), "projector": np.array([[0, 3]])}
    assert NeuronSet(SetKey("image", "method"), places).num_neurons == 3
    assert NeuronSet(SetKey("none", "clean")).num_neurons == 0


def test_pairs_are_unique_and_in_order() -> None:
    pairs = [(2, 7), (0, 40), (2, 1), (0, 40)]
    expected = [[0, 40], [2, 1], [2, 7]]
    assert unique_pairs(pairs).tolist() == unique_pairs(np.array(pairs)).tolist() == expected
    assert {site: found.tolist() for site, found in at_gate(pairs).items()} == {"lm_gate": expected}
    assert by_layer(np.array(pairs)) == {0: [40], 2: [1, 7]}
    assert at_gate([])[LM_GATE].shape == (0, 2)
    assert by_layer(unique_pairs([])) == {}


def test_sets_of_a_table() -> None:
    """In the order of their first rows, each neuron once at each site."""
    image, union = SetKey("image", "method"), SetKey("all", "method")
    rows = [
        row(image, "lm_gate", 2, 7), row(image, "projector", 0, 5), row(CONTROL, "lm_gate", 2, 1),
        row(union, "lm_gate", 0, 3), row(image, "lm_gate", 0, 3), row(union, "lm_gate", 0, 3),
    ]  # fmt: skip
    found = sets_of(pa.Table.from_pylist(rows, NEURONS.schema))
    assert [each.key for each in found] == [image, CONTROL, union]
    assert [{site: pairs.tolist() for site, pairs in each.places.items()} for each in found] == [
        {"lm_gate": [[0, 3], [2, 7]], "projector": [[0, 5]]},
        {"lm_gate": [[2, 1]]},
        {"lm_gate": [[0, 3]]},
    ]
    assert [each.num_neurons for each in found] == [3, 1, 1]


def test_the_module_is_light() -> None:
    """Plug-ins and checks import it while the job graph is built."""
    code = "import sys, lode.neurons; sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
