"""Stage 7g: are the states of the same contents alike in two forms?

Reads `states` of all benchmarks of a model. Two benchmarks whose samples have the same ids are one content in two forms
(`same_content_text` and `same_content_image`): their samples are pairs, and the cluster of a sample is its content.
Compared are the last token of the prompt, and the mean over the tokens of a group that the reservoir kept of a sample,
every group of the one form with every group of the other (`lode/statistics/alignment.py`, docs/methods.md 7.12).
Partners are permuted within templates, the prompts of that form which has fewer of them: what both prompts say beside
the content. Where a variant changes one form alone, as a blank medium does, the other is as it is: a null of content.
"""

from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from jaxtyping import Float, Shaped

from lode.config import StepConfig
from lode.engine.errors import UserError
from lode.engine.paths import paths_of
from lode.engine.tables import read_table, write_table
from lode.statistics.alignment import (
    FEWEST_PAIRS,
    Partners,
    cka_null,
    is_defined,
    permuted_partners,
    retrieval,
    retrieval_null,
    unbiased_cka,
)
from lode.statistics.panel import defined
from lode.table._states import CLEAN, LAST, Kept, kept_of, variants_in
from lode.table.alignment import ALIGNMENT
from lode.table.dataset import DATASET
from lode.table.states import STATES

Row = dict[str, Any]


class Place(NamedTuple):
    """One state a sample.

    Attributes:
        samples: their ids, in order.
        states: of each at every layer.
    """

    samples: Shaped[np.ndarray, " sample"]
    states: Float[np.ndarray, "sample layer value"]


#: One form of a model: by variant and group.
Form = dict[tuple[str, str], Place]


class Content(NamedTuple):
    """What is known of samples by their ids: the cluster, which is the content, and the prompt of each form."""

    clusters: Mapping[str, str]
    prompts: Mapping[str, str]


def means_of(kept: Kept, group: str) -> Place:
    """The mean state of each sample over its tokens of a group."""
    part = kept.of(kept.groups == group)
    samples, numbers, counts = np.unique(part.samples, return_inverse=True, return_counts=True)
    totals = np.zeros((len(samples), *part.states.shape[1:]))
    np.add.at(totals, numbers, part.states.astype(np.float64))
    return Place(samples, totals / counts[:, None, None])


def form_of(table: pa.Table) -> Form:
    """The states of every sample by variant and group, `last` among them."""
    found: Form = {}
    for variant in variants_in(table):
        kept = kept_of(table, variant)
        found |= {(variant, group): means_of(kept, group) for group in dict.fromkeys(kept.groups.tolist())}
    return found


def content_of(states: pa.Table, dataset: pa.Table) -> Content:
    """The clusters and the prompts of the samples of a benchmark."""
    clusters = dict(zip(states["sample_id"].to_pylist(), states["cluster_id"].to_pylist(), strict=True))
    rows = dataset.filter(pc.is_in(dataset["sample_id"], pa.array(list(clusters), pa.string())))
    return Content(clusters, dict(zip(rows["sample_id"].to_pylist(), rows["prompt"].to_pylist(), strict=True)))


def shared_of(names: tuple[str, str], contents: tuple[Content, Content]) -> list[str]:
    """The samples of two benchmarks that have the same ids; none where they are not of one content.

    Raises:
        UserError: there are too few of them, or a sample is of two clusters.
    """
    first, second = contents
    shared = sorted(set(first.clusters) & set(second.clusters))
    if 0 < len(shared) < FEWEST_PAIRS:
        raise UserError(
            f"{names[0]} and {names[1]}: {len(shared)} samples in both; expected at least {FEWEST_PAIRS}. Trace more "
            "of them: raise trace.max_samples and trace.reservoir"
        )
    for sample in shared:
        one, other = (content.clusters[sample] for content in contents)
        if one != other:
            raise UserError(
                f"sample {sample} is in cluster {one} of {names[0]} and {other} of {names[1]}; expected the same: the "
                "cluster is the content. Give both one cluster_id"
            )
    return shared


def templates_of(shared: Sequence[str], contents: tuple[Content, Content]) -> np.ndarray:
    """The template of every pair: its prompt in that form of which fewer prompts differ."""
    prompts = [[content.prompts[sample] for sample in shared] for content in contents]
    return np.array(min(prompts, key=lambda each: len(set(each))))


