"""Layers of a profile are numbered as in the model, where some cannot matter."""

from pathlib import Path

import pyarrow.parquet as pq

from lode.figure import house_style, layer_profile
from tests.null_tables import write_profiles
from tests.panels import LOOKS, as_table

KEYS = {"model": "m", "selection": "s"}


def test_layers_are_numbered_as_in_the_model(tmp_path: Path) -> None:
    """Of layers 0 to 5 the third is dead: the place after layer 1 is layer 3."""
    rows = pq.read_table(write_profiles(tmp_path, num_layers=5)[1]).to_pylist()
    alive = [{**row, "layers": [0, 1, 3, 4, 5]} for row in rows]
    with house_style("test"):
        figure = layer_profile.draw({"profiles": [as_table("profiles", alive, KEYS)]}, LOOKS)
    for axes in figure.axes:
        label = axes.xaxis.get_major_formatter()
        assert [label(place) for place in (-1.0, 0.0, 1.0, 2.0, 4.0, 5.0, 2.5)] == ["", "0", "1", "3", "5", "", ""]
