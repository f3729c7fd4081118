"""The likeliest words of every layer at single tokens: what a reader looks at, beside the means of the logit lens.

Of each part of the grouping the first `per_sample` tokens of a seeded order in each sample that is listed, and its last
token; besides all patches of the pictures of samples in `grids`, with the row and column of each, where the processor
says how patches lie (`image_grid_thw`, as of Qwen2-VL and its successors) and the sample shows one picture alone.

Sees the residual states of the pass that all share. Keeps of each of these tokens and each layer the five likeliest
next tokens with their probabilities in (0, 1], and at media, where `meta.objects` of the sample names what it shows,
the best rank of these words (1: likeliest) beside that of another sample's. Costs 2 d V multiplications a token and
layer. Source: logit lens (nostalgebraist 2020); docs/methods.md 7.1.

What it does not tell: what holds on average; a word at a patch may be there whatever the patch shows, so the same
tokens are read with the media blank and shuffled.
"""

from collections.abc import Collection, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

from lode.grouping import Grouping
from lode.model.adapter import Adapter
from lode.model.lens import best_ranks, logits_by_layer, prove_lens
from lode.model.tokens import TOKEN_KINDS
from lode.recording import Draft, Prompts, Views
from lode.recording._objects import SIDES, Asked, asked_words
from lode.recording._traced import Place, Traced, first_place, gather, places_of
from lode.table.lens_tokens import LENS_TOKENS

TABLE = LENS_TOKENS

#: Words that are kept of a token and layer.
NUM_WORDS = 5
#: The input of a model that says how many patches lie beside and below each other, in time, height and width.
GRID = "image_grid_thw"
#: The kind of medium that has patches beside and below each other.
PICTURE = "image"
#: Where a patch lies: its row and column.
Patch = tuple[int, int]


class Words(NamedTuple):
    """The likeliest words of tokens by layer, and ranks of words that are looked for; 0: none are."""

    ids: Int[Tensor, "layer place word"]
    probabilities: Float[Tensor, "layer place word"]
    ranks: Int[Tensor, "side layer place"]


def recording(
    adapter: Adapter,
    grouping: Grouping,
    per_sample: int = 2,
    seed: int = 0,
    listed: Collection[str] | None = None,
    grids: Collection[str] = (),
    traced: Traced | None = None,
    others: Mapping[str, Sequence[str]] | None = None,
) -> "Listed":
    """An empty recording.

    Args:
        adapter: the model.
        grouping: what tokens are told apart.
        per_sample: tokens of each part that are listed of a sample, at most.
        seed: of which.
        listed: ids of samples of which tokens are listed; None: all.
        grids: ids of samples whose patches are all kept.
        traced: what the rows are of.
        others: by `sample_id`, words of objects that the sample does not show.

    Raises:
        UserError: the lens of the last states is not the model's logits.
    """
    prove_lens(adapter)
    return Listed(adapter, grouping, per_sample, seed, listed, grids, (traced or Traced()).variant, others or {})


