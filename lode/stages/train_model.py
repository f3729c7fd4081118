"""Train a small model of a real class on generated datasets, and write it as an ordinary Hugging Face folder.

The loss is taken on the answer only. Held-out accuracy is that of greedy replies on the `test` split,
which shares no content with the `train` split (`lode.dataset.split_of`).
"""

import json
import random
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib import import_module
from itertools import chain, count
from pathlib import Path
from types import ModuleType
from typing import Any

import jinja2
import torch
from omegaconf import DictConfig, OmegaConf
from torch.nn.utils.rnn import pad_sequence

from lode.config import StepConfig
from lode.dataset import Sample
from lode.media import Sampling
from lode.model.encoding import Batch, append_tokens, chat, extend, process, sampling_of
from lode.model.head import last_logits
from lode.model.saving import save_model
from lode.model.training_data import write_training_data
from lode.training.optimizers import Optimizers

Encoded = dict[str, torch.Tensor]


def encode(processor: Any, sample: Sample, sampling: Sampling) -> Encoded:
    """One training example: input ids, labels (-100 outside the answer), and half-precision features."""
    record, answer = asdict(sample), f"{sample.answers[0]}{processor.tokenizer.eos_token}"
    prompt = process(processor, [chat(processor, record)], [record], sampling)
    ids = processor.tokenizer(answer, add_special_tokens=False)["input_ids"]
    kinds = torch.full_like(prompt["input_ids"], -1)  # the answer is no part of the prompt: a Q-Former reads that
    batch = append_tokens(Batch(prompt, kinds), [ids], processor.tokenizer.pad_token_id)
    labels = torch.full_like(batch["input_ids"], -100)
    labels[:, -len(ids) :] = batch["input_ids"][:, -len(ids) :]
    return {n: t.half() if t.is_floating_point() else t for n, t in batch.items()} | {"labels": labels}


def collate(examples: Sequence[Encoded], pad_token_id: int) -> Encoded:
    """Left-pad what has one entry a token; concatenate features, zero-padded at their ends to one size."""
    padding = {"input_ids": pad_token_id, "attention_mask": 0, "mm_token_type_ids": 0, "labels": -100}
    batch: Encoded = {}
    for name in dict.fromkeys(name for example in examples for name in example):
        parts = [example[name] for example in examples if name in example]
        if name in padding:
            batch[name] = pad_sequence([part[0] for part in parts], True, padding[name], padding_side="left")
        else:
            longest = [max(sizes) for sizes in zip(*(part.shape[1:] for part in parts), strict=True)]
            parts = [extend(part, longest) for part in parts]
            batch[name] = torch.cat([part.float() if part.is_floating_point() else part for part in parts])
    return batch


def shares(recipe: DictConfig, step: int) -> dict[str, float]:
    """What part of a batch each dataset is; in the first `first.steps` those of `first.datasets` alone."""
    all_shares = {name: float(options.share) for name, options in recipe.datasets.items()}
    if step >= recipe.get("first", {}).get("steps", 0):
        return all_shares
    whole = sum(all_shares[name] for name in recipe.first.datasets)
    return {name: all_shares[name] / whole for name in recipe.first.datasets}


def batches(pools: Mapping[str, list[Encoded]], recipe: DictConfig, seed: int) -> Iterator[list[tuple[str, Encoded]]]:
    """Endless batches of (dataset, example) with each dataset's share, sorted by length."""
    rng = random.Random(f"batches|{seed}")
    orders: dict[str, list[int]] = {name: [] for name in pools}
    for step in count():
        batch = []
        for name, share in shares(recipe, step).items():
            for _ in range(round(share * recipe.batch_size)):
                if not orders[name]:
                    orders[name] = rng.sample(range(len(pools[name])), len(pools[name]))
                batch.append((name, pools[name][orders[name].pop()]))
        yield sorted(batch, key=lambda entry: entry[1]["input_ids"].shape[1])


def learning_rate(step: int, recipe: DictConfig) -> float:
    """Linear warm-up, then linear decay to the final rate."""
    warm = min(1.0, (step + 1) / recipe.warmup_steps)
    done = max(0.0, (step - recipe.warmup_steps) / max(1, recipe.steps - recipe.warmup_steps))
    return warm * (recipe.learning_rate + done * (recipe.final_learning_rate - recipe.learning_rate))


