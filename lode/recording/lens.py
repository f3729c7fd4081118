"""What every layer would say: the logit lens on a few tokens of each group, and on the gold answer.

With z = U norm(h) the logits that a residual state h would give as the last one, p = softmax(z) and p_L that of the
last layer::

    entropy    -sum p ln p                        in [0, ln V]  [nats]
    top1       max p                              in (0, 1]
    kl_final   sum p_L (ln p_L - ln p)            >= 0; 0 at the last layer  [nats]
    gold_logp  sum over the gold answer's tokens of ln p at the place before each   <= 0  [nats]
    gold_rank  the largest of their ranks: 1 where greedy decoding by this layer would say the answer
    object_rank, other_rank  the best rank of a word of the sample's objects (`meta.objects`), and of another sample's

Sees the residual states of the pass that all share. Keeps a row a sample, group and layer: means over at most
`tokens_per_group` tokens that a seed draws, so that a long picture costs no more than a short one. Costs 2 d V
multiplications a token looked at and layer, and holds the states of these tokens of one batch. Source: logit lens
(nostalgebraist 2020); docs/methods.md 7.1.

What it does not tell: what a layer means to later ones; a state that the head cannot read may hold all of it.
"""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Float64, Int
from torch import Tensor

from lode.grouping import Grouping
from lode.model.adapter import Adapter
from lode.model.lens import best_ranks, logits_by_layer, prove_lens, rank_of
from lode.recording import Draft, Prompts, Views
from lode.recording._objects import SIDES, Asked, asked_words
from lode.recording._shift import LAST
from lode.recording._traced import Gold, Place, Traced, gather, gold_of, places_of
from lode.table.lens_samples import LENS_SAMPLES

TABLE = LENS_SAMPLES

#: What is taken of every token, in this order.
MEASURES = ("entropy", "top1", "kl_final")
#: What a row says, in this order.
VALUES = (*MEASURES, "gold_logp", "gold_rank", "object_rank", "other_rank")
#: Where those of a target are, which are of the gold answer.
OF_TARGET = slice(len(MEASURES), len(MEASURES) + 2)
#: By layer.
States = dict[int, Tensor]


def recording(
    adapter: Adapter,
    grouping: Grouping,
    tokens_per_group: int = 8,
    seed: int = 0,
    traced: Traced | None = None,
    others: Mapping[str, Sequence[str]] | None = None,
) -> "Lens":
    """An empty recording.

    Args:
        adapter: the model.
        grouping: what tokens are told apart.
        tokens_per_group: tokens of each part that are looked at in a sample, at most.
        seed: of which.
        traced: what the rows are of.
        others: by `sample_id`, words of objects that the sample does not show: those of `other_rank`; None: no words
            are ranked.

    Raises:
        UserError: the lens of the last states is not the model's logits.
    """
    prove_lens(adapter)
    return Lens(adapter, grouping, tokens_per_group, seed, traced or Traced(), others)


class Lens:
    """The rows so far; arguments are those of `recording`."""

    def __init__(
        self,
        adapter: Adapter,
        grouping: Grouping,
        tokens_per_group: int,
        seed: int,
        traced: Traced,
        others: Mapping[str, Sequence[str]] | None,
    ) -> None:
        self.adapter, self.grouping, self.traced, self.others = adapter, grouping, traced, others
        self.tokens_per_group, self.seed = tokens_per_group, seed
        self.rows: dict[str, list[Any]] = {name: [] for name in TABLE.schema.names if name not in traced.columns(0)}

    def begin(self, prompts: Prompts) -> Draft:
        """Keep the states of the tokens that are looked at; read them after the pass."""
        places, gold = places_of(prompts, self.grouping, self.tokens_per_group, self.seed), gold_of(prompts)
        seen: States = {}
        found: dict[str, list[Any]] = {}

        def see(layer: int, states: Tensor) -> None:
            seen[layer] = gather(states, [*[(place.row, place.at) for place in places], *gold.places])

        @torch.inference_mode()
        def finish() -> None:
            found.update(self.read(prompts, places, gold, seen))

        return Draft(partial(self.add, found), Views(states=see), finish)

    def read(self, prompts: Prompts, places: Sequence[Place], gold: Gold, seen: States) -> dict[str, list[Any]]:
        """The rows of a batch."""
        segments = list(dict.fromkeys((place.row, place.group) for place in places))
        index = {segment: number for number, segment in enumerate(segments)}
        of_place = np.array([index[place.row, place.group] for place in places])
        states = [seen[layer] for layer in sorted(seen)]
        tokens = np.bincount(of_place)
        targets = torch.cat([torch.full((len(places),), -1, device=gold.targets.device), gold.targets])
        asked = [] if self.others is None else asked_words(self.adapter, prompts, places, self.others)
        found = token_measures(self.adapter, states, targets, asked)
        means = over_segments(found[: len(MEASURES), : len(places)], of_place)
        answers = answer_measures(found[OF_TARGET, len(places) :], gold, len(prompts.samples))
        words = over_segments(found[-len(SIDES) :, : len(places)], of_place)
        rows: dict[str, list[Any]] = {name: [] for name in self.rows}
        for number, (row, group) in enumerate(segments):
            of_gold = answers[:, row] if group == LAST else np.full((2, len(states)), np.nan)
            values = np.concatenate([means[:, number], of_gold, words[:, number]])
            extend_rows(rows, prompts.samples[row], group, int(tokens[number]), values)
        return rows

    def add(self, found: dict[str, list[Any]]) -> None:
        """Add the rows of a batch."""
        for name, values in found.items():
            self.rows[name] += values

    def columns(self) -> dict[str, Any]:
        """Of all samples."""
        return {**self.traced.columns(len(self.rows["layer"])), **self.rows}

    def facts(self) -> dict[str, int]:
        """How many tokens of a group are looked at, at most."""
        return {"tokens_per_group": self.tokens_per_group}