class Listed:
    """The rows so far; arguments are those of `recording`."""

    def __init__(
        self,
        adapter: Adapter,
        grouping: Grouping,
        per_sample: int,
        seed: int,
        listed: Collection[str] | None,
        grids: Collection[str],
        variant: str,
        others: Mapping[str, Sequence[str]],
    ) -> None:
        self.adapter, self.grouping, self.others = adapter, grouping, others
        self.per_sample, self.seed, self.variant = per_sample, seed, variant
        self.listed, self.grids = listed, grids
        self.rows: dict[str, list[Any]] = {name: [] for name in TABLE.schema.names}

    def begin(self, prompts: Prompts) -> Draft:
        """Keep the states of the tokens that are read; read them after the pass."""
        patches = {
            place: patch for row in self.shown(prompts) for place, patch in patches_of(self.adapter, prompts, row)
        }
        drawn = places_of(prompts, self.grouping, self.per_sample, self.seed)
        ids = [sample["sample_id"] for sample in prompts.samples]
        kept = [place for place in drawn if self.listed is None or ids[place.row] in self.listed]
        kept += [Place(*at, self.grouping.parts[prompts.codes[at]]) for at in patches]
        places = list(dict.fromkeys(kept))
        seen: dict[int, Tensor] = {}
        found: list[dict[str, Any]] = []

        def see(layer: int, states: Tensor) -> None:
            seen[layer] = gather(states, [(place.row, place.at) for place in places])

        @torch.inference_mode()
        def finish() -> None:
            asked = asked_words(self.adapter, prompts, places, self.others)
            words = words_of(self.adapter, [seen[layer] for layer in sorted(seen)], asked)
            found.extend(self.read(prompts, places, patches, words))

        return Draft(partial(self.add, found), Views(states=see), finish) if places else Draft(partial(self.add, []))

    def shown(self, prompts: Prompts) -> list[int]:
        """The rows of the samples whose patches are kept."""
        return [row for row, sample in enumerate(prompts.samples) if sample["sample_id"] in self.grids]

    def read(
        self,
        prompts: Prompts,
        places: Sequence[Place],
        patches: Mapping[tuple[int, int], Patch],
        words: Words,
    ) -> list[dict[str, Any]]:
        """The rows of a batch, token by token and layer by layer."""
        tokenizer, first = self.adapter.processor.tokenizer, first_place(prompts)
        ids, rows = prompts.batch.inputs["input_ids"].tolist(), []
        for at, place in enumerate(places):
            sample, patch = prompts.samples[place.row], patches.get((place.row, place.at), (None, None))
            said = {
                **{"variant": self.variant, "sample_id": sample["sample_id"], "cluster_id": sample["cluster_id"]},
                **{"group": place.group, "position": place.at - first[place.row]},
                **{"token": tokenizer.decode([ids[place.row][place.at]])},
                **dict(zip(("grid_row", "grid_column"), patch, strict=True)),
            }
            for layer, tokens in enumerate(words.ids[:, at].tolist()):
                ranks = (int(rank) or None for rank in words.ranks[:, layer, at])
                row = {"layer": layer, "words": [tokenizer.decode([token]) for token in tokens]}
                row |= {"probabilities": words.probabilities[layer, at].tolist()}
                rows.append({**said, **row, **dict(zip(("object_rank", "other_rank"), ranks, strict=True))})
        return rows

    def add(self, found: Sequence[Mapping[str, Any]]) -> None:
        """Add the rows of a batch."""
        for row in found:
            for name, values in self.rows.items():
                values.append(row[name])

    def columns(self) -> dict[str, Any]:
        """Of all samples."""
        return self.rows

    def facts(self) -> dict[str, int]:
        """How many tokens of a part are listed of a sample, at most."""
        return {"per_sample": self.per_sample}


def words_of(adapter: Adapter, states: Sequence[Tensor], asked: Sequence[Asked]) -> Words:
    """The likeliest words of states by layer, and the ranks of words that are looked for."""
    shape = len(states), len(states[0])
    ids, chances = torch.zeros((*shape, NUM_WORDS), dtype=torch.int64), torch.zeros((*shape, NUM_WORDS))
    ranks = torch.zeros((len(SIDES), *shape), dtype=torch.int64)
    for some, layers, logits, _ in logits_by_layer(adapter, states):
        top = logits.topk(NUM_WORDS, dim=-1)
        ids[layers, some] = top.indices.cpu()
        chances[layers, some] = (top.values - logits.logsumexp(-1, keepdim=True)).exp().cpu()
        for side, wanted, tokens in asked:
            within = [at for at in wanted if some.start <= at < some.start + logits.shape[1]]
            found = best_ranks(logits[:, [at - some.start for at in within]], tokens)
            ranks[side, layers, within] = found.cpu()
    return Words(ids, chances, ranks)


def shows_one_picture(sample: Mapping[str, Any]) -> bool:
    """Whether all that a sample shows is one picture, which may be seen as a grid."""
    return [medium["kind"] for medium in sample["media"]] == [PICTURE]


def patches_of(adapter: Adapter, prompts: Prompts, row: int) -> list[tuple[tuple[int, int], Patch]]:
    """Row and place in the batch of every patch of the one picture of a sample, with where it lies.

    None where the sample shows another number of media, or where it is not known how patches lie.
    """
    if not shows_one_picture(prompts.samples[row]) or GRID not in prompts.batch.inputs:
        return []
    before = sum(medium["kind"] == PICTURE for sample in prompts.samples[:row] for medium in sample["media"])
    _, height, width = prompts.batch.inputs[GRID][before].tolist()
    side = adapter.processor.image_processor.merge_size
    places = (prompts.batch.token_kind[row] == TOKEN_KINDS.index(PICTURE)).nonzero()[:, 0].tolist()
    assert len(places) * side**2 == height * width, "a token is a square of patches"
    return [((row, at), divmod(place, width // side)) for place, at in enumerate(places)]