def train_step(
    model: Any, optimizers: Optimizers, batch: list[Encoded], recipe: DictConfig, rate: float, pad_token_id: int
) -> torch.Tensor:
    """One optimiser step over a batch in micro-batches; every sample weighs the same, however long its answer.

    Returns:
        The loss of each sample: mean over answer tokens [nats].
    """
    size = -(-len(batch) // recipe.micro_batches)
    losses = []
    for start in range(0, len(batch), size):
        inputs = collate(batch[start : start + size], pad_token_id)
        labels = inputs.pop("labels")[:, 1:]
        answer = int((labels != -100).sum(1).max()) if "parts" in recipe else labels.shape[1]
        labels = labels[:, -answer:]  # the vocabulary of a real model is large, and the prompt is not scored
        with last_logits(model, answer + 1):
            logits = model(**inputs).logits[:, :-1]
        token_loss = torch.nn.functional.cross_entropy(logits.mT, labels, reduction="none")
        sample_loss = token_loss.sum(1) / (labels != -100).sum(1)
        (sample_loss.sum() / len(batch)).backward()
        losses.append(sample_loss.detach())
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizers.step(rate)
    return torch.cat(losses)


@torch.inference_mode()
def held_out_score(
    model: Any,
    processor: Any,
    samples: Sequence[Sample],
    score_name: str,
    sampling: Sampling,
    max_new_tokens: int = 16,
    batch_size: int = 100,
) -> float:
    """Mean score of greedy replies, by the scoring plug-in that the recipe names for the dataset."""
    replies: list[str] = []
    for start in range(0, len(samples), batch_size):
        records = [asdict(sample) for sample in samples[start : start + batch_size]]
        inputs = process(processor, [chat(processor, record) for record in records], records, sampling)
        ids = model.generate(**inputs, do_sample=False, max_new_tokens=max_new_tokens)[
            :, inputs["input_ids"].shape[1] :
        ]
        replies += processor.batch_decode(ids, skip_special_tokens=True)
    score = import_module(f"lode.scoring.{score_name}").score
    return float(score(replies, [asdict(sample) for sample in samples]).mean())


def plugin_name(name: str, options: DictConfig) -> str:
    """The name of the dataset plug-in of an entry of the recipe's `datasets`: its own unless it says another."""
    return str(options.get("plugin", name))


def plugin_of(name: str, options: DictConfig) -> ModuleType:
    """The dataset plug-in of an entry of the recipe's `datasets`."""
    return import_module(f"lode.dataset.{plugin_name(name, options)}")


def draw(name: str, options: DictConfig, split: str, num_samples: int, seed: int) -> list[Sample]:
    """Samples of a generated dataset."""
    return list(plugin_of(name, options).samples(split, num_samples, seed, **options.get("options", {})))


class Log:
    """The training log: JSON lines, on the terminal and in a file."""

    def __init__(self, path: Path) -> None:
        self.started = time.monotonic()
        self.path = path
        path.write_text("")

    def note(self, event: str, **values: Any) -> dict[str, Any]:
        """Write one line, with the seconds since the start."""
        entry = {"event": event, **values, "seconds": round(time.monotonic() - self.started, 1)}
        print(json.dumps(entry), flush=True)
        with self.path.open("a") as file:
            file.write(json.dumps(entry) + "\n")
        return entry


@dataclass(frozen=True)
class Trainee:
    """What is trained, and what it is tested on."""

    model: Any
    processor: Any
    sampling: Sampling
    held_out: Mapping[str, list[Sample]]
    datasets: Mapping[str, DictConfig]

    def evaluate(self, num_samples: int) -> dict[str, float]:
        """Held-out score of every task."""
        return {name: round(self.score(name, pool[:num_samples]), 4) for name, pool in self.held_out.items()}

    def score(self, name: str, samples: Sequence[Sample]) -> float:
        """Held-out score of a task."""
        of = self.datasets[name]
        length = of.get("max_new_tokens", 16)
        return held_out_score(self.model, self.processor, samples, of.score, self.sampling, length)


def fit(trainee: Trainee, pools: Mapping[str, list[Encoded]], recipe: DictConfig, seed: int, log: Log) -> None:
    """Train for the recipe's steps; log the loss of each dataset, and held-out scores now and then."""
    optimizers = Optimizers(trainee.model, recipe)
    losses: dict[str, list[float]] = {name: [] for name in pools}
    pad_token_id = trainee.processor.tokenizer.pad_token_id
    for step, batch in zip(range(1, recipe.steps + 1), batches(pools, recipe, seed), strict=False):
        examples = [example for _, example in batch]
        rate = learning_rate(step - 1, recipe)
        sample_losses = train_step(trainee.model, optimizers, examples, recipe, rate, pad_token_id)
        for (name, _), loss in zip(batch, sample_losses.tolist(), strict=True):
            losses[name].append(loss)
        if step % recipe.log_every == 0:
            log.note("step", step=step, loss={n: round(sum(v) / len(v), 4) for n, v in losses.items() if v})
            losses = {name: [] for name in pools}
        if step % recipe.evaluate_every == 0:
            log.note("evaluate", step=step, score=trainee.evaluate(100))


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


def build(recipe: DictConfig, corpus: Iterable[str]) -> tuple[Any, Any]:
    """A fresh model and its processor, by `lode/training/<builder>.py`: of the recipe's name unless it says another.

    Where the recipe has `parts`, the language model is read from a wheel, with its tokenizer, and is not trained.
    """
    builder = import_module(f"lode.training.{recipe.get('builder', recipe.name)}")
    if "parts" in recipe:
        from lode.model.assembling import language_model_of

        language_model, tokenizer = language_model_of(recipe)
        processor = builder.build_processor(tokenizer, recipe)
        return builder.build_model(processor, recipe, language_model), processor
    processor = builder.build_processor(corpus, recipe)
    return builder.build_model(processor, recipe), processor


def train(recipe: DictConfig, seed: int, split_seed: int, folder: Path) -> None:
    """Train from the seed on data of the split seed; write weights, processor, log and model card to `folder`."""
    torch.manual_seed(seed)
    torch.set_num_threads(recipe.threads)
    torch.use_deterministic_algorithms(True)
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]  # nothing reads it
    folder.mkdir(parents=True, exist_ok=True)
    log = Log(folder / "training_log.jsonl")
    recipe = DictConfig(OmegaConf.to_container(recipe, resolve=True))
    drawn = {n: draw(n, options, "train", options.num_samples, split_seed) for n, options in recipe.datasets.items()}
    held_out = {n: draw(n, options, "test", recipe.num_held_out, split_seed) for n, options in recipe.datasets.items()}
    corpus = chain.from_iterable((s.prompt, s.answers[0]) for pool in drawn.values() for s in pool)
    markup = ["system\nYou are a helpful assistant.", "user\n", "assistant\n"] * 1000
    model, processor = build(recipe, chain(corpus, markup))
    sampling = sampling_of(processor, recipe.video_rate, recipe.max_frames)
    pools = {name: [encode(processor, sample, sampling) for sample in pool] for name, pool in drawn.items()}
    num_parameters = sum(p.numel() for p in model.parameters() if "parts" not in recipe or p.requires_grad)
    log.note("start", seed=seed, num_parameters=num_parameters)
    trainee = Trainee(model, processor, sampling, held_out, recipe.datasets)
    fit(trainee, pools, recipe, seed, log)
    score = trainee.evaluate(recipe.num_held_out)
    end = log.note("end", step=recipe.steps, score=score)
    save_model(model.eval(), processor, folder, recipe.get("parts", ()))
    write_training_data(folder, split_seed, {plugin_name(n, options) for n, options in recipe.datasets.items()})
    facts = {
        "split_seed": split_seed,
        "score": score,
        "minutes": round(end["seconds"] / 60),
        "num_parameters": num_parameters,
        "language_model": model.config.get_text_config(),
        "model_class": type(model).__name__,
        "media": {name: describe_media(pool) for name, pool in drawn.items()},
    }
    about = {n: (plugin_of(n, options).__doc__ or "").partition("\n")[0] for n, options in recipe.datasets.items()}
    (folder / "README.md").write_text(model_card(recipe=recipe, seed=seed, about=about, **facts))


def run(cfg: StepConfig, made_by: dict[str, Any]) -> None:
    """Train the model of a recipe into a folder; the provenance goes beside the weights."""
    folder = Path(cfg.io["trained"])
    train(DictConfig(cfg.training), cfg.seed, cfg.split_seed, folder)
    (folder / "provenance.json").write_text(json.dumps(made_by, indent=1, sort_keys=True) + "\n")
