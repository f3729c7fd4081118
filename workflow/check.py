"""Refuse an experiment before any job: every part is composed once, so that a wrong name fails at once."""

import sys
from collections.abc import Mapping, Sequence
from itertools import pairwise, product
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any

from lode.checks.experiment import (
    advise,
    check_captured_sites,
    validate_experiment,
    validate_names,
    validate_pairs,
    validate_sites,
)
from lode.checks.grouping import advise_unnamed, check_grouping, check_own
from lode.checks.nulls import check_nulls, check_shown
from lode.checks.states import check_forms
from lode.checks.steps import validate
from lode.engine.content import content_of, refuse_same
from lode.engine.errors import UserError, writing
from lode.engine.overrides import refuse_overruled, refuse_relabelling
from lode.grouping import grouping_of
from workflow.passes import passes_told
from workflow.study import Experiment

#: Tables that compare with nulls; of selections from statistics alone; from parts of the samples.
NULLED = ("domains", "set_nulls")
COUNTED = (*NULLED, "profiles")
PARTS = (*COUNTED, "retests")


def open_experiment(config: Mapping[str, Any]) -> Experiment:
    """An experiment without a fault.

    Args:
        config: Snakemake's own config: `experiment`, and `overrides`, a list of Hydra overrides.

    Raises:
        SystemExit: the config is wrong; one message, no traceback.
    """
    try:
        run = Experiment(config)
        check(run)
    except UserError as error:
        sys.exit(f"error: {error}")
    return run


def check(run: Experiment) -> None:
    """Refuse what does not fit together.

    Raises:
        UserError: the first fault.
    """
    validate_names(run.cfg)
    refuse_overruled(run.overrides, run.entries())
    for dataset in run.datasets():
        validate(run.compose(f"dataset={dataset}"), "prepare_dataset")
    check_grouping(run.cfg)
    check_own(run.cfg)
    check_selections(run)
    check_models(run)
    check_pairs(run)
    for figure in run.cfg.figures:
        check_figure(run, figure)
    check_unread_nulls(run)
    check_contents(run)


def check_selections(run: Experiment) -> None:
    """Refuse a selection that is wrong, or that the mined datasets do not serve."""
    held = grouping_of(run.cfg.grouping).held
    mined = {part for name in run.cfg.mining_datasets for part in held(run.compose(f"dataset={name}").dataset)}
    selections = {name: run.compose(*overrides) for name, overrides in run.cfg.selections.items()}
    validate_experiment(run.cfg, mined, selections)
    for cfg in selections.values():
        validate(cfg, "select_neurons")
    validate_sites(run.cfg, run.selecting, selections)


def check_models(run: Experiment) -> None:
    """Refuse a model, or a planting, that cannot be, and a site to capture that no model has."""
    check_captured_sites(run.cfg.capture.sites, {model: list(run.facts(model).model.sites) for model in run.cfg.models})
    for model in run.cfg.models:
        validate(run.facts(model), "download_model")
        if model in run.cfg.plantings:
            validate(run.facts(model), "plant_neurons")


def check_pairs(run: Experiment) -> None:
    """Refuse what a model and a dataset cannot do together."""
    for kind in ("mining_datasets", "benchmarks"):
        validate_pairs(run.cfg, kind, run.pairs[kind], run.compose)
    for model, dataset in run.pairs["mining_datasets"]:
        cfg = run.facts(model, f"dataset={dataset}")
        validate(cfg, "capture_activations")
        if run.attributed:
            validate(cfg, "capture_gradients")
    for model, dataset in run.pairs["benchmarks"]:
        for intervention in run.cfg.interventions:
            cfg = run.facts(model, f"dataset={dataset}", *run.intervention(intervention))
            validate(cfg, "benchmark_ablation")
            validate(cfg, "score_ablation")
            validate(cfg, "score_strata")


