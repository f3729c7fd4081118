"""The private parts of Hydra and OmegaConf that the engine leans on, all in this place.

`TRIED` are the versions that they were tried with; `tests/unit/engine/test_hydra_private.py` fails with others, and
where one of them behaves differently.
"""

from collections.abc import Collection, Mapping, Sequence
from copy import deepcopy
from typing import Any

from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from omegaconf import DictConfig

TRIED = {"hydra-core": "1.3", "omegaconf": "2.3"}


def parse(overrides: Sequence[str]) -> list[Override]:
    """Overrides as Hydra understands them."""
    return OverridesParser.create().parse_overrides(list(overrides))


def value_of(text: str) -> Any:
    """What Hydra reads the right side of an override as: a text, a number, a truth value, a list ..."""
    return OverridesParser.create().parse_override(f"key={text}").value()


def put(values: list[Override], cfg: DictConfig) -> None:
    """Put values into a config, as Hydra does after it has composed the files."""
    ConfigLoaderImpl._apply_overrides_to_config(values, cfg)


def nodes(cfg: DictConfig) -> dict[str, Any]:
    """The sections of a config as nodes, interpolations not resolved."""
    return {str(key): cfg._get_node(key) for key in cfg}


def copy_with(cfg: DictConfig, shared: Collection[str], taken: Mapping[str, Any] | None = None) -> DictConfig:
    """A copy of a config that shares some of its sections, and has others from another config.

    What is taken is copied: a node resolves its interpolations in the config that holds it, and can be in one only.

    Args:
        cfg: what is copied.
        shared: sections that are not copied: without interpolations, and never changed.
        taken: sections of other configs.
    """
    copies = {key: deepcopy(node) for key, node in (taken or {}).items()}
    kept = {id(node): copies.get(key, node) for key, node in nodes(cfg).items() if key in {*shared, *copies}}
    return deepcopy(cfg, kept)
