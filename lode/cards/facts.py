"""What cards ask of the config of a job: which tables it needs, its files at hand, its plug-ins. No torch here."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from lode.checks.intervention import read_intervention
from lode.engine.paths import ROOT, is_local, user_path
from lode.engine.sources import at_hand
from lode.model.manifest import files_of
from lode.training import datasets_of

#: The tables that a figure can be drawn from.
FIGURE_TABLES = (
    "importance", "neurons", "scores", "effects", "comparisons", "selectivity", "verdicts", "scoreboard", "retests",
    "overlaps",
    "shifts", "shift_tests", "shift_selectivity",
    "strata", "contrasts", "classes", "class_summary",
    "domains", "set_nulls", "profiles",
    "lens", "stages", "flow", "change_points", "lens_tokens", "contextual", "trace_tests",
    "cuts", "heads", "attention_maps",
    "states", "convergence", "phenomena", "alignment",
)  # fmt: skip
#: The tables that the page is made of, beside the figures.
REPORTED = (
    "statistics", "gradients", "predictions", "sample_scores", "importance", "neurons", "scores", "effects",
    "comparisons", "selectivity", "verdicts", "shifts", "shift_tests", "shift_selectivity",
    "strata", "contrasts", "classes", "class_summary",
    "convergence", "phenomena", "alignment",
)  # fmt: skip


def needs_gradients(cfg: Any) -> bool:
    """Whether a selection needs attributions, and so a pass backwards."""
    needs = import_module(f"lode.selection.{cfg.selection.plugin}").NEEDS
    return any(key.startswith("gradients.") for key in needs)


def needs_class_means(cfg: Any) -> bool:
    """Whether an intervention takes values from the importance table."""
    return "class_means" in read_intervention(cfg.intervention.plugin)[1]


def is_planted(cfg: Any) -> bool:
    """Whether a model is one that `plant_neurons` makes."""
    return cfg.model.name in cfg.plantings


def drawn_from(table: str) -> Callable[[Any], bool]:
    """Whether a figure is drawn from a table."""
    return lambda cfg: table in cfg.figure.tables


def model_files(cfg: Any) -> Mapping[str, Path]:
    """The files of a model folder at hand; what lies on the hub is pinned by its revision."""
    local = is_local(cfg.model.source) and not is_planted(cfg)
    return files_of(user_path(cfg.model.source).resolve()) if local else {}


def dataset_files(cfg: Any) -> Mapping[str, Path]:
    """The files and folders at hand that a dataset is read from."""
    places = {str(option): at_hand(value) for option, value in cfg.dataset.options.items()}
    return {option: path for option, path in places.items() if path}


def files_of_manifest(manifest: Mapping[str, Any]) -> Mapping[str, str]:
    """The files of a model folder of the project with their digests; none of a hub model, which lies in its cache."""
    folder = ROOT / manifest["folder"]
    if not folder.is_relative_to(ROOT) or manifest["revision"]:
        return {}
    return {str(folder / file["name"]): file["sha256"] for file in manifest["files"]}


def plugin(group: str, cfg: Any) -> list[str]:
    """The module of a plug-in that a section of the config names."""
    return [f"lode.{group}.{cfg[group].plugin}"]


def plugins(groups: Sequence[str], cfg: Any) -> list[str]:
    """Those of several sections."""
    return [module for group in groups for module in plugin(group, cfg)]


def plugins_of_training(cfg: Any) -> Iterator[str]:
    """The recipe, the datasets of all its lessons, and their scores."""
    yield f"lode.training.{cfg.training.get('builder', cfg.training.name)}"
    for name, options in datasets_of(cfg.training):
        yield f"lode.dataset.{options.get('plugin', name)}"
        if "score" in options:
            yield f"lode.scoring.{options.score}"


def plugins_of_recording(name: str, cfg: Any) -> list[str]:
    """The grouping, and what is recorded."""
    return [*plugin("grouping", cfg), f"lode.recording.{name}"]


def plugins_of_trace(cfg: Any) -> list[str]:
    """The grouping, and what is recorded of a trace."""
    return [*plugin("grouping", cfg), *(f"lode.recording.{name}" for name in ("lens", "flow", "states", "words"))]


def plugins_of_traced_sets(cfg: Any) -> list[str]:
    """The grouping, the intervention, and what is recorded of a trace under a set."""
    return [*plugins(("grouping", "intervention"), cfg), *(f"lode.recording.{name}" for name in ("lens", "flow"))]


def plugins_of_selection(cfg: Any) -> list[str]:
    """The grouping, the selection, and the kinds of its controls."""
    return [*plugins(("grouping", "selection"), cfg), *(f"lode.control.{kind}" for kind in cfg.controls.kinds)]


def plugins_of_scores(cfg: Any) -> list[str]:
    """The scores that every benchmark has, and its own."""
    return [f"lode.scoring.{name}" for name in ("content", "stopping", *cfg.dataset.scores)]


def plugins_of_classes(cfg: Any) -> list[str]:
    """The scores by which replies are read as classes."""
    return [f"lode.scoring.{name}" for name in cfg.dataset.classes]


def plugins_of_figure(cfg: Any) -> list[str]:
    """The grouping, the figure, and the tables that it is drawn from."""
    return [*plugins(("grouping", "figure"), cfg), *(f"lode.table.{name}" for name in cfg.figure.tables)]
