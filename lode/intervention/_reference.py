"""Reference values of interventions: class means from the importance table, and means of another sample."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from lode.engine.errors import UserError, unknown_name
from lode.grouping import PROMPT, Grouping
from lode.model.adapter import Adapter
from lode.model.encoding import encode
from lode.model.head import last_positions
from lode.model.tokens import REPLY_KIND
from lode.model.watching import watching
from lode.neurons import LM_GATE
from lode.table._dense import dense, of_site

Sample = Mapping[str, Any]


def class_means(table: pa.Table, grouping: Grouping) -> dict[str, Float[np.ndarray, "2 layer neuron"]]:
    """Mean activations over each group that occurs, and over the others.

    Of a group: the mean over mined samples, of all datasets alike, of the mean over its tokens. Of the others: the
    mean over the groups that it is compared with (`Grouping.others`), each of the same weight; a group that is every
    token has none, and takes its own mean there too.

    Args:
        table: the importance table; of its sites the gate, where means are known.
        grouping: what is compared.

    Raises:
        UserError: the table is of other groups, or does not hold the gate.
    """
    names, (sums, counts) = dense(of_site(table, LM_GATE), ("mean_sum", "num_samples"))
    means = {name: sums[at] / counts[at] for at, name in enumerate(names) if counts[at].all()}
    found = {}
    for name, own in means.items():
        if name not in grouping.groups:
            raise unknown_name("group of the importance table", name, grouping.groups, "Capture under this grouping.")
        others = [means[other] for other in grouping.others(name) if other in means]
        if others or name == PROMPT:
            found[name] = np.stack([own, np.mean(others, axis=0) if others else own])
    return found


def donors_of(samples: Sequence[Sample], seed: int) -> dict[str, Sample]:
    """Another sample for each sample, by its id.

    Samples are put in a ring, cluster after cluster in random order, and each takes the one so many places further on
    as the largest cluster has samples. So every sample donates once, and never to its own cluster unless a cluster
    holds more than half of all samples.

    Args:
        samples: rows of a dataset table, in any order.
        seed: of the order.

    Raises:
        UserError: there is one sample only.
    """
    if len(samples) < 2:
        raise UserError(f"intervention resample: {len(samples)} sample in split 'test'; expected at least 2")
    clusters: dict[str, list[Sample]] = {}
    for sample in sorted(samples, key=lambda sample: sample["sample_id"]):
        clusters.setdefault(sample["cluster_id"], []).append(sample)
    rng = np.random.default_rng(seed)
    names = sorted(clusters)
    ring = [clusters[names[place]][member] for place in rng.permutation(len(names))
            for member in rng.permutation(len(clusters[names[place]]))]  # fmt: skip
    step = max(map(len, clusters.values())) if len(clusters) > 1 else 1
    return {sample["sample_id"]: ring[(place + step) % len(ring)] for place, sample in enumerate(ring)}


@torch.inference_mode()
def token_means(
    adapter: Adapter, samples: Sequence[Sample], grouping: Grouping
) -> tuple[list[Float[Tensor, "batch place neuron"]], Bool[Tensor, "batch place"]]:
    """Of every layer the mean activation over the prompt tokens of each part of a grouping, 0 where there are none.

    A place more, the last, is of the part that a token of the sample's reply counts as (`reply_codes`).

    Returns:
        The means, each on the device of its layer, and which of the places have tokens in a sample.
    """
    batch = encode(adapter, samples)
    codes = grouping.codes_of(batch.token_kind, samples)
    places = [codes == place for place in range(len(grouping.parts))]
    members = torch.stack([*places, codes == reply_codes(samples, grouping).to(codes)[:, None]], dim=1)
    means: dict[int, Tensor] = {}

    def see(layer: int, activations: Tensor) -> None:
        inside = members.to(activations.device, torch.float32)
        share = inside / inside.sum(-1, keepdim=True).clamp_min(1)
        means[layer] = (share @ activations.float()).to(activations.dtype)

    with watching(adapter, activations={LM_GATE: see}), last_positions(adapter, 1):
        adapter.model(**batch.inputs, use_cache=False)
    return [means[layer] for layer in range(adapter.num_layers)], members.any(-1)


def reply_codes(samples: Sequence[Sample], grouping: Grouping) -> Int[Tensor, " batch"]:
    """What a token of the reply counts as where it takes a value of another sample: what text of its prompt is."""
    text = torch.full((len(samples), 1), REPLY_KIND)
    codes: Tensor = grouping.codes_of(text, samples)
    return codes[:, 0]


def check_donors(
    samples: Sequence[Sample],
    tokens: Int[Tensor, "batch token"],
    held: Bool[Tensor, "batch place"],
    grouping: Grouping,
) -> None:
    """Refuse a donor that lacks a part of its sample, or of its reply; those of a dataset are those of every sample.

    Args:
        samples: of a batch.
        tokens: the places of the parts that their tokens are.
        held: of which parts their donors have tokens, as `token_means` says.
        grouping: what is compared.

    Raises:
        UserError: names the sample and the part.
    """
    replies = reply_codes(samples, grouping).to(tokens)
    for code, name in enumerate(grouping.parts):
        lacking = ((tokens == code).any(1) | (replies == code)) & ~held[:, code]
        if lacking.any():
            sample = samples[int(lacking.int().argmax())]["sample_id"]
            raise UserError(
                f"intervention resample: sample {sample} holds {name} and its donor does not; expected a benchmark "
                "whose samples all hold the same parts"
            )
