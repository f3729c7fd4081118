"""Every file that an experiment makes: where it lies, which step makes it, and which steps read it.

Snakemake knows this from the rules; here it is known without Snakemake, for `workflow/verify.py`. A test holds the
two together.
"""

import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache

from workflow.pipeline import Pipeline


class Wildcards(dict[str, str]):
    """Wildcards as Snakemake gives them: by key and by attribute."""

    __getattr__ = dict.__getitem__


@dataclass(frozen=True)
class Step:
    """A rule.

    Attributes:
        name: that of its rule and its script.
        outputs: kind -> path below the results of the experiment; kinds as in `Pipeline.tables`.
        reads: names of the steps whose files it reads, those of the same wildcards.
        reads_any: names of the steps whose files it may read whatever their wildcards.
    """

    name: str
    outputs: dict[str, str]
    reads: tuple[str, ...] = ()
    reads_any: tuple[str, ...] = ()


_RUN = "ablation/{model}/{selection}/{intervention}"
STEPS = (
    Step("download_model", {"manifest": "models/{model}/manifest.json"}, ("plant_neurons",)),
    Step("prepare_dataset", {"dataset": "datasets/{dataset}.parquet"}),
    Step(
        "plant_neurons",
        {"truth": "planted/{planting}/truth.parquet", "proof": "planted/{planting}/proof.parquet"},
        reads_any=("download_model", "prepare_dataset"),
    ),
    Step(
        "capture_activations",
        {"statistics": "activations/{model}/{dataset}/{shard}.parquet"},
        ("download_model", "prepare_dataset"),
    ),
    Step(
        "capture_gradients",
        {"gradients": "gradients/{model}/{dataset}/{shard}.parquet"},
        ("download_model", "prepare_dataset"),
    ),
    Step("aggregate_importance", {"importance": "importance/{model}.parquet"}, ("capture_activations",)),
    Step("aggregate_gradients", {"pooled": "gradients/{model}.parquet"}, ("capture_gradients",)),
    Step(
        "select_neurons",
        {"neurons": "neurons/{model}/{selection}.parquet"},
        ("aggregate_importance", "aggregate_gradients"),
    ),
    Step(
        "rate_selectors",
        {"ratings": "ratings/{planting}/{selection}.parquet"},
        ("aggregate_importance", "aggregate_gradients", "plant_neurons"),
    ),
    Step(
        "retest_selections",
        {"retests": "retests/{model}/{selection}.parquet"},
        ("capture_activations", "capture_gradients"),
    ),
    Step("compare_selectors", {"scoreboard": "scoreboard.parquet"}, ("rate_selectors",)),
    Step(
        "benchmark_ablation",
        {"predictions": f"{_RUN}/{{dataset}}/{{shard}}.predictions.parquet"},
        ("download_model", "prepare_dataset", "aggregate_importance", "select_neurons"),
    ),
    Step(
        "score_ablation",
        {kind: f"{_RUN}/{{dataset}}.{kind}.parquet" for kind in ("scores", "effects", "sample_scores")},
        ("prepare_dataset", "benchmark_ablation"),
    ),
    Step(
        "measure_selectivity",
        {kind: f"{_RUN}/{kind}.parquet" for kind in ("comparisons", "selectivity")},
        ("score_ablation",),
    ),
    Step("judge_sets", {"verdicts": "verdicts.parquet"}, ("select_neurons", "measure_selectivity")),
    Step(
        "plot_figures",
        {"figure": "figures/{figure}.svg"},
        (
            "aggregate_importance",
            "select_neurons",
            "retest_selections",
            "compare_selectors",
            "score_ablation",
            "measure_selectivity",
            "judge_sets",
        ),
    ),
    Step(
        "build_report",
        {"report": "report.html"},
        (
            "download_model",
            "prepare_dataset",
            "capture_activations",
            "capture_gradients",
            "aggregate_importance",
            "select_neurons",
            "benchmark_ablation",
            "score_ablation",
            "measure_selectivity",
            "judge_sets",
            "plot_figures",
        ),
    ),
)


@dataclass(frozen=True)
class Product:
    """A file that a step makes."""

    path: str
    step: Step
    wildcards: Wildcards

    @property
    def keys(self) -> dict[str, str]:
        """The wildcards, with a planted model under the name of any model."""
        return {"model" if key == "planting" else key: value for key, value in self.wildcards.items()}


def missing(absent: Sequence[Product], made: Sequence[Product]) -> list[Product]:
    """Of the files that are not there, those that something was made from, however far down the line.

    A file is made from another when its step reads the other's step and no wildcard that both have differs.
    """
    needed, gone = list(made), []
    for step in reversed(STEPS):  # readers come before what they read
        own = [product for product in absent if product.step is step]
        read: dict[tuple[str, ...], set[tuple[str, ...]]] = defaultdict(set)
        for other in needed if own else ():
            if step.name in other.step.reads_any:
                read[()].add(())
            elif step.name in other.step.reads:
                common = tuple(key for key in other.keys if key in own[0].keys)
                read[common].add(tuple(other.keys[key] for key in common))
        lost = [p for p in own if any(tuple(p.keys[k] for k in common) in values for common, values in read.items())]
        needed += lost
        gone += lost
    return [product for product in absent if product in gone]


@cache
def pattern_of(path: str) -> re.Pattern[str]:
    """The pattern of a path with wildcards in braces."""
    return re.compile(re.sub(r"\\{(\w+)\\}", r"(?P<\1>[^/]+?)", re.escape(path)))


def paths(run: Pipeline, kind: str) -> list[str]:
    """Paths of all files of a kind."""
    root, cfg = run.root, run.cfg
    elsewhere: dict[str, Callable[[], list[str]]] = {
        "manifest": lambda: [f"{root}/models/{model}/manifest.json" for model in bases(run)],
        "dataset": lambda: [f"{root}/datasets/{dataset}.parquet" for dataset in run.datasets()],
        "truth": lambda: [f"{root}/planted/{model}/truth.parquet" for model in run.planted()],
        "proof": lambda: [f"{root}/planted/{model}/proof.parquet" for model in run.planted()],
        "figure": lambda: [f"{root}/figures/{figure}.svg" for figure in cfg.figures],
        "report": lambda: [f"{root}/report.html"],
        "scoreboard": lambda: [f"{root}/scoreboard.parquet"] if run.planted() else [],
        "pooled": lambda: [f"{root}/gradients/{model}.parquet" for model in cfg.models if run.attributing],
        "retests": lambda: run.tables("retests", root) if "retests" in run.drawn() else [],
    }
    return elsewhere[kind]() if kind in elsewhere else run.tables(kind, root)


def bases(run: Pipeline) -> list[str]:
    """Every model of the experiment, and those that planted ones are made from."""
    return list(dict.fromkeys([*run.cfg.models, *(run.facts(model).model.name for model in run.planted())]))


def products(run: Pipeline) -> Iterator[Product]:
    """Every file that the experiment makes, in the order of the steps."""
    for step in STEPS:
        for kind, pattern in step.outputs.items():
            for path in paths(run, kind):
                found = pattern_of(pattern).fullmatch(path.removeprefix(f"{run.root}/"))
                assert found, f"{path} does not match {pattern}"
                yield Product(path, step, Wildcards(found.groupdict()))