def check_figure(run: Experiment, figure: str) -> None:
    """Refuse a figure of tables that the experiment does not make."""
    cfg = run.compose(f"figure={figure}")
    validate(cfg, "plot_figures")
    if "scoreboard" in cfg.figure.tables and not run.planted():
        raise UserError(f"figure {figure} needs planted models: name some in the experiment's `plantings`")
    if "alignment" in cfg.figure.tables:
        plugins = {name: str(run.compose(f"dataset={name}").dataset.plugin) for name in run.cfg.benchmarks}
        check_forms(figure, {of: [plugins[name] for name in run.paired("benchmarks", of)] for of in run.cfg.models})
    if "overlaps" in cfg.figure.tables and not run.alike:
        raise UserError(
            f"figure {figure} needs two models of which the language model is one file of weights "
            f"(`parts` of config/model/<name>.yaml), and {', '.join(run.cfg.models)} have none; drop the figure"
        )
    if set(PARTS) & set(cfg.figure.tables) and run.cfg.capture.shards * run.cfg.capture.blocks < 2:
        raise UserError(
            f"figure {figure} with capture.shards = 1 and capture.blocks = 1: there is no part of the samples "
            "to select again from; expected 2 or more, such as capture.blocks=10"
        )
    if set(COUNTED) & set(cfg.figure.tables) and not run.counted:
        raise UserError(
            f"figure {figure} of selections from statistics, and all of the experiment's need gradients "
            f"({', '.join(run.attributed)}), whose labels cannot be dealt anew; add one such as lape, or drop it"
        )


def check_unread_nulls(run: Experiment) -> None:
    """Refuse nulls that nothing reads, kinds that there are not, and what a capture of one could not work with."""
    check_nulls(run.cfg)
    for model in run.cfg.models if run.cfg.nulls.kinds else ():
        mined = [run.facts(model, f"dataset={name}").dataset for name in run.paired("mining_datasets", model)]
        check_shown(model, run.cfg.nulls.kinds, mined)
    for (model, dataset), kind in product(run.pairs["mining_datasets"], run.cfg.nulls.kinds):
        validate(run.facts(model, f"dataset={dataset}", f"nulls.kind={kind}"), "capture_nulls")
    if run.cfg.nulls.kinds and not set(NULLED) & run.drawn():
        raise UserError(
            f"nulls.kinds = {list(run.cfg.nulls.kinds)}, and no figure of the experiment is drawn from "
            f"{' or '.join(NULLED)}, which compare with them; add the figure domain_counts, or set nulls.kinds=[]"
        )


def check_contents(run: Experiment) -> None:
    """Refuse two names for one thing, and an override that would make two."""
    datasets: dict[str, tuple[str, ...]] = {name: (f"dataset={name}",) for name in run.datasets()}
    names: dict[str, dict[str, tuple[str, ...]]] = {**run.entries(), "dataset": datasets}
    lists = {"model": list(run.cfg.models), "figure": list(run.cfg.figures)}
    refuse_relabelling(run.study, run.overrides, {**lists, **{key: list(chosen) for key, chosen in names.items()}})
    for section, chosen in names.items():
        contents = {name: content_of(run.study, run.compose(*own), section) for name, own in chosen.items()}
        refuse_same(f"{section}s", contents, run.overrides)


def check_targets(root: str, command: Sequence[str], rules: Sequence[Any]) -> None:
    """Refuse a file of results that no rule makes: where it lies there already, it would pass for up to date.

    Args:
        root: the folder of the results.
        command: the command line of Snakemake; what it asks for is not known elsewhere while the rules are read.
        rules: those of Snakemake.

    Raises:
        SystemExit: one message, no traceback.
    """
    for option, target in pairwise(command):
        asked = target.startswith("results/") and not option.startswith("--report")
        if asked and not any(rule.is_producer(target) for rule in rules):
            sys.exit(
                f"error: no rule makes {target}; expected a file in {root}/, where the results of this "
                "experiment and these overrides lie. `make plan` lists them"
            )


def print_advice(run: Experiment) -> None:
    """Say, before anything runs, what the experiment cannot tell, and how many passes looking inside a model takes."""
    held = grouping_of(run.cfg.grouping).held
    parts = {name: held(run.compose(f"dataset={name}").dataset) for name in run.cfg.benchmarks}
    for note in (*advise(run.cfg, run.drawn()), *advise_unnamed(run.cfg.grouping, parts), *passes_told(run)):
        print(f"note: {note}", file=sys.stderr)


def open_results(root: str) -> None:
    """Make the folder of the results, and refuse one that cannot be written to before any job starts.

    Raises:
        SystemExit: one message, no traceback.
    """
    try:
        with writing(root):
            Path(root).mkdir(parents=True, exist_ok=True)
            TemporaryFile(dir=root).close()
    except UserError as error:
        sys.exit(f"error: {error}")
