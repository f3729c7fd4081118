"""None upwards: the packages stand on floors, and an import goes down, or stays in its package.

Of packages on one floor none imports another. Imports within functions and for types count as well.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from tests.source import CODE, ROOT, imports, name_of

#: From the ground: of a module, the name after `lode.`, or the folder outside of it.
FLOORS = (
    ("engine", "config"),
    ("media", "cards"),
    ("grouping",),
    ("neurons",),
    ("table",),
    ("hub",),
    ("dataset",),
    ("model",),
    ("training",),
    ("importance",),
    ("checks", "selection", "intervention", "recording"),
    ("control", "planting", "study"),
    ("statistics",),
    ("scoring", "figure"),
    ("page",),
    ("stages",),
    ("library",),
    ("lode",),
    ("workflow", "scripts"),
)
HEIGHT = {package: height for height, floor in enumerate(FLOORS) for package in floor}
#: Imports that go up, by file and what it imports, and why.
UPWARDS = {
    ("lode/cards/facts.py", "lode.checks.intervention.read_intervention"): "a card's tables depend on the intervention",
    ("lode/cards/facts.py", "lode.model.manifest.files_of"): "a card's inputs are the files that a manifest lists",
    ("lode/cards/facts.py", "lode.training.datasets_of"): "a training depends on the datasets of all its lessons",
    ("lode/grouping/_named.py", "lode.model.tokens"): "constants: which kinds of token count",
    ("lode/grouping/modality.py", "lode.model.tokens"): "constants: the kinds of tokens are the groups",
    ("lode/hub/datasets.py", "lode.dataset._splits"): "what is drawn must be known before it is downloaded",
    ("lode/table/importance.py", "lode.importance.BY_ATTENTION"): "a column a metric",
    ("lode/table/importance.py", "lode.importance.METRICS"): "a column a metric",
    ("lode/table/statistics.py", "lode.importance.BY_ATTENTION"): "a column a metric",
    ("lode/table/importance.py", "lode.importance.NORMALISATIONS"): "the items of a list",
    ("lode/table/importance.py", "lode.importance.by_normalisation"): "a column a metric",
    ("lode/table/statistics.py", "lode.importance.METRICS"): "a column a metric",
    ("lode/table/statistics.py", "lode.importance.NORMALISATIONS"): "the items of a list",
    ("lode/table/statistics.py", "lode.importance.score_sums"): "a column a metric",
    ("lode/dataset/local_table.py", "lode.scoring._diagnostics.canonical"): "refuses answers that score as one",
    ("lode/model/opening.py", "lode.checks.model_folder"): "one message, of a folder without a chat template",
}
HOUSE = [path for path in CODE if path.relative_to(ROOT).parts[0] in ("lode", "workflow", "scripts")]


def package_of(name: str) -> str:
    """The package of a dotted name: of `lode.model.head`, `model`; of `lode` itself and `scripts.x`, the first."""
    parts = name.split(".")
    return parts[1] if parts[0] == "lode" and len(parts) > 1 else parts[0]


def home_of(file: str) -> str:
    """The package of a file."""
    return package_of(file.removesuffix(".py").replace("/", ".").removesuffix(".__init__"))


def climbs(file: str, names: Iterable[str]) -> Iterator[str]:
    """Those names of the house that are not below the file, nor in its package."""
    home = home_of(file)
    for name in names:
        of_the_house, package = name.split(".")[0] in ("lode", "workflow", "scripts"), package_of(name)
        if of_the_house and package != home and HEIGHT[package] >= HEIGHT[home]:
            yield name


def reason(file: str, name: str) -> tuple[str, str] | None:
    """The entry of `UPWARDS` that allows an import."""
    return next((key for key in UPWARDS if key[0] == file and f"{name}.".startswith(f"{key[1]}.")), None)


def test_every_package_stands_on_one_floor() -> None:
    assert sorted(HEIGHT) == sorted(package for floor in FLOORS for package in floor)
    assert {home_of(name_of(path)) for path in HOUSE} == set(HEIGHT)


@pytest.mark.parametrize("path", HOUSE, ids=name_of)
def test_imports_go_down(path: Path) -> None:
    file = name_of(path)
    assert not [name for name in climbs(file, imports(path)) if reason(file, name) is None]


def test_every_reason_is_needed() -> None:
    found = {reason(file, name) for path in HOUSE for file in [name_of(path)] for name in climbs(file, imports(path))}
    assert found - {None} == set(UPWARDS)


@pytest.mark.parametrize(
    ("file", "name", "up"),
    [
        ("lode/model/head.py", "lode.page.report.numbers.number", True),
        ("lode/model/head.py", "lode.model.sites.Site", False),
        ("lode/model/head.py", "lode.engine.errors.UserError", False),
        ("lode/model/head.py", "torch.nn", False),
        ("lode/selection/margin.py", "lode.recording.Recording", True),
        ("lode/study.py", "lode.stages.plot_figures", True),
        ("lode/stages/plot_figures.py", "workflow.verify", True),
        ("scripts/plot_figures.py", "lode.stages.plot_figures.plot", False),
    ],
)
def test_an_import_upwards_is_seen(file: str, name: str, up: bool) -> None:
    assert list(climbs(file, [name])) == [name] * up
