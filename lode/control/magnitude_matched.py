"""Magnitude-matched random neurons: from the same layer, nearest in how much they write. The headline where it exists.

Magnitude of neuron n: mean over mining samples of the mean |a_n| over the prompt's tokens, times ||w_n||, where w_n is
its column of down_proj. The neurons of a layer are put in the order of their magnitudes, the largest first, and cut
into blocks of `BLOCK` nearest neighbours. A control has as many neurons of every block as the set has, drawn uniformly
from the whole block, the set's own included.

So where selection does not know what a neuron does, beyond its layer and its size, the set is one such draw among
others: the ranks of its effect are exact (a permutation test within strata). Neighbours from outside the set would be
matched as well, but share neurons with each other and none with the set; a random set then differs from them more than
they do among themselves, and is called special: in up to 0.38 of null reports, where 0.05 was promised.

A selector that knows how much a neuron writes takes the larger ones of a block too, so its controls write a little
less than the set, and effects that grow with what is written would be called special: in 0.5 of the null reports of
`tests/unit/statistics/test_null_reports.py` with sets of the embedded models' size, in 0.6 where they grow with its
square. So a set has to beat its controls per magnitude as well, per its square and its cube (`magnitude_ratios`;
`lode/statistics/verdict.py`), which brings both to 0.02 or less.

A set that beats these controls matters for more than writing much. Three numbers say what that is worth; all are in the
provenance of the neurons table, by kind of control and set. `magnitude_ratios`: the mean magnitude of each control over
that of the set, over several sites their mean. They fall below 1 where a layer has few neurons as large as the set's;
below `UNMATCHABLE` on average, at any of the sites, a difference may be one of magnitude.
`shared_frac`: how much of a control is the set itself. A set that holds most of the
largest neurons of a layer is hardly compared with anything else; above `MOST_SHARED` a difference could hardly show.
`num_different`: how many of its controls differ. A set of one or two neurons has few, and is often one of them.

Source: docs/methods.md 3.4 and 3.5; Rosenbaum, Observational Studies (2002), section 2.4: randomisation within strata.
"""

from collections.abc import Iterator

from lode.control import Selected, in_blocks, magnitude, stream, within_blocks
from lode.neurons import Pairs


def controls(selected: Selected, num_draws: int, seed: int) -> Iterator[dict[str, Pairs]]:
    """Draw from the blocks that each set has neurons in."""
    blocks = in_blocks(magnitude(selected.table))
    for draw in range(num_draws):
        yield {
            name: within_blocks(pairs, blocks, stream(seed, name, draw, pairs)) for name, pairs in selected.sets.items()
        }
