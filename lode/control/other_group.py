"""Other group: the set of each other group, cut or filled up to the same number of neurons.

One draw for every other group. A set that costs more on its own benchmarks than the sets of other groups do
there is specific, not merely important. Cut to the best neurons; filled up with neurons drawn uniformly from the model.
Sets may overlap (MINER's do), and what they share makes the comparison cautious. The union of all groups has no
other group, and so no such control.

Source: docs/methods.md 3.4.
"""

from collections.abc import Iterator

from lode.control import Selected, resized, stream
from lode.neurons import Pairs


def controls(selected: Selected, num_draws: int, seed: int) -> Iterator[dict[str, Pairs]]:
    """One draw for every other group, in the order of the sets; `num_draws` does not matter."""
    del num_draws
    sets = {name: pairs for name, pairs in selected.sets.items() if name != "all"}
    for draw in range(len(sets) - 1):
        others = {name: [other for other in sets if other != name][draw] for name in sets}
        yield {
            name: resized(sets[other], len(sets[name]), selected.shape, stream(seed, name, draw, sets[name]))
            for name, other in others.items()
        }
