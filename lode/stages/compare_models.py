"""Do sets of two models around one language model share neurons: those found with images, and with sounds?

Models whose manifests name the same file of weights for a part index the same neurons there. For every pair of their
sets the shared neurons of the language model's gates are counted, and set beside two nulls: random sets with as many
neurons in every layer (exact), and the matched controls of the one with the set of the other, and the reverse. Neither
holds what two sets share because both were told from the same text, nor loudness in another unit than the controls are
matched by (docs/methods.md 4.22).
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations, product
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow.compute as pc

from lode.config import StepConfig
from lode.control import headline_first
from lode.engine.errors import UserError
from lode.engine.paths import paths_of
from lode.engine.tables import read_provenance, read_table, write_table
from lode.model.parts import LANGUAGE_MODELS
from lode.neurons import ALL, LM_GATE, NeuronSet, Pairs, sets_of, unique_pairs
from lode.statistics.overlap import num_shared, overlap
from lode.statistics.ranked import alike
from lode.statistics.significance import rank_p_value
from lode.statistics.stability import jaccard
from lode.statistics.verdict import why_unmatched
from lode.table._keys import keys_of
from lode.table.importance import IMPORTANCE
from lode.table.neurons import NEURONS
from lode.table.overlaps import OVERLAPS

Row = dict[str, Any]


class Chosen(NamedTuple):
    """A set of the method in the gates of the language model, and its controls of the headline kind.

    `unmatched` says why these are none, by how they resemble the set at all of its sites; empty: they are.
    """

    name: str
    pairs: Pairs
    kind: str
    controls: Sequence[Pairs]
    unmatched: str = ""


def at_gates(neuron_set: NeuronSet) -> Pairs:
    """The neurons of a set in the gates of the language model."""
    return neuron_set.places.get(LM_GATE, unique_pairs([]))


def chosen_sets(sets: Sequence[NeuronSet], facts: Mapping[str, Any]) -> list[Chosen]:
    """The sets of the method, each with its controls of the kind that comes first; the union would repeat them.

    Args:
        sets: all of a neurons table.
        facts: its provenance: how far controls resemble their sets.
    """
    found = []
    for each in (each for each in sets if each.key.kind == "method" and each.key.set_name != ALL):
        own = [other for other in sets if other.key.control_of == each.key.set_name]
        kind = next(iter(headline_first({other.key.control_kind for other in own})), "")
        draws = sorted((o for o in own if o.key.control_kind == kind), key=lambda other: other.key.control_draw)
        name, controls = each.key.set_name, [at_gates(draw) for draw in draws]
        unmatched = why_unmatched(alike(facts, kind, name, len(draws))) or ""
        found.append(Chosen(name, at_gates(each), kind, controls, unmatched))
    return found


def weights_of(manifest: str | Path) -> set[str]:
    """The digest of the file that the language model of a model in parts is read from; none of another."""
    made = json.loads(Path(manifest).read_text()).get("made_of", {"wheels": []})
    return {part["sha256"] for part in made["wheels"] if part["part"] in LANGUAGE_MODELS}


def widths_of(importance: str | Path) -> dict[int, int]:
    """Neurons of each layer's gate; raises `UserError` where it was not captured."""
    table = read_table(importance, IMPORTANCE)
    held = table.filter(pc.equal(table["site"], LM_GATE))
    if not len(held):
        raise UserError(
            f"{importance}: no neuron of the site {LM_GATE}; capture it too (capture.sites), or drop the figure"
        )
    of_one = held.filter(pc.equal(held["group"], held["group"][0]))
    return {row["values"]: row["counts"] for row in of_one["layer"].value_counts().to_pylist()}


def overlap_row(one: Chosen, other: Chosen, widths: Mapping[int, int]) -> Row:
    """What two sets share, beside both nulls."""
    found = overlap(one.pairs, other.pairs, widths)
    alike = one.kind == other.kind  # ranks under two kinds of null are not put together
    by_a = [num_shared(draw, other.pairs) for draw in one.controls if alike]
    by_b = [num_shared(one.pairs, draw) for draw in other.controls if alike]
    return {
        "set_a": one.name,
        "set_b": other.name,
        "num_a": len(one.pairs),
        "num_b": len(other.pairs),
        "num_shared": found.num_shared,
        "jaccard": jaccard(one.pairs, other.pairs),
        "expected": found.expected,
        "chance_p": found.p_value,
        "control_kind": one.kind if alike else "",
        "shared_by_controls_a": by_a,
        "shared_by_controls_b": by_b,
        "p_value": max(rank_p_value(float(found.num_shared), list(map(float, draws))) for draws in (by_a, by_b)),
        "unmatched": "; ".join(f"{each.name}: {each.unmatched}" for each in (one, other) if each.unmatched),
    }


def rows_of(
    models: Mapping[str, list[Chosen]], weights: Mapping[str, set[str]], widths: Mapping[str, Mapping[int, int]]
) -> Iterator[Row]:
    """Every pair of sets of every two models that hold the same weights.

    Args:
        models: the sets of each.
        weights: digests of its parts.
        widths: neurons of each layer.

    Raises:
        UserError: models with the same weights differ in their layers.
    """
    for pair in combinations(models, 2):
        first, second = pair
        if not weights[first] & weights[second]:
            continue
        if widths[first] != widths[second]:
            raise UserError(
                f"{first} and {second} are read from the same file of weights and differ in their layers: "
                f"{len(widths[first])} and {len(widths[second])}; expected one language model. Capture both again"
            )
        for one, other in product(models[first], models[second]):
            yield {"model_a": first, "model_b": second, **overlap_row(one, other, widths[first])}


def run(cfg: StepConfig, made_by: Mapping[str, Any]) -> None:
    """Read `io.manifest`, `io.importance` and `io.neurons` of all models; write `io.overlaps`.

    Args:
        cfg: io.
        made_by: the provenance to record.

    Raises:
        UserError: that of `rows_of`.
    """
    models = {
        keys_of("neurons", path)["model"]: chosen_sets(sets_of(read_table(path, NEURONS)), read_provenance(path))
        for path in paths_of(cfg.io["neurons"])
    }
    weights = {Path(path).parent.name: weights_of(path) for path in paths_of(cfg.io["manifest"])}
    widths = {keys_of("importance", path)["model"]: widths_of(path) for path in paths_of(cfg.io["importance"])}
    write_table(cfg.io["overlaps"], OVERLAPS, list(rows_of(models, weights, widths)), made_by)
