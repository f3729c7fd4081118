"""What is recorded of a step: its config, as it composes for a job, and the digest of its code.

Everything is found out once for each set of overrides, whatever the number of jobs.
"""

import re
from collections.abc import Callable, Sequence
from copy import deepcopy
from functools import cache
from itertools import chain

from omegaconf import DictConfig

from lode.config import GROUPS, SECTIONS, compose, semantic_json
from lode.engine.paths import ROOT
from workflow.fingerprint import code_digest

SCRIPTS = ROOT / "scripts"

#: Modules that a step imports by name, from its config: plug-ins, and the tables of a figure.
PLUGINS: dict[str, Callable[[DictConfig], list[str]]] = {
    "train": lambda cfg: [
        f"training.{cfg.training.name}",
        *(f"dataset.{options.get('plugin', name)}" for name, options in cfg.training.datasets.items()),
        *(f"scoring.{options.score}" for options in cfg.training.datasets.values()),
    ],
    "prepare": lambda cfg: [f"dataset.{cfg.dataset.plugin}"],
    "select": lambda cfg: [f"selection.{cfg.selection.plugin}", *(f"control.{kind}" for kind in cfg.controls.kinds)],
    "rate": lambda cfg: [f"selection.{cfg.selection.plugin}"],
    "retest": lambda cfg: [f"selection.{cfg.selection.plugin}"],
    "ablate": lambda cfg: [f"intervention.{cfg.intervention.plugin}"],
    "score": lambda cfg: [f"scoring.{name}" for name in ("content", "stopping", *cfg.dataset.scores)],
    "plot": lambda cfg: [f"figure.{cfg.figure.plugin}", *(f"table.{name}" for name in cfg.figure.tables)],
}

#: Files other than Python that a step's output depends on.
FILES = {"report": (ROOT / "lode" / "stages" / "report.html.jinja",)}

#: Groups whose section depends on no other group; no YAML of theirs refers to another (`tests/workflow/test_plan.py`).
APART = tuple(group for group in GROUPS if group != "experiment")


@cache
def composed(overrides: tuple[str, ...]) -> DictConfig:
    """Compose the section of every group apart: once for each choice of a plan, not for each combination of choices."""
    touched = {group: [o for o in overrides if section_of(o) == group] for group in map(section_of, overrides)}
    apart = {group: touched.pop(group) for group in APART if group in touched}
    rest = tuple(override for override in overrides if section_of(override) in touched)
    if len(apart) < 2:
        return composed_whole((*rest, *chain(*apart.values())))
    cfg = deepcopy(composed_whole(rest))
    for group, own in apart.items():
        cfg[group] = composed_whole((*rest, *own))[group]
    return cfg


@cache
def composed_whole(overrides: tuple[str, ...]) -> DictConfig:
    """Compose once per set of overrides."""
    return compose(overrides)


def section_of(override: str) -> str:
    """The section that an override touches."""
    return re.split(r"\W", override.lstrip("+~"))[0]


def concerning(step: str, overrides: Sequence[str]) -> tuple[str, ...]:
    """The overrides that touch a section which a step reads; the others cannot change what is recorded of it.

    So a plan takes one digest per dataset for the scores of all selections and interventions, not one per job. What
    a planted model is, `lode/sources.py` must know.
    """
    read = {"experiment", "plantings", *(key.partition(".")[0] for key in SECTIONS[step])}
    return tuple(override for override in overrides if section_of(override) in read)


@cache
def semantic_of(step: str, overrides: tuple[str, ...]) -> str:
    """What is recorded of a step's config, once per set of overrides."""
    return semantic_json(composed(overrides), step)


@cache
def code_of(step: str, script: str, overrides: tuple[str, ...]) -> str:
    """The digest of a step's code, once per set of overrides."""
    plugins = [f"lode.{name}" for name in PLUGINS.get(step, lambda cfg: [])(composed(overrides))]
    return code_digest(SCRIPTS / script, plugins, FILES.get(step, ()))
