"""Train a small model of a real class on generated datasets, and write it as an ordinary Hugging Face folder.

The loss is taken on the answer only. Held-out accuracy is that of greedy replies on the `report` split,
which shares no content with the `train` split (`lode.dataset.split_of`).
"""

import json
import random
import time
from collections.abc import Iterator, Mapping, Sequence
from importlib import import_module
from io import BytesIO
from itertools import chain
from pathlib import Path
from typing import Any

import jinja2
import torch
from omegaconf import OmegaConf
from PIL import Image
from torch.nn.utils.rnn import pad_sequence

from lode.dataset import Sample

Encoded = dict[str, torch.Tensor]


def chat(processor: Any, sample: Sample) -> str:
    """The prompt of a sample with chat markup, up to where the answer begins."""
    content = [*({"type": m.kind} for m in sample.media), {"type": "text", "text": sample.prompt}]
    return processor.apply_chat_template([{"role": "user", "content": content}], add_generation_prompt=True)


def images(samples: Sequence[Sample]) -> list[Image.Image] | None:
    """All images of the samples in order, or None."""
    return [Image.open(BytesIO(m.bytes)) for s in samples for m in s.media] or None


def encode(processor: Any, sample: Sample) -> Encoded:
    """One training example: input ids, labels (-100 outside the answer), and half-precision pixels."""
    prompt, answer = chat(processor, sample), f"{sample.answers[0]}{processor.tokenizer.eos_token}"
    batch = processor(text=[prompt + answer], images=images([sample]), return_tensors="pt")
    num_answer = len(processor.tokenizer(answer)["input_ids"])
    ids = batch["input_ids"][0]
    labels = torch.full_like(ids, -100)
    labels[-num_answer:] = ids[-num_answer:]
    encoded = {"input_ids": ids, "labels": labels, "mm_token_type_ids": batch["mm_token_type_ids"][0]}
    if sample.media:
        encoded |= {"pixel_values": batch["pixel_values"].half(), "image_grid_thw": batch["image_grid_thw"]}
    return encoded


def collate(examples: Sequence[Encoded], pad_token_id: int) -> Encoded:
    """Left-pad token tensors and concatenate image tensors."""
    padding = {"input_ids": pad_token_id, "labels": -100, "mm_token_type_ids": 0}
    batch = {
        key: pad_sequence([e[key] for e in examples], True, value, padding_side="left")
        for key, value in padding.items()
    }
    batch["attention_mask"] = pad_sequence([torch.ones_like(e["input_ids"]) for e in examples], True, 0, "left")
    with_image = [e for e in examples if "pixel_values" in e]
    if with_image:
        batch["pixel_values"] = torch.cat([e["pixel_values"] for e in with_image]).float()
        batch["image_grid_thw"] = torch.cat([e["image_grid_thw"] for e in with_image])
    return batch


def batches(pools: Mapping[str, list[Encoded]], recipe: Any, seed: int) -> Iterator[list[Encoded]]:
    """Endless batches with each dataset's share, sorted by length; each example knows its dataset's index."""
    rng = random.Random(f"batches|{seed}")
    orders: dict[str, list[int]] = {name: [] for name in pools}
    while True:
        batch = []
        for name, options in recipe.datasets.items():
            for _ in range(round(options.share * recipe.batch_size)):
                if not orders[name]:
                    orders[name] = rng.sample(range(len(pools[name])), len(pools[name]))
                batch.append(pools[name][orders[name].pop()])
        yield sorted(batch, key=lambda e: len(e["input_ids"]))


def learning_rate(step: int, recipe: Any) -> float:
    """Linear warm-up, then linear decay to the final rate."""
    warm = min(1.0, (step + 1) / recipe.warmup_steps)
    done = max(0.0, (step - recipe.warmup_steps) / max(1, recipe.steps - recipe.warmup_steps))
    return warm * (recipe.learning_rate + done * (recipe.final_learning_rate - recipe.learning_rate))


class Optimizers:
    """Muon for the hidden matrices, AdamW for embeddings, norms and biases (Jordan et al. 2024, `torch.optim.Muon`).

    Muon leaves the plateaus of these tasks several times sooner than AdamW alone.
    """

    def __init__(self, model: torch.nn.Module, recipe: Any) -> None:
        matrices = {
            n: p for n, p in model.named_parameters() if p.ndim == 2 and "embed" not in n and "lm_head" not in n
        }
        others = [p for n, p in model.named_parameters() if n not in matrices]
        decay = recipe.weight_decay
        self.parts = (
            torch.optim.Muon(matrices.values(), weight_decay=decay, adjust_lr_fn="match_rms_adamw"),
            torch.optim.AdamW(others, betas=(0.9, 0.98), weight_decay=decay),
        )

    def step(self, rate: float) -> None:
        """Update all weights at one learning rate and clear their gradients."""
        for part in self.parts:
            for group in part.param_groups:
                group["lr"] = rate
            part.step()
            part.zero_grad(set_to_none=True)


