"""What the names of an experiment stand for: no two of them for one and the same thing, whoever made them so."""

import json
from typing import TYPE_CHECKING, Any

from omegaconf import OmegaConf

from lode.checks.experiment import validate_contents
from lode.config import semantic_json
from workflow.overrides import refuse_relabelling

if TYPE_CHECKING:
    from workflow.pipeline import Pipeline

#: The step that a name of a section is made for.
MADE_FOR = {"selection": "select", "intervention": "ablate", "planting": "plant", "dataset": "prepare"}


def check_contents(run: "Pipeline") -> None:
    """Refuse two names for one thing.

    Raises:
        UserError: names both.
    """
    named: dict[str, dict[str, tuple[str, ...]]] = {
        **run.entries(),
        "dataset": {name: (f"dataset={name}",) for name in run.datasets()},
    }
    lists = {"model": list(run.cfg.models), "figure": list(run.cfg.figures)}
    refuse_relabelling(run.overrides, {**lists, **{section: list(names) for section, names in named.items()}})
    for section, names in named.items():
        contents = {name: content_of(run.compose(*chosen), section) for name, chosen in names.items()}
        validate_contents(f"{section}s", contents, run.overrides)


def content_of(cfg: Any, section: str) -> str:
    """What a name of a section stands for: all that the step which it is made for reads, but the name."""
    read: dict[str, Any] = json.loads(semantic_json(cfg, MADE_FOR[section]))
    own: Any = OmegaConf.to_container(cfg[section], resolve=True)
    return json.dumps({**read, section: {**own, "name": ""}}, sort_keys=True)
