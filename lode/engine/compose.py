"""The config of a study for some overrides, and the part of it that a step may read."""

import json
from collections.abc import Mapping, Sequence
from functools import cache, reduce
from typing import Any

from hydra import compose as hydra_compose
from hydra import initialize_config_dir
from hydra.core.config_store import ConfigStore
from hydra.core.override_parser.types import Override
from hydra.errors import HydraException
from omegaconf import MISSING, DictConfig, OmegaConf
from omegaconf.errors import ConfigAttributeError, ConfigKeyError, OmegaConfBaseException
from yaml import YAMLError

from lode.engine import hydra_private
from lode.engine.config_file import check_choice, refusal
from lode.engine.errors import UserError, unknown_name
from lode.engine.study import Card, Study

#: What the defaults list of `config.yaml` calls the dataclass.
SCHEMA = "typed_config"
#: The section of the files of a job; it takes any name, and a step refuses those that are not on its card.
FILES = "io"


def compose(study: Study, overrides: Sequence[str] = ()) -> DictConfig:
    """Compose the config tree with Hydra overrides.

    Raises:
        UserError: a group has no such choice, a key does not exist, or a value has the wrong type.
    """
    for override in overrides:
        group, _, choice = override.partition("=")
        if group in study.groups:
            check_choice(study.config_dir, group, choice.strip("'"))
    try:
        parsed = hydra_private.parse([f"++{o}" if o.startswith(f"{FILES}.") else o for o in overrides])
        choices = tuple(override.input_line or "" for override in parsed if chooses(study, override))
        values = [override for override in parsed if not chooses(study, override)]
        cfg = copied(study, choices, {override.key_or_group.partition(".")[0] for override in values})
        hydra_private.put(values, cfg)
        return cfg
    except (YAMLError, UnicodeDecodeError) as error:
        raise refusal(error, study.config_dir) from error
    except (HydraException, OmegaConfBaseException) as error:
        raise misfit(error, overrides) from error


def chooses(study: Study, override: Override) -> bool:
    """Whether an override decides which files are composed; `a=1,2`, a sweep, goes the same way, to be refused."""
    key = override.key_or_group
    return key in study.groups or "/" in key or override.package is not None or override.is_sweep_override()


@cache
def chosen(study: Study, choices: tuple[str, ...]) -> DictConfig:
    """The config of some group choices, before values are changed.

    Reading the files is nearly all of the work; in an experiment of a hundred selections they are read once per choice,
    and Hydra's own function puts the values on top. Read-only: copies share parts of it.
    """
    ConfigStore.instance().store(name=SCHEMA, node=study.config)
    with initialize_config_dir(str(study.config_dir), version_base="1.3"):
        cfg = hydra_compose("config", overrides=list(choices))
    OmegaConf.set_readonly(cfg, True)
    return cfg


@cache
def chosen_fixed(study: Study, choices: tuple[str, ...]) -> frozenset[str]:
    """The fixed sections of `chosen`."""
    return fixed(chosen(study, choices))


def fixed(cfg: DictConfig) -> frozenset[str]:
    """The sections of a config without interpolations: they say the same whatever becomes of the others."""
    return frozenset(key for key, node in hydra_private.nodes(cfg).items() if "${" not in str(node))


def copied(study: Study, choices: tuple[str, ...], touched: set[str]) -> DictConfig:
    """A copy of `chosen` for changes in some sections; of the others, those that are fixed are shared, not copied.

    So a plan does not copy the overrides of all its selections for each of them.
    """
    cfg = hydra_private.copy_with(chosen(study, choices), chosen_fixed(study, choices) - touched)
    OmegaConf.set_readonly(cfg, None)
    return cfg


def misfit(error: Exception, overrides: Sequence[str]) -> UserError:
    """The error for what does not compose."""
    cause = error.__cause__ or error
    if isinstance(cause, ConfigAttributeError | ConfigKeyError) and cause.full_key and cause.parent_node is not None:
        return unknown_key(cause)
    return UserError(f"the config does not compose with {' '.join(overrides)}: {str(cause).strip()}")


def unknown_key(error: OmegaConfBaseException) -> UserError:
    """The error for a config key that does not exist, with its siblings."""
    parent = str(error.full_key).rpartition(".")[0]
    siblings = [f"{parent}.{key}" if parent else str(key) for key in error.parent_node if key != "hydra"]
    remedy = f"To add an entry to this mapping, write +{error.full_key}=..." if error.object_type is dict else ""
    return unknown_name("config key", error.full_key, siblings or ["(none)"], remedy)


def restrict(study: Study, cfg: DictConfig, step: str, extra: Sequence[str] = ()) -> DictConfig:
    """Only the sections that the step's card names, resolved; reading any other key raises."""
    out = OmegaConf.create(sections(study, cfg, step, extra))
    OmegaConf.set_struct(out, True)
    return out


def sections(study: Study, cfg: DictConfig, step: str, extra: Sequence[str] = ()) -> dict[str, Any]:
    """The same as plain dicts."""
    card, out = study.steps[step], dict[str, Any]()
    for key in (*card.sections, *extra):
        value = OmegaConf.select(cfg, key, throw_on_missing=True)
        if OmegaConf.is_config(value):
            value = OmegaConf.to_container(value, resolve=True, throw_on_missing=True)
        *parents, name = key.split(".")
        section = reduce(lambda inner, parent: inner.setdefault(parent, {}), parents, out)
        section[name] = named_files(study, card, value) if key == FILES else value
    return out


def named_files(study: Study, card: Card, given: Mapping[str, Any]) -> dict[str, Any]:
    """The files of a job by name: what is not given is missing, or None where not every job has it.

    Raises:
        UserError: a name is not on the card.
    """
    handed = {name: MISSING if always else None for name, always in card.handed.items()}
    handed |= {name: MISSING for name in study.numbers if name in card.wildcards}
    for name in given:
        if name not in handed:
            raise unknown_name(f"file of `{card.name}`", f"{FILES}.{name}", [f"{FILES}.{own}" for own in handed])
    return {**handed, **given}


def semantic_json(study: Study, cfg: DictConfig, step: str) -> str:
    """The config of a step as sorted JSON: what a rerun is decided by."""
    return json.dumps(sections(study, cfg, step), sort_keys=True)