def extend_rows(
    rows: dict[str, list[Any]],
    sample: Mapping[str, Any],
    group: str,
    num_tokens: int,
    values: Float64[np.ndarray, "value state"],
) -> None:
    """Add the rows of a group of a sample, a layer each; what is not a number is null."""
    said = {"sample_id": sample["sample_id"], "cluster_id": sample["cluster_id"], "group": group}
    for layer, of_layer in enumerate(values.T.tolist()):
        told = (None if np.isnan(value) else value for value in of_layer)
        row = {**said, "layer": layer, "num_tokens": num_tokens, **dict(zip(VALUES, told, strict=True))}
        for name, value in row.items():
            rows[name].append(value)


def over_segments(
    values: Float64[np.ndarray, "measure place state"], of_place: Int[np.ndarray, " place"]
) -> Float64[np.ndarray, "measure segment state"]:
    """Means over the places of each segment; not a number where one is not."""
    count = int(of_place.max()) + 1
    sums = np.zeros((len(values), count, values.shape[2]))
    for measure, of_measure in zip(sums, values, strict=True):
        np.add.at(measure, of_place, of_measure)
    return sums / np.bincount(of_place, minlength=count)[:, None]


def distribution_measures(
    logits: Float[Tensor, "*layer place vocabulary"], final: Float[Tensor, "place vocabulary"]
) -> Float[Tensor, "measure *layer place"]:
    """`MEASURES` of the distributions of logits, given the logits of the last layer, in single precision [nats].

    With z the logits and s their log-sum-exp, the entropy is s - sum p z, and the divergence that of p_L less
    sum p_L (z - s): neither ln p nor p_L ln p is ever held.
    """
    last = final.softmax(-1)
    known = torch.linalg.vecdot(last, final) - final.logsumexp(-1)
    total = logits.logsumexp(-1)
    entropy = total - torch.linalg.vecdot(logits.softmax(-1), logits)
    divergence = known - (torch.linalg.vecdot(last, logits) - total)
    return torch.stack([entropy, (logits.amax(-1) - total).exp(), divergence.clamp_min(0)])


def token_measures(
    adapter: Adapter,
    states: Sequence[Float[Tensor, "place hidden"]],
    targets: Int[Tensor, " place"],
    asked: Sequence[Asked] = (),
) -> Float64[np.ndarray, "measure place state"]:
    """`MEASURES` of the states of tokens by layer, log-probability and rank of a target, best ranks of words.

    One head a state, whatever is taken of it, and of several layers at once, as it is slow with few rows.

    Args:
        adapter: the model.
        states: by layer.
        targets: id of the token that is to follow; -1: none, and not a number.
        asked: which words at which tokens; not a number elsewhere.
    """
    found = np.full((len(MEASURES) + 2 + len(SIDES), len(targets), len(states)), np.nan)
    for some, layers, logits, final in logits_by_layer(adapter, states):
        measured = distribution_measures(logits, final)
        found[: len(MEASURES), some, layers] = measured.transpose(1, 2).cpu().numpy()
        followed = (targets[some] >= 0).nonzero()[:, 0].to(logits.device)
        if len(followed):
            ids, of_targets = targets[some].to(logits.device)[followed], logits[:, followed]
            own = of_targets.gather(-1, ids.expand(len(logits), -1)[..., None])[..., 0]
            places = followed.cpu().numpy() + some.start
            chance, ranks = own - of_targets.logsumexp(-1), rank_of(of_targets, own)
            found[len(MEASURES), places, layers] = chance.T.cpu().numpy()
            found[len(MEASURES) + 1, places, layers] = ranks.T.cpu().numpy()
        for side, wanted, tokens in asked:
            within = [at for at in wanted if some.start <= at < some.start + logits.shape[1]]
            ranks = best_ranks(logits[:, [at - some.start for at in within]], tokens)
            found[side - len(SIDES), within, layers] = ranks.T.cpu().numpy()
    return found


def answer_measures(
    measured: Float64[np.ndarray, "2 target state"], gold: Gold, num_samples: int
) -> Float64[np.ndarray, "2 sample state"]:
    """`gold_logp` and `gold_rank` of every sample and layer; not a number where there is no gold answer.

    Args:
        measured: log-probability and rank of each token of the answers.
        gold: these tokens.
        num_samples: of the batch.
    """
    found = np.full((2, num_samples, measured.shape[2]), np.nan)
    for row in {row for row, _ in gold.places}:
        own = [at for at, (of, _) in enumerate(gold.places) if of == row]
        found[:, row] = measured[0, own].sum(0), measured[1, own].max(0)
    return found
