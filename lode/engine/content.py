"""What the names of an experiment stand for: no two of them for one and the same thing, whoever made them so."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from omegaconf import OmegaConf

from lode.engine.compose import semantic_json
from lode.engine.errors import UserError
from lode.engine.study import Study


def content_of(study: Study, cfg: Any, section: str) -> str:
    """What a name of a section stands for: all that the step which it is made for reads, but the name."""
    read: dict[str, Any] = json.loads(semantic_json(study, cfg, study.made_for[section]))
    own: Any = OmegaConf.to_container(cfg[section], resolve=True)
    return json.dumps({**read, section: {**own, "name": ""}}, sort_keys=True)


def refuse_same(kind: str, contents: Mapping[str, str], overrides: Sequence[str]) -> None:
    """Refuse two names of an experiment for one and the same thing: it would be paid for twice, and told apart.

    Args:
        kind: what they name.
        contents: by name, what it stands for, as text.
        overrides: what the user changed on the command line.

    Raises:
        UserError: names both.
    """
    first: dict[str, str] = {}
    for name, content in contents.items():
        other = first.setdefault(content, name)
        if other != name:
            cause = f", with {' '.join(overrides)}," if overrides else ""
            raise UserError(
                f"{kind} {other} and {name} of the experiment{cause} are one and the same; expected that each name "
                "stands for something of its own. Leave one out, or change one in the experiment's YAML"
            )
