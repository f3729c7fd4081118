"""The panel of convergence over the layers of two groups of tokens, with its nulls.

Source: docs/methods.md 7.11.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from lode.statistics.convergence import PANEL, Cloud, Estimate, probe_area
from lode.statistics.jackknife import jackknife_interval
from lode.statistics.label_nulls import holds_both, panel_nulls, permuted_labels

#: The share of draws that the range of a null holds.
RANGE = (0.025, 0.975)
Ends = tuple[float, float]


class Panel(NamedTuple):
    """What the panel says.

    Attributes:
        estimates: by measure, layer by layer.
        nulls: by measure, the range under permuted labels, layer by layer; nothing where none were permuted.
        position_probe: area of a probe that knows positions alone.
        num_shared: clusters that hold both groups: of none, no label can be permuted.
    """

    estimates: Mapping[str, Sequence[Estimate]]
    nulls: Mapping[str, Sequence[Ends]]
    position_probe: float
    num_shared: int


def panel(clouds: Sequence[Cloud], num_permutations: int, seed: int) -> Panel:
    """Every measure at every layer.

    Args:
        clouds: the same tokens at every layer, from the input on.
        num_permutations: of labels within clusters; 0: no null.
        seed: of these.
    """
    start = clouds[0]
    estimates = {name: [measure(cloud) for cloud in clouds] for name, measure in PANEL.items()}
    shared = holds_both(start.second, start.clusters)
    nulls: dict[str, list[Ends]] = {}
    if shared and num_permutations:
        draws = permuted_labels(start.second, start.clusters, num_permutations, seed)
        ranges = [{name: between(of) for name, of in panel_nulls(cloud, draws).items()} for cloud in clouds]
        nulls = {name: [each[name] for each in ranges] for name in PANEL}
    return Panel(estimates, nulls, probe_area(start, use_states=False).value, shared)


def between(draws: Float[np.ndarray, " draw"]) -> Ends:
    """The range that holds 95 % of draws."""
    low, high = np.quantile(draws, RANGE)
    return float(low), float(high)


def ends(found: Estimate) -> tuple[float | None, float | None]:
    """The 95 % interval of an estimate, None where it is not defined."""
    defined = np.isfinite(found.value) and np.isfinite(found.pseudo).all() and len(found.pseudo) > 1
    return jackknife_interval(found.value, found.pseudo) if defined else (None, None)


def defined(value: float) -> float | None:
    """A number, None where it is not one."""
    return float(value) if np.isfinite(value) else None


def unit(states: Float[np.ndarray, "token value"]) -> Float[np.ndarray, "token value"]:
    """States of length 1; one without length stays as it is."""
    lengths = np.linalg.norm(states, axis=1, keepdims=True)
    return np.asarray(states / np.where(lengths > 0, lengths, 1))
