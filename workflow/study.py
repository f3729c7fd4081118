"""One experiment of the study as the workflow sees it: what its lists stand for, and the plan of its jobs."""

from collections.abc import Mapping, Sequence
from functools import cached_property
from itertools import combinations, product
from typing import Any

from omegaconf import DictConfig

import lode.study
from lode.cards.facts import needs_gradients
from lode.engine import plan as engine
from lode.engine.errors import unknown_name
from lode.engine.names import check_experiment_name, chosen_experiment
from lode.engine.overrides import check_overrides, results_folder
from lode.engine.plan import Plan, Row
from lode.engine.recorded import composed
from lode.grouping import grouping_of
from lode.model.parts import LANGUAGE_MODELS
from lode.model.tokens import MEDIA
from lode.neurons import LM_GATE


class Experiment(engine.Experiment):
    """What the lists of an experiment stand for.

    Args:
        config: Snakemake's own config: `experiment`, and `overrides`, a list of Hydra overrides.

    Raises:
        UserError: the config does not compose.
    """

    def __init__(self, config: Mapping[str, Any]) -> None:
        self.study = lode.study.STUDY
        self.name = check_experiment_name(config.get("experiment", "default"))
        self.overrides = check_overrides(self.study, config.get("overrides", []))
        self.user = (chosen_experiment(self.name), *self.overrides)
        self.cfg = composed(self.study, self.user)
        self.root = results_folder(self.study, self.name, self.overrides)
        self.selections = listed(self.cfg.selections)
        self.plantings = listed(self.cfg.plantings)
        self.own_interventions = listed(self.cfg.own_interventions)

    def compose(self, *choices: str) -> DictConfig:
        """The config with group choices made; what a name of the experiment sets comes before what the user typed."""
        return composed(self.study, (*self.user, *choices))

    @cached_property
    def plan(self) -> Plan:
        """Its jobs."""
        return Plan(self.study, self)

    # --- what the lists name ------------------------------------------------------------------------------------------

    def planted(self) -> list[str]:
        """The models of the experiment that `plant_neurons` makes."""
        return [model for model in self.cfg.models if model in self.plantings]

    def facts(self, model: str, *choices: str) -> DictConfig:
        """The config of a model; of a planted one, that of the model it is made from, which exists already."""
        return self.compose(*self.plantings.get(model, (f"model={model}",)), *choices)

    def base(self, model: str) -> str:
        """The model that a planted model is made from."""
        return str(self.facts(model).model.name)

    def intervention(self, name: str) -> tuple[str, ...]:
        """The overrides that an intervention of the experiment stands for: its own, or the choice of a YAML."""
        return self.own_interventions.get(name, (f"intervention={name}",))

    def entries(self) -> dict[str, dict[str, tuple[str, ...]]]:
        """By section, what each name of the experiment stands for, as overrides."""
        return {
            "selection": self.selections,
            "intervention": {name: self.intervention(name) for name in self.cfg.interventions},
            "planting": {name: self.plantings[name] for name in self.planted()},
        }

    def datasets(self) -> list[str]:
        """Every dataset of the experiment once."""
        return list(dict.fromkeys([*self.cfg.mining_datasets, *self.cfg.benchmarks]))

    def fit(self, model: str, dataset: str) -> bool:
        """Whether a model takes all media of a dataset, and needs no other."""
        facts = self.facts(model).model
        media = set(self.compose(f"dataset={dataset}").dataset.modalities) & set(MEDIA)
        return set(facts.required_media) <= media <= set(facts.media_tokens)

    def is_stratified(self, dataset: str) -> bool:
        """Whether a dataset is scored by strata of samples, or by classes."""
        section = self.compose(f"dataset={dataset}").dataset
        return bool(section.strata or section.classes)

    def is_contrasted(self, dataset: str) -> bool:
        """Whether differences between strata of a dataset are declared."""
        return bool(self.compose(f"dataset={dataset}").dataset.contrasts)

    @cached_property
    def pairs(self) -> dict[str, list[tuple[str, str]]]:
        """By list of the experiment: every (model, dataset) that go together."""
        return {
            kind: [pair for pair in product(self.cfg.models, self.cfg[kind]) if self.fit(*pair)]
            for kind in ("mining_datasets", "benchmarks")
        }

    def paired(self, kind: str, model: str) -> list[str]:
        """The datasets of a list that go with a model."""
        return [dataset for of, dataset in self.pairs[kind] if of == model]

    @cached_property
    def attributed(self) -> list[str]:
        """The selections of the experiment that need gradients."""
        return [name for name, chosen in self.selections.items() if needs_gradients(self.compose(*chosen))]

    @cached_property
    def counted(self) -> list[str]:
        """Those that need statistics alone, which can be dealt anew."""
        return [name for name in self.selections if name not in self.attributed]

    @cached_property
    def sites(self) -> dict[str, Sequence[str] | None]:
        """The sites that each selection names; None: all."""
        return {name: self.compose(*chosen).selection.sites for name, chosen in self.selections.items()}

    @cached_property
    def selecting(self) -> list[tuple[str, str]]:
        """Every (model, selection) that go together: the model has all sites that the selection names."""
        held = {model: set(self.facts(model).model.sites) for model in self.cfg.models}
        return [pair for pair in product(held, self.sites) if set(self.sites[pair[1]] or ()) <= held[pair[0]]]

    @cached_property
    def of_language(self) -> list[str]:
        """The selections that choose among the neurons of the language model."""
        return [name for name, sites in self.sites.items() if sites is None or LM_GATE in sites]

    @cached_property
    def alike(self) -> list[tuple[str, str]]:
        """Every two models of which the language model is one file of weights, so that its neurons are the same."""
        parts = {model: self.facts(model).model.parts or {} for model in self.cfg.models if model not in self.plantings}
        read = {model: {of[path].sha256 for path in LANGUAGE_MODELS if path in of} for model, of in parts.items()}
        return [pair for pair in combinations(parts, 2) if read[pair[0]] & read[pair[1]]]

    def drawn(self) -> set[str]:
        """The tables that the experiment's figures are drawn from."""
        return {table for name in self.cfg.figures for table in self.compose(f"figure={name}").figure.tables}

    @property
    def on_demand(self) -> list[str]:
        """The sections of which the steps run where a figure shows them: a card over a section that has `enabled`."""
        names = dict.fromkeys(name for card in self.study.cards for name in card.over or ())
        return [name for name in names if name in self.cfg and "enabled" in self.cfg[name]]

    def is_asked(self, section: str) -> bool:
        """Whether the config says that such steps are to run, or a figure or other steps that run read their tables."""
        own = [card for card in self.study.cards if section in (card.over or ())]
        made = {table for card in own for table in card.writes}
        reading = [card for card in self.study.cards if card not in own and made & {read.table for read in card.reads}]
        others = {name for card in reading for name in card.over or () if name in self.on_demand}
        return bool(self.cfg[section].enabled or made & self.drawn() or any(map(self.is_asked, others)))

    @property
    def demanded(self) -> list[str]:
        """The files of the steps on demand, of which a figure needs some at most."""
        sections = set(self.on_demand)
        names = [name for card in self.study.cards if sections & set(card.over or ()) for name in card.writes]
        return [path for name in names for path in self.plan.files(name)]

    # --- what the engine asks -----------------------------------------------------------------------------------------

    @cached_property
    def relations(self) -> dict[str, list[Row]]:
        """The rows that the jobs of the cards run over; one without columns says whether there are such jobs at all."""
        cfg, planted = self.cfg, self.planted()
        bases = {model: self.base(model) for model in planted}
        drawn = self.drawn()
        measured = {"domains", "set_nulls"} & drawn
        return {
            "models": rows("model", cfg.models),
            "downloads": rows("model", dict.fromkeys([*cfg.models, *bases.values()])),
            "plantings": [{"planting": model, "base": base} for model, base in bases.items()],
            "datasets": rows("dataset", self.datasets()),
            "mined": [{"model": model, "dataset": dataset} for model, dataset in self.pairs["mining_datasets"]],
            "tested": [{"model": model, "dataset": dataset} for model, dataset in self.pairs["benchmarks"]],
            "stratified": rows("dataset", [name for name in cfg.benchmarks if self.is_stratified(name)]),
            "contrasted": rows("dataset", [name for name in cfg.benchmarks if self.is_contrasted(name)]),
            "selections": rows("selection", self.selections),
            "selecting": [{"model": model, "selection": name} for model, name in self.selecting],
            "rating": [{"planting": model, "selection": name} for model, name in self.selecting if model in planted],
            "interventions": rows("intervention", cfg.interventions),
            "figures": rows("figure", cfg.figures),
            "nulls": rows("null", cfg.nulls.kinds if measured else ()),
            "shards": rows("shard", range(cfg.capture.shards)),
            "null_shards": rows("shard", range(cfg.nulls.shards)),
            "ablation_shards": rows("shard", range(cfg.ablation.shards)),
            "planted": [{}] if planted else [],
            "attributed": [{}] if self.attributed else [],
            "measured": rows("selection", self.counted if measured else ()),
            "profiled": rows("selection", self.counted if "profiles" in drawn else ()),
            "retested": [{}] if "retests" in drawn else [],
            "shared": rows("selection", self.of_language if "overlaps" in drawn else ()),
            **{name: [{}] if self.is_asked(name) else [] for name in self.on_demand},
        }

    def choices(self, wildcards: Row) -> tuple[str, ...]:
        """The group choices that a job's wildcards stand for.

        Raises:
            UserError: the experiment has no such selection or planting.
        """
        chosen: list[str] = []
        for key, value in wildcards.items():
            if key == "selection":
                chosen.extend(named(self.selections, key, value))
            elif key == "intervention":
                chosen.extend(self.intervention(value))
            elif key == "null":
                chosen.extend(null_shown(value))
            elif key == "planting":
                chosen.extend(named(self.plantings, key, value))
            elif key == "model" and value in self.plantings:
                folder = f"{self.root}/{self.study.pattern('model').format(planting=value)}"
                chosen.extend([*self.plantings[value], f"model.name={value}", f"model.source={folder}"])
                chosen.extend(["model.parts=null"] if self.facts(value).model.parts else [])  # the folder is whole
            elif key in self.study.groups:
                chosen.append(f"{key}={value}")
        return tuple(chosen)

    def derived(self, step: str, wildcards: Row) -> tuple[str, ...]:
        """What a step's config says of this one model, from the experiment's lists."""
        sections = self.study.steps[step].sections
        if "model" not in wildcards:
            return ()
        if "mining_datasets" in sections:
            return (f"mining_datasets=[{','.join(self.paired('mining_datasets', wildcards['model']))}]",)
        if "benchmark_parts" in sections:
            held = grouping_of(self.cfg.grouping).held
            names = self.paired("benchmarks", wildcards["model"])
            parts = {name: held(self.compose(f"dataset={name}").dataset) for name in names}
            lists = ",".join(f"{name}:[{','.join(of)}]" for name, of in parts.items())
            return (f"++benchmark_parts={{{lists}}}",)
        return ()


def rows(key: str, values: Any) -> list[Row]:
    """A relation of one column."""
    return [{key: str(value)} for value in values]


def listed(entries: Mapping[str, Sequence[str]]) -> dict[str, tuple[str, ...]]:
    """The overrides by name of a section of the experiment, out of the config, which a plan asks for each job."""
    return {name: tuple(chosen) for name, chosen in entries.items()}


def null_shown(kind: str) -> tuple[str, ...]:
    """The overrides of a job that captures a null; a prompt that it does not show does not make it run again."""
    return (f"nulls.kind={kind}", *(() if kind == "same_prompt" else ("nulls.prompt=null",)))


def named(entries: Mapping[str, Sequence[str]], kind: str, name: str) -> Sequence[str]:
    """The overrides that a name of the experiment stands for."""
    if name not in entries:
        raise unknown_name(f"{kind} of the experiment", name, entries)
    return entries[name]
