"""Random neurons matched in how much they write on the tokens of the set's own group: from the same layer.

As `magnitude_matched`, with |a_n| averaged over the tokens of the group that a set is of, in place of all of the
prompt. A set is chosen for what its neurons do on its own tokens, and is loud there beside neurons that write as much
over all prompts; an effect in proportion to what is written there would put it above those. It has to beat these to
matter for more than being loud on its own. Union sets (`all`) are of no one group, and are matched over the prompt.

Not matched: what is written elsewhere. A control that is as loud on the set's own tokens is mostly loud on others too,
so it writes more than the set over all prompts, and costs other groups more: `magnitude_ratios` are those of the own
tokens. Compare what is lost on the own benchmarks, and shifts of own tokens; a selectivity above these is partly that
of the choice.

Source: docs/methods.md 3.4 and 3.5.
"""

from collections.abc import Iterator

from lode.control import Selected, in_blocks, magnitude, own_or_prompt, stream, within_blocks
from lode.neurons import Pairs

ON_OWN_TOKENS = True


def controls(selected: Selected, num_draws: int, seed: int) -> Iterator[dict[str, Pairs]]:
    """Draw from the blocks, by what is written on a set's own tokens, that it has neurons in."""
    held = set(selected.table["group"].unique().to_pylist())
    blocks = {name: in_blocks(magnitude(selected.table, own_or_prompt(name, held))) for name in selected.sets}
    for draw in range(num_draws):
        yield {
            name: within_blocks(pairs, blocks[name], stream(seed, name, draw, pairs))
            for name, pairs in selected.sets.items()
        }
