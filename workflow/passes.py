"""How many passes over a model the steps inside it will make, from the config alone, before anything runs.

Of `trace_states`, `trace_sets`, `cut_attention` and `ablate_heads`: passes over a sample (docs/methods.md 7.2 to 7.7)
times the samples of a benchmark. At most so many: a benchmark may hold fewer samples than its YAML asks for, a group
may have no set. A pass is one forward pass over one sample and its gold answer; a batch of ten counts as ten. Probes of
a model as it is loaded, and the maps of `heads.num_maps` samples, are not counted.
"""

import json
from collections.abc import Collection, Iterator, Mapping
from functools import cache
from typing import Any, NamedTuple

from lode.checks.trace import PERMUTED
from lode.engine.paths import is_local, user_path
from lode.grouping import grouping_of
from lode.media.altered import changes
from lode.model.tokens import MEDIA
from lode.model.windows import cuts_of, pairs_held, windows_of
from workflow.study import Experiment

#: Layers of the language model, and heads of attention of each, of the models that Lode has a YAML for and does not
#: hold: facts of their `config.json`, which is not at hand before a model is downloaded.
DEPTHS = {
    "audio_flamingo_3": (28, 28),
    "gemma3_4b": (34, 8),
    "idefics3_8b": (32, 32),
    "instructblip_vicuna_7b": (32, 32),
    "internvl3_8b": (28, 28),
    "llava_1_5_7b": (32, 32),
    "llava_next_vicuna_7b": (32, 32),
    "llava_onevision_7b": (28, 28),
    "pixtral_12b": (40, 32),
    "qwen2_5_omni_7b": (28, 28),
    "qwen2_5_vl_7b": (28, 28),
    "qwen2_audio_7b": (32, 32),
    "qwen2_vl_2b": (28, 12),
    "qwen2_vl_7b": (28, 28),
    "qwen3_vl_8b": (36, 32),
    "smollm2": (30, 9),
}
#: Kinds of control of which there is one draw.
ONE_DRAW = ("sham", "outlier_excluded")


class Passes(NamedTuple):
    """What one job will do.

    Attributes:
        step: of the workflow.
        job: model, selection and intervention where there are, and benchmark.
        num_samples: of the benchmark.
        each: passes over a sample; None: the depth of the model is not known.
    """

    step: str
    job: str
    num_samples: int
    each: int | None

    @property
    def total(self) -> int:
        """Over all samples."""
        return self.num_samples * (self.each or 0)


@cache
def depth_in(folder: str) -> tuple[int, int] | None:
    """Layers and heads of a model in a folder; None where its `config.json` does not say."""
    path = user_path(folder) / "config.json"
    config: Mapping[str, Any] = json.loads(path.read_text()) if path.is_file() else {}
    text = config.get("text_config", config)
    found = text.get("num_hidden_layers"), text.get("num_attention_heads")
    return None if None in found else (int(found[0]), int(found[1]))


def depth_of(run: Experiment, model: str) -> tuple[int, int] | None:
    """Layers and heads of a model of the experiment; of a planted one those of the model that it is made from."""
    facts = run.facts(model).model
    return (depth_in(facts.source) if is_local(facts.source) else None) or DEPTHS.get(facts.name)


def passes_of(run: Experiment) -> Iterator[Passes]:
    """Every job of the steps inside the model that the experiment asks for."""
    asked = {section for section in ("trace", "trace_sets", "cut", "heads") if run.is_asked(section)}
    for model, dataset in run.pairs["benchmarks"] if asked else ():
        facts, depth = run.compose(f"dataset={dataset}").dataset, depth_of(run, model)
        job, held = f"{model}, {dataset}", int(facts.num_samples["test"])
        media = set(facts.modalities) & set(MEDIA)

        def made(step: str, section: str, each: int | None, job: str = job, held: int = held) -> Passes:
            return Passes(step, job, min(held, run.cfg[section].max_samples), each)

        if "trace" in asked:
            shown = [name for name in run.cfg.trace.variants if name == PERMUTED or changes(name, media)]
            yield made("trace_states", "trace", 1 + len(shown))
        if "trace_sets" in asked:
            for selection, each in sets_of(run, model).items():
                for intervention in run.cfg.interventions:
                    yield made("trace_sets", "trace_sets", each, f"{model}, {selection}, {intervention}, {dataset}")
        if "cut" in asked:
            yield made("cut_attention", "cut", depth and num_cuts(run.cfg.cut, depth[0], media))
        if "heads" in asked:
            yield made("ablate_heads", "heads", depth and 1 + depth[0] * depth[1])


def num_cuts(cut: Any, num_layers: int, media: Collection[str]) -> int:
    """Passes over a sample of `cut_attention`, where samples show these kinds of medium."""
    windows = windows_of(cut.windows, num_layers)
    return 1 + len(
        cuts_of(pairs_held(cut.pairs, media), windows, num_layers, cut.num_controls, cut.num_window_controls)
    )


def sets_of(run: Experiment, model: str) -> dict[str, int]:
    """By selection of a model: the clean pass, one for each set and one for each of its controls, at most."""
    grouping, most = grouping_of(run.cfg.grouping), run.cfg.trace_sets.num_controls
    datasets = [run.compose(f"dataset={name}").dataset for name in run.paired("mining_datasets", model)]
    mined = {part for dataset in datasets for part in grouping.held(dataset)}
    found = {}
    for name in (name for of, name in run.selecting if of == model):
        cfg = run.compose(*run.selections[name])
        wanted = cfg.selection.groups or grouping.splits[cfg.selection.group_split]
        num_groups = sum(bool(mined & set(grouping.groups[group])) for group in wanted)
        draws = [1 if kind in ONE_DRAW else cfg.controls.num_draws for kind in cfg.controls.kinds]
        controls = sum(each if most is None else min(each, most) for each in draws)
        found[name] = 1 + (num_groups + 1) * (1 + controls)
    return found


def passes_told(run: Experiment) -> list[str]:
    """A line for each job, and one for all of them; nothing where no such step is asked for."""
    found = list(passes_of(run))
    lines = [line_of(each) for each in found]
    total = sum(each.total for each in found)
    unknown = "" if all(each.each for each in found) else ", and those of models whose depth is not known"
    return [*lines, f"inside the model at most {total:,} passes in all{unknown}"] if found else []


def line_of(each: Passes) -> str:
    """What is said of one job."""
    if each.each is None:
        return (
            f"{each.step}: {each.job}: the number of passes grows with the layers of the model (docs/methods.md 7.5), "
            "which its config.json says once it is downloaded"
        )
    return f"{each.step}: {each.job}: {each.num_samples} samples x {each.each:,} passes = {each.total:,}"
