"""Sets of models are laid over each other where a figure shows it and two models hold the same language model."""

import re

import pytest

from workflow.check import open_experiment


def test_models_without_a_part_in_common_are_refused() -> None:
    with pytest.raises(SystemExit, match=re.escape("figure model_overlap needs two models")):
        open_experiment({"experiment": "default", "overrides": ["figures=[model_overlap]"]})


def test_without_the_figure_there_is_no_such_job() -> None:
    assert not open_experiment({"experiment": "default"}).plan.files("overlaps")


def test_selections_of_towers_alone_are_not_laid_over_each_other() -> None:
    run = open_experiment({"experiment": "mmneuron"})
    towers = {"dape_tower_projector", "dape_projector", "dape_qformer"}
    assert set(run.selections) - set(run.of_language) == towers
