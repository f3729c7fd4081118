"""Figures of compared states: what they draw from a table, and what they say where there is nothing to draw."""

import numpy as np
import pyarrow as pa
import pytest

from lode.engine.errors import UserError
from lode.engine.tables import read_table
from lode.figure import Looks, Table, alignment, convergence, phenomena, state_picture, state_picture_tsne
from lode.figure._picture import drawn
from lode.study import compose
from lode.table.alignment import ALIGNMENT
from lode.table.convergence import CONVERGENCE
from lode.table.phenomena import PHENOMENA
from lode.table.states import STATES
from tests.states_run import write_states

KINDS = {table.name: table for table in (ALIGNMENT, CONVERGENCE, PHENOMENA, STATES)}


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Table]:
    paths = write_states(tmp_path_factory.mktemp("states"))
    return {
        name: Table({"model": "m", "dataset": "d"}, read_table(path, KINDS[name])) for name, (path,) in paths.items()
    }


@pytest.fixture(scope="module")
def looks() -> Looks:
    return Looks(compose([]).grouping)


def test_pairs_have_a_row_and_measures_a_column(tables: dict[str, Table], looks: Looks) -> None:
    figure = convergence.draw({"convergence": [tables["convergence"]]}, looks)
    assert len(figure.axes) == 3 * 4
    said_above = [figure.axes[at].texts[0].get_text() for at in (0, 4, 8)]
    assert [text.partition("  ")[0] for text in said_above] == ["text – special", "text – image", "special – image"]
    assert said_above[1].endswith("(as they are: converge from state 2; of length 1: converge from state 2)")
    titles = [axes.get_title(loc="left").split("\n")[-1] for axes in figure.axes[:4]]
    assert titles == list(convergence.MEASURES.values())
    assert figure.get_figheight() < 4
    rows = tables["convergence"].data.to_pylist()
    said = {"variant": "clean", "space": "raw", "group_a": "text", "group_b": "image", "measure": "energy"}
    drawn_values = {tuple(np.round(each.get_ydata(), 9)) for each in figure.axes[5].lines}
    assert tuple(np.round(convergence.line(rows, "value", **said)[1], 9)) in drawn_values


def test_a_measure_that_cannot_move_is_said(tables: dict[str, Table], looks: Looks) -> None:
    """In its panels, and with the verdict of how many measures it is."""
    data = tables["convergence"].data
    rows = [{**row, "can_move": row["measure"] != "probe", "num_measures": 3} for row in data.to_pylist()]
    table = Table({"model": "m", "dataset": "d"}, pa.Table.from_pylist(rows, data.schema))
    figure = convergence.draw({"convergence": [table]}, looks)
    said = [[text.get_text() for text in axes.texts] for axes in figure.axes]
    probe = list(convergence.MEASURES).index("probe")
    assert [texts == ["cannot move"] for texts in said] == [at % 4 == probe for at in range(12)]
    assert said[4][0].endswith("of length 1: converge from state 2 (of 3))")


def test_a_telomere_that_cannot_be_told_has_no_band(tables: dict[str, Table], looks: Looks) -> None:
    data = tables["phenomena"].data
    none = {"persistence": None, "null_low": None, "null_high": None, "p_value": None}
    rows = [{**row, **(none if row["phenomenon"] == "telomere" else {})} for row in data.to_pylist()]
    table = Table({"model": "m", "dataset": "d"}, pa.Table.from_pylist(rows, data.schema))
    figure = phenomena.draw({"phenomena": [table]}, looks)
    assert [axes.get_title(loc="left") for axes in figure.axes][2:] == ["telomere cannot be told"] * 2


def test_places_begin_with_the_last_token(tables: dict[str, Table], looks: Looks) -> None:
    rows = tables["alignment"].data.to_pylist()
    assert alignment.places_of(rows)[0] == ("last", "last")
    assert len(alignment.places_of(rows)) == 5
    figure = alignment.draw({"alignment": [tables["alignment"]]}, looks)
    assert sum(axes.get_visible() for axes in figure.axes) == 10


def test_phenomena_say_how_long_they_last(tables: dict[str, Table], looks: Looks) -> None:
    figure = phenomena.draw({"phenomena": [tables["phenomena"]]}, looks)
    titles = [axes.get_title(loc="left") for axes in figure.axes]
    assert titles[:2] == ["special: probing nowhere", "image: probing at 2 states in a row"]


def test_nothing_to_draw_is_said(tables: dict[str, Table], looks: Looks) -> None:
    for plugin, said in (
        (convergence, "two groups of tokens enough"),
        (alignment, "no two benchmarks of a model show the same items in two forms"),
        (phenomena, "words and another group"),
    ):
        name = plugin.__name__.rsplit(".", 1)[-1]
        empty = Table({"model": "m"}, tables[name].data.slice(0, 0))
        with pytest.raises(UserError, match=said):
            plugin.draw({name: [empty]}, looks)


def test_a_picture_draws_no_last_tokens_and_a_null(tables: dict[str, Table], looks: Looks) -> None:
    clean, null, name = drawn(tables["states"])
    assert name == "blank"
    assert set(clean.groups.tolist()) == {"text", "special", "image"}
    np.testing.assert_array_equal(clean.samples, null.samples)
    figure = state_picture.draw({"states": [tables["states"]]}, looks)
    assert [axes.get_title(loc="left").split("\n")[1] for axes in figure.axes] == ["state 0", "state 1", "state 3"]


def test_components_by_hand() -> None:
    """Points on a line along (3, 4) lie on the first component, at their distances from the middle."""
    line = np.array([-2.0, -1, 0, 3])[:, None] * np.array([0.6, 0.8])
    points = state_picture.components(line, line[::-1])
    np.testing.assert_allclose(np.abs(points.clean[:, 0]), [2, 1, 0, 3])
    np.testing.assert_allclose(points.clean[:, 1], 0, atol=1e-12)
    np.testing.assert_allclose(points.null, points.clean[::-1])
    assert points.axes[0] == "component 1 (100 %)"


def test_neighbours_say_their_seed() -> None:
    rng = np.random.default_rng(0)
    clean = np.concatenate([rng.normal(size=(15, 4)), rng.normal(size=(15, 4)) + 20])
    points = state_picture_tsne.neighbours(clean, clean + 0.01)
    assert points.clean.shape == (30, 2)
    assert points.null.shape == (30, 2)
    assert points.axes == ("t-SNE, seed 0", "perplexity 20")
    again = state_picture_tsne.neighbours(clean, clean + 0.01)
    np.testing.assert_array_equal(points.clean, again.clean)
