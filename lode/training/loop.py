"""How a model is taught: examples, batches, steps, the log, and held-out scores.

The loss is taken on the answer only. Held-out accuracy is that of greedy replies.
"""

import json
import random
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib import import_module
from itertools import count
from pathlib import Path
from typing import Any

import torch
from omegaconf import DictConfig
from torch.nn.utils.rnn import pad_sequence

from lode.dataset import Sample
from lode.media import Sampling
from lode.model.encoding import Batch, append_tokens, chat, extend, process
from lode.model.head import logits_at
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
        following = inputs.pop("labels").roll(-1, 1)  # the last place, where the first label comes, is none
        following[:, -1] = -100
        answers = following != -100
        with logits_at(model, answers):  # the prompt is not scored, and a vocabulary may be large
            logits = model(**inputs).logits
        token_loss = torch.nn.functional.cross_entropy(logits, following[answers], reduction="none")
        sample_loss = torch.zeros(len(answers)).index_add(0, answers.nonzero()[:, 0], token_loss) / answers.sum(1)
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


class Log:
    """The training log: JSON lines, on the terminal and in a file."""

    def __init__(self, path: Path) -> None:
        self.started = time.monotonic()
        self.path = path
        path.write_text("")

    @property
    def seconds(self) -> float:
        """Since the start."""
        return round(time.monotonic() - self.started, 1)

    def note(self, event: str, **values: Any) -> None:
        """Write one line, with the seconds since the start."""
        line = json.dumps({"event": event, **values, "seconds": self.seconds})
        print(line, flush=True)
        with self.path.open("a") as file:
            file.write(line + "\n")


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
