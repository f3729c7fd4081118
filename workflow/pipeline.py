"""One experiment as the workflow sees it: which jobs it has, their paths, and the params of every rule."""

import sys
from collections.abc import Mapping, Sequence
from functools import cache, cached_property
from itertools import pairwise, product
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any

from omegaconf import DictConfig

from lode.checks.experiment import advise, needs_gradients, validate_experiment, validate_names, validate_pairs
from lode.checks.intervention import read_intervention
from lode.config import GROUPS, digest
from lode.engine.errors import UserError, unknown_name, writing
from lode.engine.names import NAME, check_experiment_name, check_path, chosen_experiment
from lode.engine.paths import ROOT, is_local
from lode.sources import model_files, place, sources, with_sources
from lode.validation import TABLES, validate
from workflow.contents import check_contents
from workflow.overrides import check_overrides, refuse_overruled, results_folder
from workflow.recorded import SCRIPTS, code_of, composed, concerning, semantic_of

#: Tables that the report reads for their provenance alone.
CAPTURED = ("statistics", "gradients", "predictions", "sample_scores")

#: The folders of tables by model, mining dataset and shard.
MINED = {"statistics": "activations", "gradients": "gradients"}

#: Tables that compare all benchmarks of a model, selection and intervention.
COMPARED = ("comparisons", "selectivity")

#: Wildcards of the rules that hold a name.
NAMES = ("model", "planting", "dataset", "selection", "intervention", "figure", "training")


def in_project(path: Path) -> str:
    """A path relative to the project where it lies inside, so that a moved tree stays up to date."""
    return str(path.relative_to(ROOT) if path.is_relative_to(ROOT) else path)


