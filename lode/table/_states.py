"""What measures of states read: the tokens of a trace, variant by variant, with their states at every layer."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from jaxtyping import Bool, Float, Int, Shaped

from lode.engine.errors import UserError

#: The samples as they are, and the group of the last tokens of prompts, which are of another group too.
CLEAN, LAST = "clean", "last"
FACTS = ("sample_id", "cluster_id", "group", "position", "token_id")


class Kept(NamedTuple):
    """Tokens with their states.

    Attributes:
        samples, clusters, groups: of each.
        positions: in its prompt.
        ids: of the tokenizer; -1 stands for a medium.
        norms: lengths of the whole states.
        states: at every layer.
    """

    samples: Shaped[np.ndarray, " token"]
    clusters: Shaped[np.ndarray, " token"]
    groups: Shaped[np.ndarray, " token"]
    positions: Int[np.ndarray, " token"]
    ids: Int[np.ndarray, " token"]
    norms: Float[np.ndarray, "token layer"]
    states: Float[np.ndarray, "token layer value"]

    def of(self, tokens: Bool[np.ndarray, " token"] | Int[np.ndarray, " place"]) -> "Kept":
        """Some of them."""
        return Kept(*(values[tokens] for values in self))


def variants_in(table: pa.Table) -> list[str]:
    """The variants of a states table, in the order that they were traced in, clean first."""
    return sorted(pc.unique(table["variant"]).to_pylist(), key=lambda name: name != CLEAN)


def kept_of(table: pa.Table, variant: str) -> Kept:
    """The tokens of a variant.

    Raises:
        UserError: a token lacks a layer.
    """
    part = table.filter(pc.equal(table["variant"], variant))
    layers = part["layer"].to_numpy()
    count = int(layers.max(initial=-1)) + 1
    if not count or len(layers) % count or (layers.reshape(-1, count) != np.arange(count)).any():
        raise UserError(
            f"variant {variant}: expected states at every layer of each token, layer after layer; trace again"
        )
    states = part["state"].combine_chunks().flatten().to_numpy(zero_copy_only=False)
    samples, clusters, groups, positions, ids = (np.array(part[name].to_pylist()[::count]) for name in FACTS)
    norms = part["norm"].to_numpy().astype(np.float64).reshape(-1, count)
    return Kept(samples, clusters, groups, positions, ids, norms, states.reshape(len(norms), count, -1))


def check_same(variant: str, kept: Kept, clean: Kept) -> None:
    """Refuse a variant of other tokens than the clean samples: it would not be their null."""
    parts: list[Callable[[Kept], np.ndarray]] = [
        lambda each: each.samples,
        lambda each: each.groups,
        lambda each: each.positions,
    ]
    if any(not np.array_equal(part(kept), part(clean)) for part in parts):
        raise UserError(f"variant {variant}: its tokens are not those of `{CLEAN}`; trace all variants again")
