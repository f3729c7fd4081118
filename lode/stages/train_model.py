"""Train a small model of a real class on generated datasets, and write it as an ordinary Hugging Face folder.

The loss is taken on the answer only. Held-out accuracy is that of greedy replies on the `test` split,
which shares no content with the `train` split (`lode.dataset.split_of`).
"""

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from importlib import import_module
from itertools import chain
from pathlib import Path
from types import ModuleType
from typing import Any

import jinja2
import torch
from omegaconf import DictConfig, OmegaConf
from torch import Tensor

from lode.config import StepConfig
from lode.dataset import Sample
from lode.model.encoding import sampling_of
from lode.model.saving import save_model
from lode.model.training_data import write_training_data
from lode.training import datasets_of
from lode.training.frozen import small_language_model, small_tokenizer
from lode.training.loop import Encoded, Log, Trainee, encode, fit
from lode.training.placing import by_position, kinds_of, labels_of, teach_places

Drawn = Mapping[str, list[Sample]]


def plugin_name(name: str, options: DictConfig) -> str:
    """The name of the dataset plug-in of an entry of the recipe's `datasets`: its own unless it says another."""
    return str(options.get("plugin", name))


def plugin_of(name: str, options: DictConfig) -> ModuleType:
    """The dataset plug-in of an entry of the recipe's `datasets`."""
    return import_module(f"lode.dataset.{plugin_name(name, options)}")


def draw(name: str, options: DictConfig, split: str, num_samples: int, seed: int) -> list[Sample]:
    """Samples of a generated dataset."""
    return list(plugin_of(name, options).samples(split, num_samples, seed, **options.get("options", {})))


def model_card(**facts: Any) -> str:
    """The README of a model folder; every number on it comes from the run."""
    template = Path(__file__).with_name("model_card.md.jinja").read_text()
    return jinja2.Environment(undefined=jinja2.StrictUndefined, trim_blocks=True).from_string(template).render(facts)


def describe_media(samples: Sequence[Sample]) -> str:
    """What the samples hold, and who made it: `audio (espeak 50 %, formant 50 %)`."""
    kinds = sorted({medium.kind for sample in samples for medium in sample.media})
    voices = Counter(str(sample.meta["voice"]) for sample in samples if "voice" in sample.meta)
    shares = ", ".join(f"{voice} {count / len(samples):.0%}" for voice, count in sorted(voices.items()))
    return (", ".join(kinds) or "none") + (f" ({shares})" if shares else "")


def builder_of(recipe: DictConfig) -> ModuleType:
    """What builds the model: `lode/training/<builder>.py`, of the recipe's name unless it says another."""
    return import_module(f"lode.training.{recipe.get('builder', recipe.name)}")


def build(recipe: DictConfig, corpus: Iterable[str]) -> tuple[Any, Any]:
    """A fresh model and its processor.

    Where the recipe has `parts`, the language model is read from a wheel, with its tokenizer, and is not trained.
    """
    builder = builder_of(recipe)
    if "parts" in recipe:
        from lode.model.assembling import language_model_of

        language_model, tokenizer = language_model_of(recipe)
        processor = builder.build_processor(tokenizer, recipe)
        return builder.build_model(processor, recipe, language_model), processor
    processor = builder.build_processor(corpus, recipe)
    return builder.build_model(processor, recipe), processor


def training_samples(recipe: DictConfig, split_seed: int) -> Drawn:
    """The samples of every dataset of a recipe."""
    return {n: draw(n, options, "train", options.num_samples, split_seed) for n, options in recipe.datasets.items()}


def corpus_of(drawn: Drawn) -> Iterable[str]:
    """The texts that a tokenizer is made of: prompts, answers and markup."""
    markup = ["system\nYou are a helpful assistant.", "user\n", "assistant\n"] * 1000
    return chain(chain.from_iterable((s.prompt, s.answers[0]) for pool in drawn.values() for s in pool), markup)


def teach(
    model: Any, processor: Any, recipe: DictConfig, drawn: Drawn, seed: int, split_seed: int, log: Log
) -> dict[str, float]:
    """Train a model on what was drawn, and return its held-out score of every task."""
    sampling = sampling_of(processor, recipe.video_rate, recipe.max_frames)
    held_out = {n: draw(n, options, "test", recipe.num_held_out, split_seed) for n, options in recipe.datasets.items()}
    pools = {name: [encode(processor, sample, sampling) for sample in pool] for name, pool in drawn.items()}
    trainee = Trainee(model, processor, sampling, held_out, recipe.datasets)
    log.note("start", seed=seed, num_parameters=num_trained(model))
    fit(trainee, pools, recipe, seed, log)
    score = trainee.evaluate(recipe.num_held_out)
    log.note("end", step=recipe.steps, score=score)
    return score


