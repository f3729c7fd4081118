"""Controls: one file each. What a neuron set is compared with, so that its effect is not mistaken for any set's.

A plug-in `lode/control/<kind>.py` has one public function::

    def controls(selected: Selected, num_draws: int, seed: int) -> Iterator[dict[str, Pairs]]

It yields one draw after another: by set name the (layer, neuron) pairs of the control, as many *unique* ones as the set
has. A random kind yields `num_draws` draws, a deterministic one as many as there are; a set that a kind cannot match is
left out. One that matches on the tokens of the set's own group says `ON_OWN_TOKENS = True`, and is compared with the
set there. The docstring of the module says what is matched, what is not, and what a difference then means. Only light
imports: plug-ins are imported while the job graph is built.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from zlib import crc32

import numpy as np
import pyarrow as pa
from jaxtyping import Float, Int

from lode.grouping import PROMPT
from lode.neurons import Pairs
from lode.table._dense import dense

#: Below this `magnitude_ratio` the set is unmatchable: there are no neurons that write as much as its own.
UNMATCHABLE = 0.9
#: Above this `shared_frac` most of a control is the set itself: what the set does, its controls do nearly as well.
MOST_SHARED = 0.5
#: With fewer different controls (`num_different`) chance alone equals a set too often: as many as a p below 0.05 needs.
FEWEST_DIFFERENT = 19

#: Neurons of a layer of a block: more would make draws differ more, and match them worse.
BLOCK = 8

#: The kinds that a headline p-value is against: the first of them that a set has.
HEADLINE_CONTROLS = (
    "magnitude_matched",
    "own_matched",
    "layer_matched",
    "uniform",
    "shuffled_labels",
    "other_group",
    "outlier_excluded",
    "sham",
)


@dataclass(frozen=True)
class Selected:
    """What controls are drawn for.

    Attributes:
        sets: the unique pairs of every set, the best first; `all` is the union of the others.
        table: the importance table that they were selected from.
        groups: those that took part in the selection.
        ratio: the share of all neurons that was asked for.
        select: the selection itself, to be run again on another table or ratio.
    """

    sets: Mapping[str, Pairs]
    table: pa.Table
    groups: tuple[str, ...]
    ratio: float
    select: Callable[[pa.Table, float], Mapping[str, Pairs]]

    @property
    def shape(self) -> tuple[int, int]:
        """Layers, and neurons in each."""
        return 1 + int(np.max(self.table["layer"].to_numpy())), 1 + int(np.max(self.table["neuron"].to_numpy()))


def headline_first(kinds: Iterable[str]) -> list[str]:
    """Kinds of control, each once, in the order of `HEADLINE_CONTROLS` and then of the alphabet."""
    order = {kind: place for place, kind in enumerate(HEADLINE_CONTROLS)}
    return sorted(set(kinds), key=lambda kind: (order.get(kind, len(order)), kind))


def stream(seed: int, set_name: str, draw: int, pairs: Pairs | None = None) -> np.random.Generator:
    """The random numbers of one control: they depend on no other set and no other draw.

    With `pairs` on the neurons of the set too, so that other selectors have other controls: were theirs the same, the
    largest of many would be compared with one draw. Equal sets have equal controls, in whichever selection.
    """
    own = b"" if pairs is None else np.unique(pairs, axis=0).astype(np.int64).tobytes()
    return np.random.default_rng([seed, crc32(set_name.encode()), draw, crc32(own)])


def resized(pairs: Pairs, count: int, shape: tuple[int, int], rng: np.random.Generator) -> Pairs:
    """The best `count` pairs; where there are fewer, filled up with others drawn uniformly from the whole model."""
    if len(pairs) >= count:
        return pairs[:count]
    taken = np.ravel_multi_index((pairs[:, 0], pairs[:, 1]), shape)
    others = np.setdiff1d(np.arange(shape[0] * shape[1]), taken)
    drawn = rng.choice(others, count - len(pairs), replace=False)
    return np.concatenate([pairs, np.stack(np.unravel_index(drawn, shape), axis=1)])


def within_blocks(pairs: Pairs, blocks: Int[np.ndarray, "layer neuron"], rng: np.random.Generator) -> Pairs:
    """As many neurons of every block as `pairs` has, drawn uniformly without replacement."""
    held, counts = np.unique(np.column_stack([pairs[:, 0], blocks[tuple(pairs.T)]]), axis=0, return_counts=True)
    draws = [
        np.column_stack([np.full(count, layer), rng.choice(np.flatnonzero(blocks[layer] == block), count, False)])
        for (layer, block), count in zip(held.tolist(), counts.tolist(), strict=True)
    ]
    return np.concatenate(draws) if draws else pairs[:0]


def over_prompts(table: pa.Table, column: str) -> Float[np.ndarray, "layer neuron"]:
    """The mean over samples of a column of sums, for the tokens of the whole prompt."""
    names, values = dense(table, (column, "num_samples"))
    sums, counts = values[:, names.index(PROMPT)]
    return sums / counts


def magnitude(table: pa.Table, group: str = PROMPT) -> Float[np.ndarray, "layer neuron"]:
    """Mean over samples of the mean |a| over a group's tokens, times the norm of the neuron's column of its reader.

    Args:
        table: an importance table of one site.
        group: whose tokens; those of all of the prompt otherwise. Of one that no sample holds all are 0.
    """
    names, values = dense(table, ("abs_mean_sum", "num_samples", "down_norm"))
    sums, counts, norms = values[:, names.index(group)]
    return sums / np.maximum(counts, 1) * norms


def in_blocks(values: Float[np.ndarray, "layer neuron"], size: int = BLOCK) -> Int[np.ndarray, "layer neuron"]:
    """The block of each neuron in its layer: 0 holds the `size` largest values, and the last what is left over."""
    order = np.argsort(-values, axis=1, kind="stable")
    blocks = np.empty_like(order)
    np.put_along_axis(blocks, order, np.arange(values.shape[1])[None] // size, axis=1)
    return blocks


def compared_on(kind: str, set_name: str, groups: Collection[str]) -> str:
    """The group over whose tokens a control and its set are to write as much.

    Args:
        kind: of the control; a plug-in that says `ON_OWN_TOKENS = True` matches on the tokens of the set's own group.
        set_name: the set, or the group that it is of.
        groups: that there are.
    """
    on_own = getattr(import_module(f"lode.control.{kind}"), "ON_OWN_TOKENS", False)
    return own_or_prompt(set_name, groups) if on_own else PROMPT


def own_or_prompt(set_name: str, groups: Collection[str]) -> str:
    """The group that a set is of; a union is of none, and of the whole prompt."""
    return set_name if set_name in groups else PROMPT


def magnitude_ratios(
    values: Float[np.ndarray, "layer neuron"], pairs: Pairs, controls: Sequence[Pairs]
) -> list[float] | None:
    """The mean magnitude of each control's neurons over that of the set's; None for a set that writes nothing."""
    own = float(values[tuple(pairs.T)].mean())
    return [float(values[tuple(control.T)].mean()) / own for control in controls] if own else None


def smallest_ratio(by_site: Sequence[Sequence[float]] | None, num_controls: int) -> float | None:
    """What is compared with `UNMATCHABLE`: the mean magnitude ratio at the site where it is smallest.

    Args:
        by_site: the ratios of each control at every site of a set; None: not known.
        num_controls: how many draws count, the first; at least one where ratios are known.
    """
    return min(float(np.mean(ratios[:num_controls])) for ratios in by_site) if by_site and num_controls else None