class Pipeline:
    """One experiment: its config, and the params of every rule.

    Args:
        config: Snakemake's own config: `experiment`, and `overrides`, a list of Hydra overrides.

    Raises:
        SystemExit: the config is wrong; one message, no traceback.
    """

    def __init__(self, config: Mapping[str, Any]) -> None:
        try:
            self._open(config)
        except UserError as error:
            sys.exit(f"error: {error}")

    def _open(self, config: Mapping[str, Any]) -> None:
        self.name = check_experiment_name(config.get("experiment", "default"))
        self.overrides = check_overrides(config.get("overrides", []))
        self.user = (chosen_experiment(self.name), *self.overrides)
        self.cfg = composed(self.user)
        self.root = results_folder(self.name, self.overrides)
        self._check()

    def _check(self) -> None:
        """Compose every part once, so that a wrong name fails before any job."""
        validate_names(self.cfg)
        refuse_overruled(self.overrides, self.entries())
        for dataset in self.datasets():
            validate(self.compose(f"dataset={dataset}"), "prepare")
        mined = {m for name in self.cfg.mining_datasets for m in self.compose(f"dataset={name}").dataset.modalities}
        selections = {name: self.compose(*overrides) for name, overrides in self.cfg.selections.items()}
        validate_experiment(self.cfg, mined, selections)
        for cfg in selections.values():
            validate(cfg, "select")
        for model in self.cfg.models:
            validate(self.facts(model), "download")
            if model in self.cfg.plantings:
                validate(self.facts(model), "plant")
        for kind in ("mining_datasets", "benchmarks"):
            validate_pairs(self.cfg, kind, self.pairs[kind], self.compose)
        for model, dataset in self.pairs["mining_datasets"]:
            validate(self.facts(model, f"dataset={dataset}"), "capture")
            if self.attributing:
                validate(self.facts(model, f"dataset={dataset}"), "attribute")
        for model, dataset in self.pairs["benchmarks"]:
            for intervention in self.cfg.interventions:
                cfg = self.facts(model, f"dataset={dataset}", *self.intervention(intervention))
                validate(cfg, "ablate")
                validate(cfg, "score")
        for figure in self.cfg.figures:
            validate(self.compose(f"figure={figure}"), "plot")
            tables = self.compose(f"figure={figure}").figure.tables
            if "scoreboard" in tables and not self.planted():
                raise UserError(f"figure {figure} needs planted models: name some in the experiment's `plantings`")
            if "retests" in tables and self.cfg.capture.shards < 2:
                raise UserError(
                    f"figure {figure} with capture.shards = {self.cfg.capture.shards}: there is no part of the samples "
                    "to select again from; expected 2 or more, such as capture.shards=10"
                )

        check_contents(self)

    def entries(self) -> dict[str, dict[str, tuple[str, ...]]]:
        """By section, what each name of the experiment stands for, as overrides."""
        return {
            "selection": {name: tuple(chosen) for name, chosen in self.cfg.selections.items()},
            "intervention": {name: self.intervention(name) for name in self.cfg.interventions},
            "planting": {name: tuple(self.cfg.plantings[name]) for name in self.planted()},
        }

    @property
    def constraints(self) -> dict[str, str]:
        """What the wildcards of the rules match."""
        return {**dict.fromkeys(NAMES, NAME), "shard": r"\d+"}

    def check_targets(self, command: Sequence[str], rules: Sequence[Any]) -> None:
        """Refuse a file of results that no rule makes: where it lies there already, it would pass for up to date.

        Args:
            command: the command line of Snakemake; what it asks for is not known elsewhere while the rules are read.
            rules: those of Snakemake.

        Raises:
            SystemExit: one message, no traceback.
        """
        for option, target in pairwise(command):
            asked = target.startswith("results/") and not option.startswith("--report")
            if asked and not any(rule.is_producer(target) for rule in rules):
                sys.exit(
                    f"error: no rule makes {target}; expected a file in {self.root}/, where the results of this "
                    "experiment and these overrides lie. `make plan` lists them"
                )

    def advise(self) -> None:
        """Say, before anything runs, what the experiment cannot tell."""
        for note in advise(self.cfg):
            print(f"note: {note}", file=sys.stderr)

    def open_results(self) -> None:
        """Make the folder of the results, and refuse one that cannot be written to before any job starts.

        Raises:
            SystemExit: one message, no traceback.
        """
        try:
            with writing(self.root):
                Path(self.root).mkdir(parents=True, exist_ok=True)
                TemporaryFile(dir=self.root).close()
        except UserError as error:
            sys.exit(f"error: {error}")

    def planted(self) -> list[str]:
        """The models of the experiment that `plant_neurons` makes."""
        return [model for model in self.cfg.models if model in self.cfg.plantings]

    def facts(self, model: str, *choices: str) -> DictConfig:
        """The config of a model; of a planted one, that of the model it is made from, which exists already."""
        return self.compose(*self.cfg.plantings.get(model, (f"model={model}",)), *choices)

    def base(self, wildcards: Any) -> str:
        """The model that a planted model is made from."""
        return self.facts(wildcards.planting).model.name

    def intervention(self, name: str) -> tuple[str, ...]:
        """The overrides that an intervention of the experiment stands for: its own, or the choice of a YAML."""
        return tuple(self.cfg.own_interventions.get(name, (f"intervention={name}",)))

    @cached_property
    def pairs(self) -> dict[str, list[tuple[str, str]]]:
        """By list of the experiment: every (model, dataset) that go together."""
        return {
            kind: [pair for pair in product(self.cfg.models, self.cfg[kind]) if self.fit(*pair)]
            for kind in ("mining_datasets", "benchmarks")
        }

    def fit(self, model: str, dataset: str) -> bool:
        """Whether a model takes all media of a dataset, and needs no other."""
        facts = self.facts(model).model
        media = set(self.compose(f"dataset={dataset}").dataset.modalities) - {"text", "special"}
        return set(facts.required_media) <= media <= set(facts.media_tokens)

    def mined(self, model: str) -> list[str]:
        """The datasets that a model is mined on."""
        return [dataset for of, dataset in self.pairs["mining_datasets"] if of == model]

    def benchmarked(self, model: str) -> list[str]:
        """The datasets that a model is tested on."""
        return [dataset for of, dataset in self.pairs["benchmarks"] if of == model]

    def derived(self, step: str, wildcards: Mapping[str, str]) -> tuple[str, ...]:
        """What a step's config says of this one model, from the experiment's lists."""
        if step in ("aggregate", "retest"):
            return (f"mining_datasets=[{','.join(self.mined(wildcards['model']))}]",)
        if step == "measure":
            held = {d: self.compose(f"dataset={d}").dataset.modalities for d in self.benchmarked(wildcards["model"])}
            lists = ",".join(f"{name}:[{','.join(modalities)}]" for name, modalities in held.items())
            return (f"++benchmark_modalities={{{lists}}}",)
        return ()

    def compose(self, *choices: str) -> DictConfig:
        """The config with group choices made; what a name of the experiment sets comes before what the user typed."""
        return composed((*self.user, *choices))

    def choices(self, wildcards: Mapping[str, str]) -> tuple[str, ...]:
        """The group choices that a job's wildcards stand for."""
        chosen: list[str] = []
        for key, value in wildcards.items():
            if key == "selection":
                if value not in self.cfg.selections:
                    raise unknown_name("selection of the experiment", value, self.cfg.selections)
                chosen.extend(self.cfg.selections[value])
            elif key == "intervention":
                chosen.extend(self.intervention(value))
            elif key == "planting" or (key == "model" and value in self.cfg.plantings):
                if value not in self.cfg.plantings:
                    raise unknown_name("planting of the experiment", value, self.cfg.plantings)
                chosen.extend(self.cfg.plantings[value])
                if key == "model":
                    chosen.extend([f"model.name={value}", f"model.source={self.planted_folder(value)}"])
            elif key in GROUPS:
                chosen.append(f"{key}={value}")
        return tuple(chosen)

    def step(self, step: str, script: str) -> dict[str, Any]:
        """The params of a rule.

        `semantic` and `code` decide reruns. `script` and `args` name `output`, which Snakemake takes to
        mean: derived, not recorded.
        """

        @cache
        def overrides_of(*wildcards: tuple[str, str]) -> tuple[str, ...]:
            return (*self.user, *self.choices(dict(wildcards)), *self.derived(step, dict(wildcards)))

        def overrides(wildcards: Any) -> tuple[str, ...]:
            return overrides_of(*dict(wildcards).items())

        @cache
        def recorded_of(concerned: tuple[str, ...]) -> str:
            return with_sources(semantic_of(step, concerned), sources(composed(concerned), step))

        def semantic(wildcards: Any) -> str:
            return recorded_of(concerning(step, overrides(wildcards)))

        def code(wildcards: Any) -> str:
            return code_of(step, script, concerning(step, overrides(wildcards)))

        def args(wildcards: Any, output: Any) -> list[str]:
            identity = [f"expect_digest={digest(semantic(wildcards))}", f"code_digest={code(wildcards)}"]
            return [*overrides(wildcards), *identity]

        return {
            "semantic": semantic,
            "code": code,
            "script": lambda wildcards, output: in_project(SCRIPTS / script),
            "args": args,
        }

    def planted_folder(self, model: str) -> str:
        """Where `plant_neurons` writes a model."""
        return f"{self.root}/planted/{model}/model"

    def planted_model(self, wildcards: Any) -> list[str]:
        """The folder of a planted model, which a job makes; none for any other."""
        return [self.planted_folder(wildcards.model)] if wildcards.model in self.cfg.plantings else []

    def model_files(self, wildcards: Any) -> list[str]:
        """The files of a local model folder; none for a hub model."""
        source = self.compose(*self.choices({"model": wildcards.model})).model.source
        if wildcards.model in self.cfg.plantings or not is_local(source):
            return []
        return [check_path(f"model {wildcards.model}", in_project(path)) for path in model_files(source).values()]

    def dataset_files(self, wildcards: Any) -> list[str]:
        """The files and folders at hand that a dataset is read from, if any."""
        options = self.compose(f"dataset={wildcards.dataset}").dataset.options
        found = [path for path in map(place, options.values()) if path]
        return [check_path(f"dataset {wildcards.dataset}", in_project(path)) for path in found]

    def datasets(self) -> list[str]:
        """Every dataset of the experiment once."""
        return list(dict.fromkeys([*self.cfg.mining_datasets, *self.cfg.benchmarks]))

    @staticmethod
    def io(key: str, paths: Mapping[str, list[str]]) -> str:
        """A Hydra override that hands over lists of paths by kind."""
        lists = ",".join(f"{kind}:[{','.join(part)}]" for kind, part in paths.items())
        return f"++io.{key}={{{lists}}}"

    def report_io(self, inputs: Any) -> list[str]:
        """The overrides that hand the report its inputs."""
        lists = [f"io.{key}=[{','.join(inputs[key])}]" for key in ("figures", "manifests", "datasets")]
        return [*lists, self.io("tables", {kind: list(inputs[kind]) for kind in (*CAPTURED, *TABLES)})]

    def shards(self, section: str = "capture") -> list[int]:
        """The shards of every capture, or of every ablation."""
        return list(range(self.cfg[section].shards))

    def predicted(self, benchmark: str) -> list[str]:
        """The shards of the predictions of one benchmark."""
        return [f"{benchmark}/{shard}.predictions.parquet" for shard in self.shards("ablation")]

    @cached_property
    def attributing(self) -> list[str]:
        """The selections of the experiment that need gradients."""
        return [
            name for name, chosen in self.cfg.selections.items() if needs_gradients(self.compose(*chosen).selection)
        ]

    def selected_from(self, model: str, selection: str, root: str) -> dict[str, str]:
        """The tables that a selection reads, by kind; gradients only where it needs them."""
        kinds = ("importance", "gradients") if selection in self.attributing else ("importance",)
        return {kind: f"{root}/{kind}/{model}.parquet" for kind in kinds}

    def retested(self, wildcards: Any, root: str) -> dict[str, list[str]]:
        """The shards that a selection is made again from, by kind of table."""
        kinds = [kind for kind in MINED if kind in ("statistics", *self.selected_from(**wildcards, root=root))]
        return {kind: self.mined_shards(kind, wildcards.model, root) for kind in kinds}

    def mined_shards(self, kind: str, model: str, root: str) -> list[str]:
        """All shards of a kind that one model is mined on."""
        folder = f"{root}/{MINED[kind]}/{model}"
        return [f"{folder}/{dataset}/{shard}.parquet" for dataset in self.mined(model) for shard in self.shards()]

    def tables(self, kind: str, root: str) -> list[str]:
        """Paths of all tables of a kind."""
        cfg = self.cfg
        if kind in MINED:
            models = cfg.models if kind == "statistics" or self.attributing else []
            return [path for model in models for path in self.mined_shards(kind, model, root)]
        if kind in ("scoreboard", "verdicts"):
            return [f"{root}/{kind}.parquet"]
        if kind == "ratings":
            return [f"{root}/ratings/{m}/{selection}.parquet" for m in self.planted() for selection in cfg.selections]
        if kind == "importance":
            return [f"{root}/importance/{model}.parquet" for model in cfg.models]
        sets = [(model, selection) for model in cfg.models for selection in cfg.selections]
        if kind in ("neurons", "retests"):
            return [f"{root}/{kind}/{model}/{selection}.parquet" for model, selection in sets]
        if kind == "predictions":
            return [
                path
                for model, selection in sets
                for intervention in cfg.interventions
                for dataset in self.benchmarked(model)
                for path in self.predicted(f"{root}/ablation/{model}/{selection}/{intervention}/{dataset}")
            ]
        runs = [(model, f"{root}/ablation/{model}/{s}/{i}") for model, s in sets for i in cfg.interventions]
        if kind in COMPARED:
            return [f"{folder}/{kind}.parquet" for _, folder in runs]
        return [f"{folder}/{name}.{kind}.parquet" for model, folder in runs for name in self.benchmarked(model)]

    def references(self, wildcards: Any, root: str) -> dict[str, str]:
        """The importance table, where the intervention needs the class means in it."""
        plugin = self.compose(*self.intervention(wildcards.intervention)).intervention.plugin
        needs = read_intervention(plugin)[1]
        return {"importance": f"{root}/importance/{wildcards.model}.parquet"} if "class_means" in needs else {}

    def compared(self, wildcards: Any, root: str) -> dict[str, list[str]]:
        """The tables of all benchmarks of one model, selection and intervention, by kind."""
        folder = f"{root}/ablation/{wildcards.model}/{wildcards.selection}/{wildcards.intervention}"
        names = self.benchmarked(wildcards.model)
        return {kind: [f"{folder}/{name}.{kind}.parquet" for name in names] for kind in ("effects", "sample_scores")}

    def drawn(self) -> set[str]:
        """The kinds of tables that the experiment's figures are drawn from."""
        return {kind for name in self.cfg.figures for kind in self.compose(f"figure={name}").figure.tables}

    def figure_tables(self, wildcards: Any, root: str) -> dict[str, list[str]]:
        """The tables that a figure is drawn from, by kind."""
        return {kind: self.tables(kind, root) for kind in self.compose(f"figure={wildcards.figure}").figure.tables}