def place(model: Any, processor: Any, recipe: DictConfig, seed: int, split_seed: int, log: Log) -> None:
    """Teach the tower of a model what is at every place of a medium: `recipe.placing`."""
    builder, sampling = builder_of(recipe), sampling_of(processor, recipe.video_rate, recipe.max_frames)
    lesson = DictConfig({**{n: value for n, value in recipe.items() if n != "datasets"}, **recipe.placing})
    drawn = training_samples(lesson, split_seed)
    name = next(iter(drawn))
    held_out = draw(name, lesson.datasets[name], "test", recipe.num_held_out, split_seed)
    kinds = kinds_of([str(s.meta["places"]) for pool in (*drawn.values(), held_out) for s in pool])

    def examples(samples: Sequence[Sample]) -> list[Encoded]:
        labels = by_position(labels_of([str(s.meta["places"]) for s in samples], kinds), lesson.positions)
        encoded = [encode(processor, sample, sampling) for sample in samples]
        return [{**one, "places": label} for one, label in zip(encoded, labels.split(1), strict=True)]

    def rows(inputs: Encoded) -> Tensor:
        return builder.tower_rows(model, inputs[builder.MEDIUM])

    log.note("placing", kinds=kinds)
    pools = {name: examples(pool) for name, pool in drawn.items()}
    teach_places(builder.tower_of(model), rows, pools, examples(held_out), lesson, seed, log)


def pretrain_tower(model: Any, recipe: DictConfig, seed: int, split_seed: int, log: Log) -> None:
    """Teach the tower of a model through a small language model first, which costs a tenth: `recipe.pretraining`.

    The small language model has words of its own, and is thrown away with its projector. That of the model is scaled
    anew, to what the tower now writes.
    """
    builder = builder_of(recipe)
    facts = {name: value for name, value in recipe.items() if name != "datasets"}
    lesson = DictConfig({**facts, **recipe.pretraining})
    drawn = training_samples(lesson, split_seed)
    processor = builder.build_processor(small_tokenizer(corpus_of(drawn), lesson), lesson)
    learner = builder.build_model(processor, lesson, small_language_model(processor.tokenizer, lesson))
    builder.tower_of(learner).load_state_dict(builder.tower_of(model).state_dict())
    for part in (learner.model.language_model, learner.lm_head):  # fixed positions of a tower stay fixed
        part.requires_grad_(True)
    log.note("pretraining")
    teach(learner, processor, lesson, drawn, seed, split_seed, log)
    builder.tower_of(model).load_state_dict(builder.tower_of(learner).state_dict())
    builder.scale_projector(model)


def num_trained(model: Any) -> int:
    """The number of parameters that are trained."""
    return sum(p.numel() for p in model.parameters() if p.requires_grad)


def train(recipe: DictConfig, seed: int, split_seed: int, folder: Path) -> None:
    """Train from the seed on data of the split seed; write weights, processor, log and model card to `folder`."""
    torch.manual_seed(seed)
    torch.set_num_threads(recipe.threads)
    torch.use_deterministic_algorithms(True)
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]  # nothing reads it
    folder.mkdir(parents=True, exist_ok=True)
    log = Log(folder / "training_log.jsonl")
    recipe = DictConfig(OmegaConf.to_container(recipe, resolve=True))
    drawn = training_samples(recipe, split_seed)
    model, processor = build(recipe, corpus_of(drawn))
    if "placing" in recipe:
        place(model, processor, recipe, seed, split_seed, log)
    if "pretraining" in recipe:
        pretrain_tower(model, recipe, seed, split_seed, log)
    score = teach(model, processor, recipe, drawn, seed, split_seed, log)
    save_model(model.eval(), processor, folder, recipe.get("parts", ()))
    taught = {plugin_name(name, options) for name, options in datasets_of(recipe)}
    write_training_data(folder, split_seed, taught)
    facts = {
        "split_seed": split_seed,
        "score": score,
        "minutes": round(log.seconds / 60),
        "num_parameters": num_trained(model),
        "language_model": model.config.get_text_config(),
        "model_class": type(model).__name__,
        "media": {name: describe_media(pool) for name, pool in drawn.items()},
    }
    about = {n: (plugin_of(n, options).__doc__ or "").partition("\n")[0] for n, options in recipe.datasets.items()}
    (folder / "README.md").write_text(model_card(recipe=recipe, seed=seed, about=about, **facts))


def run(cfg: StepConfig, made_by: dict[str, Any]) -> None:
    """Train the model of a recipe into a folder, from the recipe's seed where it has one of its own.

    The provenance goes beside the weights.
    """
    folder = Path(cfg.io["trained"])
    recipe = DictConfig(cfg.training)
    train(recipe, recipe.get("seed", cfg.seed), cfg.split_seed, folder)
    (folder / "provenance.json").write_text(json.dumps(made_by, indent=1, sort_keys=True) + "\n")
