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

import torch
from PIL import Image
from omegaconf import OmegaConf
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


def train_step(model: Any, optimizer: Any, batch: list[Encoded], recipe: Any, pad_token_id: int) -> torch.Tensor:
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
    optimizer.step()
    optimizer.zero_grad(set_to_none=True)
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


def run(recipe: Any, seed: int, folder: Path) -> None:
    """Train from the seed and write weights, processor, log (`training_log.jsonl`) and model card to `folder`."""
    torch.manual_seed(seed)
    torch.set_num_threads(recipe.threads)
    torch.use_deterministic_algorithms(True)
    torch.utils.deterministic.fill_uninitialized_memory = False  # speed; nothing here reads such memory
    builder = import_module(f"lode.training.{recipe.name}")
    started = time.monotonic()
    train = {name: draw(name, "train", options.num_samples, seed) for name, options in recipe.datasets.items()}
    held_out = {name: draw(name, "report", recipe.num_held_out, seed) for name in recipe.datasets}
    corpus = chain.from_iterable((s.prompt, s.answers[0]) for pool in train.values() for s in pool)
    markup = ["system\nYou are a helpful assistant.", "user\n", "assistant\n"] * 1000
    processor = builder.build_processor(chain(corpus, markup), recipe.vocab_size, recipe.pixels)
    sizes = (OmegaConf.to_container(section) for section in (recipe.text, recipe.vision))
    model = builder.build_model(processor, *sizes)
    pools = {
        name: [encode(processor, s) | {"task": torch.tensor(task)} for s in pool]
        for task, (name, pool) in enumerate(train.items())
    }
    optimizer = torch.optim.AdamW(
        model.parameters(), lr=recipe.learning_rate, betas=(0.9, 0.98), weight_decay=recipe.weight_decay
    )
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "training_log.jsonl").open("w", buffering=1) as log:

        def note(**values: Any) -> None:
            line = json.dumps({**values, "seconds": round(time.monotonic() - started, 1)})
            print(line, flush=True)
            log.write(line + "\n")

        note(event="start", seed=seed, num_parameters=sum(p.numel() for p in model.parameters()))
        losses: dict[str, list[float]] = {name: [] for name in pools}
        for step, batch in zip(range(recipe.steps), batches(pools, recipe, seed), strict=False):
            for group in optimizer.param_groups:
                group["lr"] = learning_rate(step, recipe)
            sample_losses = train_step(model, optimizer, batch, recipe, processor.tokenizer.pad_token_id)
            for example, loss in zip(batch, sample_losses.tolist(), strict=True):
                losses[list(pools)[example["task"]]].append(loss)
            if (step + 1) % recipe.log_every == 0:
                note(event="step", step=step + 1, loss={n: round(sum(v) / len(v), 4) for n, v in losses.items()})
                losses = {name: [] for name in pools}
            if (step + 1) % recipe.evaluate_every == 0:
                quick = {n: round(greedy_accuracy(model, processor, s[:100]), 3) for n, s in held_out.items()}
                note(event="evaluate", step=step + 1, accuracy=quick)
        accuracy = {name: round(greedy_accuracy(model, processor, s), 4) for name, s in held_out.items()}
        note(event="end", step=recipe.steps, accuracy=accuracy)
    model.eval()
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