def places_in(forms: tuple[Form, Form]) -> Iterator[tuple[str, str, str]]:
    """Every variant and two groups that are compared: `last` with `last`, any other with any other."""
    variants = dict.fromkeys(variant for form in forms for variant, _ in form)
    groups = [list(dict.fromkeys(group for _, group in form)) for form in forms]
    for variant in variants:
        for first in groups[0]:
            yield from ((variant, first, second) for second in groups[1] if (first == LAST) == (second == LAST))


def place_of(form: Form, variant: str, group: str) -> Place:
    """The states of a group, clean where the form has no such variant."""
    return form.get((variant, group), form[CLEAN, group])


def aligned(x: np.ndarray, y: np.ndarray, contents: np.ndarray, partners: Partners) -> Row:
    """What one layer of two forms gives; nothing but chance where states of a form do not differ."""
    same = {"chance": float(np.equal.outer(contents, contents).mean())}
    if not (is_defined(x) and is_defined(y)):
        return same
    value, found = unbiased_cka(x, y), retrieval(x, y, contents)[0]
    row = {**same, "cka": defined(value), "retrieval": found}
    if (partners == np.arange(len(contents))).all():
        return row  # every template is one pair: nothing to permute
    told = retrieval_null(x, y, contents, partners)
    row |= {"retrieval_high": told.high, "retrieval_p": told.p_value}
    if np.isfinite(value):
        null = cka_null(x, y, partners)
        row |= {"null_high": null.high, "p_value": null.p_value}
    return row


def pair_rows(
    names: tuple[str, str], forms: tuple[Form, Form], contents: tuple[Content, Content], count: int, seed: int
) -> Iterator[Row]:
    """Rows of `alignment` of two benchmarks; none where they share no sample."""
    shared = shared_of(names, contents)
    if not shared:
        return
    templates = dict(zip(shared, templates_of(shared, contents).tolist(), strict=True))
    for variant, *groups in places_in(forms):
        sides = [place_of(form, variant, group) for form, group in zip(forms, groups, strict=True)]
        held = np.intersect1d(sides[0].samples, sides[1].samples)
        held = held[np.isin(held, shared)]
        if len(held) < FEWEST_PAIRS:
            continue
        x, y = (side.states[np.searchsorted(side.samples, held)] for side in sides)
        blocks = np.array([templates[sample] for sample in held.tolist()])
        told = np.array([contents[0].clusters[sample] for sample in held.tolist()])
        partners = permuted_partners(blocks, count, seed)
        key: Row = {
            "form_a": names[0],
            "form_b": names[1],
            "variant": variant,
            "group_a": groups[0],
            "group_b": groups[1],
        }
        key |= {"num_pairs": len(held), "num_contents": len(set(told.tolist()))}
        key |= {"num_templates": len(set(blocks.tolist()))}
        for layer in range(x.shape[1]):
            yield {**key, "layer": layer, **aligned(x[:, layer], y[:, layer], told, partners)}


def run(cfg: StepConfig, made_by: Mapping[str, Any]) -> None:
    """Read `io.states` of all benchmarks of a model, and their `io.dataset`; write `io.alignment`.

    Args:
        cfg: seed, align_states, io.
        made_by: the provenance to record.

    Raises:
        UserError: two benchmarks share some samples, but too few, or not in one cluster.
    """
    datasets = {Path(path).stem: read_table(path, DATASET) for path in paths_of(cfg.io["dataset"])}
    forms: dict[str, Form] = {}
    contents: dict[str, Content] = {}
    for path in paths_of(cfg.io["states"]):
        name, table = Path(path).stem, read_table(path, STATES)
        if name not in datasets:
            raise UserError(f"{path}: no dataset {name} was given; expected the table of every benchmark as io.dataset")
        forms[name], contents[name] = form_of(table), content_of(table, datasets[name])
    rows: list[Row] = []
    for pair in combinations(forms, 2):
        first, second = pair
        both = (forms[first], forms[second]), (contents[first], contents[second])
        rows += pair_rows(pair, *both, cfg.align_states.num_permutations, cfg.seed)
    if not rows:
        print(f"no two of {', '.join(forms)} share samples: nothing is aligned")
    write_table(cfg.io["alignment"], ALIGNMENT, rows, made_by)
