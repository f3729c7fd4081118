"""What is recorded of a step: its config, as it composes for a job, its sources, and the digest of its code.

Everything is found out once for each set of overrides, whatever the number of jobs.
"""

import json
import re
from collections.abc import Sequence
from functools import cache
from itertools import chain
from typing import Any

from omegaconf import DictConfig

from lode.engine import hydra_private
from lode.engine.compose import compose, fixed, semantic_json
from lode.engine.fingerprint import code_digest
from lode.engine.paths import ROOT
from lode.engine.sources import digests
from lode.engine.study import Study

#: The group that names what an experiment is made of; every other has a section of its own.
EXPERIMENT = "experiment"


@cache
def composed(study: Study, overrides: tuple[str, ...]) -> DictConfig:
    """Compose the section of every group apart: once for each choice of a plan, not for each combination of choices.

    A section depends on no other group; no YAML of one refers to another (`tests/workflow/test_plan.py`).
    """
    touched = {group: [o for o in overrides if section_of(o) == group] for group in map(section_of, overrides)}
    groups = [group for group in study.groups if group != EXPERIMENT and group in touched]
    apart = {group: touched.pop(group) for group in groups}
    rest = tuple(override for override in overrides if section_of(override) in touched)
    if len(apart) < 2:
        return composed_whole(study, (*rest, *chain(*apart.values())))
    of_group = {group: composed_whole(study, (*rest, *own))[group] for group, own in apart.items()}
    return hydra_private.copy_with(composed_whole(study, rest), whole_fixed(study, rest), of_group)


@cache
def composed_whole(study: Study, overrides: tuple[str, ...]) -> DictConfig:
    """Compose once per set of overrides."""
    return compose(study, overrides)


@cache
def whole_fixed(study: Study, overrides: tuple[str, ...]) -> frozenset[str]:
    """Its sections without interpolations."""
    return fixed(composed_whole(study, overrides))


@cache
def section_of(override: str) -> str:
    """The section that an override touches."""
    return re.split(r"\W", override.lstrip("+~"))[0]


def touching(study: Study, step: str, overrides: Sequence[str]) -> tuple[str, ...]:
    """The overrides that touch a section which a step reads; the others cannot change what is recorded of it.

    So a plan takes one digest per dataset for the scores of all selections and interventions, not one per job.
    """
    read = {*study.always, *(key.partition(".")[0] for key in study.steps[step].sections)}
    return tuple(override for override in overrides if section_of(override) in read)


def sources(study: Study, cfg: Any, step: str) -> dict[str, str]:
    """The digest of everything that a step reads and no step has made, by name."""
    find = study.steps[step].sources
    return digests(find(cfg)) if find else {}


def recorded(study: Study, cfg: DictConfig, step: str) -> str:
    """What is recorded of a step: its config and, where it has any, its sources, as sorted JSON."""
    return with_sources(semantic_json(study, cfg, step), sources(study, cfg, step))


def with_sources(semantic: str, found: dict[str, str]) -> str:
    """The config of a step as sorted JSON, with the digests of its sources."""
    return json.dumps({**json.loads(semantic), "sources": found}, sort_keys=True) if found else semantic


@cache
def semantic_of(study: Study, step: str, overrides: tuple[str, ...]) -> str:
    """The config of a step, once per set of overrides."""
    return semantic_json(study, composed(study, overrides), step)


@cache
def code_of(study: Study, step: str, overrides: tuple[str, ...]) -> str:
    """The digest of a step's code, once per set of overrides."""
    card = study.steps[step]
    plugins = card.plugins(composed(study, overrides)) if card.plugins else ()
    return code_digest(study, study.scripts / f"{step}.py", plugins, [ROOT / name for name in card.files])
