"""A tower's first lesson: what is at every place of a medium, through one linear map that is thrown away.

Letters are learned so in minutes, and through a language model, which tells of a whole line at once, hardly at all.
"""

from collections.abc import Callable, Mapping, Sequence
from math import prod

import torch
from jaxtyping import Float, Int
from omegaconf import DictConfig
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from lode.training.loop import Encoded, Log, batches, collate, learning_rate
from lode.training.optimizers import Optimizers

#: What stands for nothing in `meta.places`, and how much such a place counts beside one that holds something.
NOTHING, NOTHING_COUNTS = ".", 0.1

#: From the inputs of a batch to what the tower writes: (sample, position, width).
Rows = Callable[[Encoded], Float[Tensor, "sample position width"]]


def kinds_of(places: Sequence[str]) -> str:
    """All that is at some place, in order; `NOTHING` first."""
    return NOTHING + "".join(sorted(set("".join(places)) - {NOTHING}))


def labels_of(places: Sequence[str], kinds: str) -> Int[Tensor, "sample place"]:
    """The number of what is at each place."""
    number = {kind: n for n, kind in enumerate(kinds)}
    return torch.tensor([[number[kind] for kind in sample] for sample in places])


def by_position(labels: Int[Tensor, "sample place"], shape: Sequence[int]) -> Int[Tensor, "sample position part"]:
    """Labels of cells as those of the cells within each position: as many along every side of a position.

    Args:
        labels: cells of a picture row by row, or of a sound one after the other.
        shape: positions along each side: [6, 6] of a picture, [50] of a sound.

    Raises:
        ValueError: the cells cannot be divided so.
    """
    num_cells, num_positions = labels.shape[1], prod(shape)
    along = round((num_cells / num_positions) ** (1 / len(shape)))
    if num_positions * along ** len(shape) != num_cells:
        raise ValueError(f"{num_cells} places cannot be divided among {' x '.join(map(str, shape))} positions")
    cells = labels.view(-1, *(size for side in shape for size in (side, along)))
    first = range(1, cells.ndim)
    return cells.permute(0, *first[::2], *first[1::2]).reshape(len(labels), num_positions, -1)


def loss_of(
    logits: Float[Tensor, "sample position part kind"], labels: Int[Tensor, "sample position part"]
) -> Float[Tensor, ""]:
    """Weighted mean over places [nats]."""
    weight = torch.ones(logits.shape[-1])
    weight[0] = NOTHING_COUNTS
    return cross_entropy(logits.flatten(0, 2), labels.flatten(), weight=weight)


def accuracy(logits: Float[Tensor, "sample position part kind"], labels: Int[Tensor, "sample position part"]) -> float:
    """Share of the places that hold something of which the right thing is said."""
    return float((logits.argmax(-1) == labels)[labels > 0].float().mean())


def teach_places(
    tower: nn.Module,
    rows: Rows,
    pools: Mapping[str, list[Encoded]],
    held_out: list[Encoded],
    recipe: DictConfig,
    seed: int,
    log: Log,
) -> None:
    """Train a tower to tell what is at every place.

    Args:
        tower: what is trained.
        rows: what it writes for a batch.
        pools: by dataset, examples whose `places` are labels by position and part.
        held_out: examples of the same kind, by which it is tested.
        recipe: `steps`, `batch_size`, rates, and each dataset's share; see `config/training/smollm2_eyes.yaml`.
        seed: of the order of examples.
        log: is written to.
    """
    num_kinds = 1 + max(int(example["places"].max()) for pool in pools.values() for example in pool)
    parts = held_out[0]["places"].shape[-1]
    width = rows(collate_places(held_out[:1])[0]).shape[-1]
    head = nn.Linear(width, parts * num_kinds)
    learner = nn.ModuleDict({"tower": tower, "head": head})
    optimizers = Optimizers(learner, recipe)

    def logits_of(inputs: Encoded) -> Tensor:
        return head(rows(inputs)).unflatten(-1, (parts, num_kinds))

    losses: list[float] = []
    for step, batch in zip(range(1, recipe.steps + 1), batches(pools, recipe, seed), strict=False):
        inputs, labels = collate_places([example for _, example in batch])
        loss = loss_of(logits_of(inputs), labels)
        loss.backward()
        nn.utils.clip_grad_norm_(learner.parameters(), 1.0)
        optimizers.step(learning_rate(step - 1, recipe))
        losses.append(loss.item())
        if step % recipe.log_every == 0:
            with torch.inference_mode():
                inputs, labels = collate_places(held_out)
                right = accuracy(logits_of(inputs), labels)
            log.note("placing", step=step, loss=round(sum(losses) / len(losses), 4), accuracy=round(right, 4))
            losses = []


def collate_places(examples: Sequence[Encoded]) -> tuple[Encoded, Tensor]:
    """The inputs of a batch, and what is at the places: (sample, position, part)."""
    inputs = collate([{n: t for n, t in example.items() if n != "places"} for example in examples], 0)
    return inputs, torch.cat([example["places"] for example in examples])
