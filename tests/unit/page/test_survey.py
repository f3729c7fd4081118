"""The map of the survey: every name on it is one of the project's, none is left out, and the page is of the list."""

import re

import pytest

from lode.page.survey import Leaf, leaves, leaves_of, page
from lode.study import STUDY, compose
from workflow.survey import PAGE

#: What no analysis is: what makes, carries or shows data.
NO_ANALYSES = {"prepare_dataset", "plot_figures", "build_report"}


def names_in(group: str) -> set[str]:
    return {path.stem for path in (STUDY.config_dir / group).glob("*.yaml")}


def listed(kind: str) -> set[str]:
    return {name for leaf in leaves() for name in getattr(leaf, kind)}


def test_there_are_the_sixteen_leaves_of_the_survey() -> None:
    assert len({leaf.name for leaf in leaves()}) == 16
    assert all(leaf.does and leaf.missing for leaf in leaves())


def test_every_step_figure_and_experiment_stands_somewhere_and_exists() -> None:
    assert listed("steps") == STUDY.steps.keys() - NO_ANALYSES
    assert listed("figures") == names_in("figure")
    assert listed("experiments") == names_in("experiment")


@pytest.mark.parametrize("leaf", [leaf for leaf in leaves() if leaf.figures], ids=lambda leaf: leaf.name)
def test_a_figure_stands_where_a_step_makes_what_it_shows(leaf: Leaf) -> None:
    """Each figure of a leaf is drawn from a table that one of its steps writes."""
    made = {name for step in leaf.steps for name in STUDY.steps[step].writes}
    for figure in leaf.figures:
        tables = re.search(r"^tables: \[(.*)\]", (STUDY.config_dir / "figure" / f"{figure}.yaml").read_text(), re.M)
        assert tables, figure
        assert made & set(tables[1].split(", ")), (figure, tables[1], made)


@pytest.mark.parametrize("leaf", [leaf for leaf in leaves() if leaf.figures], ids=lambda leaf: leaf.name)
def test_an_experiment_stands_where_it_draws_a_figure(leaf: Leaf) -> None:
    for experiment in leaf.experiments:
        assert set(compose([f"experiment={experiment}"]).figures) & set(leaf.figures), experiment


def test_leaves_of_a_figure() -> None:
    assert leaves_of("scoreboard") == ["Data / Benchmark", "Architecture / Analysis"]
    assert leaves_of("none") == []


def test_the_page_is_that_of_the_list() -> None:
    assert PAGE.read_text() == page(), "python -m workflow.survey"