def train_step(
    model: Any, optimizers: Optimizers, batch: list[Encoded], recipe: Any, rate: float, pad_token_id: int
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
        logits = model(**inputs).logits[:, :-1]
        token_loss = torch.nn.functional.cross_entropy(logits.mT, labels, reduction="none")
        sample_loss = token_loss.sum(1) / (labels != -100).sum(1)
        (sample_loss.sum() / len(batch)).backward()
        losses.append(sample_loss.detach())
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizers.step(rate)
    return torch.cat(losses)


@torch.inference_mode()
def greedy_accuracy(model: Any, processor: Any, samples: Sequence[Sample], batch_size: int = 100) -> float:
    """Share of samples whose greedy reply equals the first answer."""
    hits = 0
    for start in range(0, len(samples), batch_size):
        part = samples[start : start + batch_size]
        text = [chat(processor, s) for s in part]
        inputs = processor(text=text, images=images(part), padding=True, return_tensors="pt")
        ids = model.generate(**inputs, do_sample=False, max_new_tokens=16)[:, inputs["input_ids"].shape[1] :]
        replies = processor.batch_decode(ids, skip_special_tokens=True)
        hits += sum(r.strip() == s.answers[0] for r, s in zip(replies, part, strict=True))
    return hits / len(samples)


def draw(name: str, split: str, num_samples: int, seed: int) -> list[Sample]:
    """Samples of a generated dataset."""
    return list(import_module(f"lode.dataset.{name}").samples(split, num_samples, seed))


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


def fit(
    model: Any,
    processor: Any,
    pools: Mapping[str, list[Encoded]],
    held_out: Mapping[str, list[Sample]],
    recipe: Any,
    seed: int,
    log: Log,
) -> None:
    """Train for the recipe's steps; log the loss of each dataset, and held-out accuracy now and then."""
    optimizers = Optimizers(model, recipe)
    losses: dict[str, list[float]] = {name: [] for name in pools}
    for step, batch in zip(range(1, recipe.steps + 1), batches(pools, recipe, seed), strict=False):
        rate = learning_rate(step - 1, recipe)
        sample_losses = train_step(model, optimizers, batch, recipe, rate, processor.tokenizer.pad_token_id)
        for example, loss in zip(batch, sample_losses.tolist(), strict=True):
            losses[list(pools)[example["task"]]].append(loss)
        if step % recipe.log_every == 0:
            log.note("step", step=step, loss={n: round(sum(v) / len(v), 4) for n, v in losses.items() if v})
            losses = {name: [] for name in pools}
        if step % recipe.evaluate_every == 0:
            quick = {n: round(greedy_accuracy(model, processor, s[:100]), 3) for n, s in held_out.items()}
            log.note("evaluate", step=step, accuracy=quick)


def model_card(**facts: Any) -> str:
    """The README of a model folder; every number on it comes from the run."""
    template = Path(__file__).with_name("model_card.md.jinja").read_text()
    return jinja2.Environment(undefined=jinja2.StrictUndefined, trim_blocks=True).from_string(template).render(facts)


def train(recipe: Any, seed: int, folder: Path) -> None:
    """Train from the seed and write weights, processor, `training_log.jsonl` and model card to `folder`."""
    torch.manual_seed(seed)
    torch.set_num_threads(recipe.threads)
    torch.use_deterministic_algorithms(True)
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]  # nothing reads it
    builder = import_module(f"lode.training.{recipe.name}")
    folder.mkdir(parents=True, exist_ok=True)
    log = Log(folder / "training_log.jsonl")
    drawn = {name: draw(name, "train", options.num_samples, seed) for name, options in recipe.datasets.items()}
    held_out = {name: draw(name, "report", recipe.num_held_out, seed) for name in recipe.benchmarks}
    corpus = chain.from_iterable((s.prompt, s.answers[0]) for pool in drawn.values() for s in pool)
    markup = ["system\nYou are a helpful assistant.", "user\n", "assistant\n"] * 1000
    processor = builder.build_processor(chain(corpus, markup), recipe.vocab_size, recipe.pixels)
    sizes = (OmegaConf.to_container(section) for section in (recipe.text, recipe.vision))
    model = builder.build_model(processor, *sizes)
    pools = {
        name: [encode(processor, s) | {"task": torch.tensor(task)} for s in pool]
        for task, (name, pool) in enumerate(drawn.items())
    }
    num_parameters = sum(p.numel() for p in model.parameters())
    log.note("start", seed=seed, num_parameters=num_parameters)
    fit(model, processor, pools, held_out, recipe, seed, log)
    accuracy = {name: round(greedy_accuracy(model, processor, s), 4) for name, s in held_out.items()}
    end = log.note("end", step=recipe.steps, accuracy=accuracy)
    model.eval()
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    (folder / "model.safetensors").chmod(0o644)
    facts = {"accuracy": accuracy, "minutes": round(end["seconds"] / 60), "num_parameters": num_parameters}
    about = {n: (import_module(f"lode.dataset.{n}").__doc__ or "").partition("\n")[0] for n in recipe.datasets}
    (folder / "README.md").write_text(model_card(recipe=recipe, seed=seed, about=about, **facts))


def run(cfg: Any, made_by: dict[str, Any]) -> None:
    """Train the model of a recipe into a folder; the provenance goes beside the weights."""
    folder = Path(cfg.io.output)
    train(cfg.training, cfg.seed, folder)
    (folder / "provenance.json").write_text(json.dumps(made_by, indent=1, sort_keys=True) + "\n")
