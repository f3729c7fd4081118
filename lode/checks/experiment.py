"""Refuse an experiment whose parts do not fit together, while the job graph is built."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence, Set
from importlib import import_module
from math import floor
from typing import Any

from lode.checks.dataset import check_media
from lode.checks.names import check_name, check_plugin
from lode.engine.errors import UserError
from lode.engine.names import check_legal
from lode.grouping import Grouping, grouping_of
from lode.neurons import LM_GATE

#: The largest corrected p that counts, as in `lode/statistics/verdict.py`.
LEVEL = 0.05
#: Tables of selections from shards that are dealt or drawn anew, and the fewest shards for that (docs/methods.md 4.19).
DEALT, FEWEST_BLOCKS = ("domains", "set_nulls", "profiles"), 5
#: The lists of names of an experiment, and those that may be empty.
LISTS = ("models", "mining_datasets", "benchmarks", "selections", "interventions")
MAY_BE_EMPTY = ("plantings", "own_interventions", "figures")


def validate_names(cfg: Any) -> None:
    """Refuse a list without names, a name twice, and a name that no rule would match.

    Raises:
        UserError: names the list and the name.
    """
    for key in (*LISTS, *MAY_BE_EMPTY):
        if not cfg[key] and key not in MAY_BE_EMPTY:
            raise UserError(f"the experiment's `{key}` is empty; name at least one")
        for name, times in Counter(list(cfg[key])).items():
            if times > 1:
                raise UserError(f"the experiment's `{key}` names {name} {times} times; once is enough")
            check_legal(f"the experiment's `{key}`", name)


def validate_experiment(cfg: Any, mined: set[str], selections: Mapping[str, Any]) -> None:
    """Checks across the parts of an experiment.

    Args:
        cfg: the experiment's config.
        mined: parts of the grouping that the mining datasets hold.
        selections: the composed config of each named selection.
    """
    grouping = grouping_of(cfg.grouping)
    for name, selected in selections.items():
        for group in selected.selection.groups or ():
            check_name("group", group, grouping.groups)
            if not mined & set(grouping.groups[group]):
                raise UserError(
                    f"selection {name} asks for group {group!r}, which no mining dataset holds; "
                    f"they hold {', '.join(sorted(mined))}. Add a dataset to `mining_datasets`"
                )
        check_plugin("selection", selected.selection.plugin)
        check_name("selection.group_split", selected.selection.group_split, grouping.splits)
        check_needs(name, selected.selection, cfg, grouping, mined)


def check_needs(name: str, selection: Any, cfg: Any, grouping: Grouping, mined: set[str]) -> None:
    """Refuse a selection whose statistics the experiment does not capture, or that has nothing to contrast.

    Args:
        name: the selection in the experiment.
        selection: its composed `selection` section.
        cfg: the experiment's config, which captures for all selections.
        grouping: what is compared.
        mined: parts of the grouping that the mining datasets hold.
    """
    plugin = import_module(f"lode.selection.{selection.plugin}")
    for key, value in plugin.NEEDS.items():
        section, field = key.split(".")
        if not cfg[section][field]:
            raise UserError(
                f"selection {name} needs statistics that {key} = {cfg[section][field]} leaves out; "
                f"set {key}={str(value).lower()}"
            )
    if plugin.MIN_GROUPS < 2:
        return
    wanted = selection.groups or grouping.splits[selection.group_split]
    held = [group for group in wanted if mined & set(grouping.groups[group])]
    if len(held) < plugin.MIN_GROUPS:
        raise UserError(
            f"selection {name} compares groups and needs at least {plugin.MIN_GROUPS}; of group_split "
            f"{selection.group_split} the mining datasets hold {', '.join(held) or 'none'}. Take another "
            "group_split, or add a dataset to `mining_datasets`"
        )
    members = [member for group in held for member in grouping.groups[group]]
    if len(set(members)) < len(members):
        raise UserError(
            f"selection {name} compares groups, and of {', '.join(held)} some share tokens; expected disjoint "
            f"ones, such as {', '.join(grouping.parts)}"
        )


def check_captured_sites(sites: Sequence[str] | None, known: Mapping[str, Sequence[str]]) -> None:
    """Refuse a site that no model of the experiment has, such as one that is written wrong.

    Args:
        sites: `capture.sites`; None: all that each model has.
        known: by model its sites.
    """
    for site in sites or ():
        check_name("site of capture.sites", site, {site: None for of in known.values() for site in of})


def validate_pairs(cfg: Any, kind: str, pairs: Sequence[tuple[str, str]], compose: Callable[..., Any]) -> None:
    """Every model must take a dataset of the list, and every dataset be taken by a model.

    Args:
        cfg: the experiment's config.
        kind: `mining_datasets` or `benchmarks`.
        pairs: the (model, dataset) that go together.
        compose: the config for group choices such as `model=name`.

    Raises:
        UserError: what is left without a partner.
    """
    for dataset in cfg[kind]:
        if dataset not in {taken for _, taken in pairs}:
            check_media(compose(f"model={cfg.models[0]}", f"dataset={dataset}"))
    for model in cfg.models:
        if model not in {taking for taking, _ in pairs}:
            raise UserError(
                f"model {model} takes the media of none of the experiment's `{kind}` ({', '.join(cfg[kind])}); "
                "add a dataset for it"
            )


def validate_sites(cfg: Any, pairs: Sequence[tuple[str, str]], selections: Mapping[str, Any]) -> None:
    """Every selection must be made of some model, and of every model some selection; its sites must be captured.

    Args:
        cfg: the experiment's config.
        pairs: the (model, selection) that go together: the model has all sites that the selection names.
        selections: the composed config of each named selection.

    Raises:
        UserError: what is left without a partner, a site that is not captured, or one where there are no gradients.
    """
    captured = cfg.capture.sites
    for name, selected in selections.items():
        sites = selected.selection.sites or ()
        missing = [site for site in sites if captured is not None and site not in captured]
        if missing:
            raise UserError(
                f"selection {name} names the site {missing[0]}, which is not captured: capture.sites = "
                f"{list(captured)}. Add it there, or take it out of selection.sites"
            )
        plugin = import_module(f"lode.selection.{selected.selection.plugin}")
        elsewhere = [site for site in sites if site != LM_GATE]
        if elsewhere and any(key.startswith("gradients.") for key in plugin.NEEDS):
            raise UserError(
                f"selection {name} needs gradients, which are taken at {LM_GATE} alone; selection.sites = "
                f"{list(sites)}. Take out {', '.join(elsewhere)}, or choose a selection without gradients"
            )
        if name not in {chosen for _, chosen in pairs}:
            raise UserError(
                f"selection {name}: no model of the experiment ({', '.join(cfg.models)}) has all of selection.sites = "
                f"{list(sites)}; name sites of one of them (`sites` of the model's YAML), or add a model"
            )
    for model in cfg.models:
        if model not in {of for of, _ in pairs}:
            wanted = dict.fromkeys(site for of in selections.values() for site in of.selection.sites or ())
            raise UserError(
                f"model {model} has the sites of none of the experiment's selections ({', '.join(wanted)}); add a "
                "selection for it, or take it out of `models`"
            )


def advise(cfg: Any, drawn: Set[str] = frozenset()) -> list[str]:
    """What a person should know of an experiment before it runs: what it cannot tell, however the data turn out.

    Args:
        cfg: the experiment's config.
        drawn: the tables that its figures are drawn from.
    """
    draws, blocks, notes = cfg.controls.num_draws, cfg.capture.shards * cfg.capture.blocks, []
    smallest = 1 / (1 + draws)
    if smallest >= LEVEL:
        notes.append(
            f"controls.num_draws = {draws}: no set can be called specific, as no p below {smallest:.2g} can come out; "
            f"{floor(1 / LEVEL + 1e-9)} draws or more can do"
        )
    if blocks < FEWEST_BLOCKS and drawn & set(DEALT):
        notes.append(
            f"capture.shards x capture.blocks = {blocks}: labels are permuted, and profiles drawn again, by whole "
            "blocks of samples; with so few, real structure survives among permuted labels, and intervals of profiles "
            "are too short; "
            f"{FEWEST_BLOCKS} blocks or more can do, 10 are better"
        )
    return notes
