"""Stage 7g: are the states of the same contents alike in two forms?

Reads `states` of all benchmarks of a model. Samples whose `meta` says the same `item` in two benchmarks, and another
`form`, are pairs (`same_content_text` and `same_content_image`); equal ids say nothing, as two tables of your own may
both be numbered from 0. The cluster of a sample is its content, and several pairs may share it. Compared are contents:
the last token of the prompt, and the mean over the tokens of a group that the reservoir kept of a sample, every group
of the one form with every group of the other, less what templates add, which are the prompts of that form which has
fewer of them (`lode/statistics/content.py`, `lode/statistics/alignment.py`, docs/methods.md 7.12). Whole contents are
permuted. Where a variant changes one form alone, as a blank medium does, the other is as it is: a null of content.
"""

import json
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
    FEWEST_CONTENTS,
    Partners,
    cka,
    cka_null,
    content_kernel,
    permuted_partners,
    retrieval,
    retrieval_null,
)
from lode.statistics.content import Design, design_of, effects, is_defined
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
    """What is known of the samples of a benchmark that say which content they are.

    Attributes:
        form: what shows the contents.
        samples: by item, which two forms have alike: the sample.
        clusters: by sample: the content.
        prompts: by sample.
    """

    form: str
    samples: Mapping[str, str]
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


def content_of(name: str, states: pa.Table, dataset: pa.Table) -> Content | None:
    """What the samples of a benchmark say of their contents: `form` and `item` of `meta`; None where they do not.

    Raises:
        UserError: two samples say the same item, or they are of several forms.
    """
    clusters = dict(zip(states["sample_id"].to_pylist(), states["cluster_id"].to_pylist(), strict=True))
    rows = dataset.filter(pc.is_in(dataset["sample_id"], pa.array(list(clusters), pa.string())))
    rows = rows.select(["sample_id", "prompt", "meta"]).to_pylist()
    said = {row["sample_id"]: json.loads(row["meta"]) for row in rows}
    if not said or not all({"form", "item"} <= set(meta) for meta in said.values()):
        return None
    forms, samples = {str(meta["form"]) for meta in said.values()}, dict[str, str]()
    if len(forms) > 1:
        raise UserError(
            f"{name}: samples of the forms {', '.join(sorted(forms))}; expected one form a benchmark, as `form` of "
            "their meta. Give each form a benchmark of its own"
        )
    for sample, meta in said.items():
        other = samples.setdefault(str(meta["item"]), sample)
        if other != sample:
            raise UserError(
                f"{name}: samples {other} and {sample} both say the item {meta['item']!r}; expected one sample an "
                "item, which pairs it with that of another form. Correct `item` of their meta"
            )
    return Content(forms.pop(), samples, clusters, {row["sample_id"]: row["prompt"] for row in rows})


def shared_of(names: tuple[str, str], contents: tuple[Content, Content]) -> list[str]:
    """The items that two benchmarks show in two forms; none where they show none, or in one form.

    Raises:
        UserError: they are of too few contents, or an item is of two.
    """
    first, second = contents
    if first.form == second.form:
        return []
    shared = sorted(set(first.samples) & set(second.samples))
    for item in shared:
        one, other = (content.clusters[content.samples[item]] for content in contents)
        if one != other:
            raise UserError(
                f"item {item!r} is in cluster {one} of {names[0]} and {other} of {names[1]}; expected the same: the "
                "cluster is the content. Give both one cluster_id"
            )
    count = len({first.clusters[first.samples[item]] for item in shared})
    if 0 < count < FEWEST_CONTENTS:
        raise UserError(
            f"{names[0]} and {names[1]}: {count} contents in both; expected at least {FEWEST_CONTENTS}. Trace more "
            "of them: raise trace.max_samples and trace.reservoir"
        )
    return shared


def templates_of(shared: Sequence[str], contents: tuple[Content, Content]) -> np.ndarray:
    """The template of every item: its prompt in that form of which fewer prompts differ."""
    prompts = [[content.prompts[content.samples[item]] for item in shared] for content in contents]
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


def aligned(x: np.ndarray, y: np.ndarray, design: Design, partners: Partners) -> Row:
    """What one layer of two forms gives; nothing but chance where contents do not differ in a form."""
    same = {"chance": 1 / len(design.names)}
    a, b = effects(design, x), effects(design, y)
    if not (is_defined(a, x) and is_defined(b, y)):
        return same
    first, second = (content_kernel(of, design.noise, design.blocks) for of in (a, b))
    null, told = cka_null(first, second, partners), retrieval_null(a, b, partners)
    return {
        **same,
        "cka": defined(cka(first, second)), "null_high": null.high, "p_value": null.p_value,
        "retrieval": retrieval(a, b), "retrieval_high": told.high, "retrieval_p": told.p_value,
    }  # fmt: skip


def states_of(side: Place, content: Content, items: Sequence[str]) -> np.ndarray:
    """The states of the samples of some items."""
    return side.states[np.searchsorted(side.samples, [content.samples[item] for item in items])]


def held_of(side: Place, content: Content) -> set[str]:
    """The items of which a place has a state."""
    samples = set(side.samples.tolist())
    return {item for item, sample in content.samples.items() if sample in samples}


def pair_rows(
    names: tuple[str, str], forms: tuple[Form, Form], contents: tuple[Content, Content], count: int, seed: int
) -> Iterator[Row]:
    """Rows of `alignment` of two benchmarks; none where they share no item."""
    shared = shared_of(names, contents)
    if not shared:
        return
    templates = dict(zip(shared, templates_of(shared, contents).tolist(), strict=True))
    for variant, *groups in places_in(forms):
        sides = [place_of(form, variant, group) for form, group in zip(forms, groups, strict=True)]
        held = sorted(set(shared).intersection(*(held_of(*each) for each in zip(sides, contents, strict=True))))
        told = np.array([contents[0].clusters[contents[0].samples[item]] for item in held])
        if len(set(told.tolist())) < FEWEST_CONTENTS:
            continue
        blocks = np.array([templates[item] for item in held])
        key: Row = {
            "form_a": names[0],
            "form_b": names[1],
            "variant": variant,
            "group_a": groups[0],
            "group_b": groups[1],
            "num_pairs": len(held),
            "num_templates": len(set(blocks.tolist())),
        }
        x, y = (states_of(side, content, held) for side, content in zip(sides, contents, strict=True))
        yield from layer_rows(key, x, y, design_of(told, blocks), count, seed)


def layer_rows(key: Row, x: np.ndarray, y: np.ndarray, design: Design, count: int, seed: int) -> Iterator[Row]:
    """Rows of two places, layer by layer; nothing is told of too few contents that are no templates."""
    enough = len(design.names) >= FEWEST_CONTENTS
    partners = permuted_partners(design.blocks, count, seed)
    for layer in range(x.shape[1]):
        found = aligned(x[:, layer], y[:, layer], design, partners) if enough else {}
        yield {**key, "num_contents": len(design.names), "layer": layer, **found}


def run(cfg: StepConfig, made_by: Mapping[str, Any]) -> None:
    """Read `io.states` of all benchmarks of a model, and their `io.dataset`; write `io.alignment`.

    Args:
        cfg: seed, align_states, io.
        made_by: the provenance to record.

    Raises:
        UserError: two benchmarks show items of too few contents, or not of one cluster.
    """
    datasets = {Path(path).stem: read_table(path, DATASET) for path in paths_of(cfg.io["dataset"])}
    forms: dict[str, Form] = {}
    contents: dict[str, Content] = {}
    for path in paths_of(cfg.io["states"]):
        name, table = Path(path).stem, read_table(path, STATES)
        if name not in datasets:
            raise UserError(f"{path}: no dataset {name} was given; expected the table of every benchmark as io.dataset")
        if CLEAN not in set(table["variant"].to_pylist()):
            raise UserError(
                f"{path}: no states of the variant `{CLEAN}`; expected those of the samples as they are; trace again"
            )
        content = content_of(name, table, datasets[name])
        if content is None:
            print(f"{name}: its samples do not say `form` and `item` in meta, so no content is known to be theirs")
            continue
        forms[name], contents[name] = form_of(table), content
    rows: list[Row] = []
    for pair in combinations(forms, 2):
        first, second = pair
        both = (forms[first], forms[second]), (contents[first], contents[second])
        rows += pair_rows(pair, *both, cfg.align_states.num_permutations, cfg.seed)
    untold = sorted({f"{row['form_a']} and {row['form_b']}" for row in rows if row["num_contents"] < FEWEST_CONTENTS})
    if untold:
        print(
            f"{', '.join(untold)}: templates connect too few contents, so nothing is told; expected prompts that "
            f"{FEWEST_CONTENTS} contents or more have in common"
        )
    if not rows:
        print(f"no two of {', '.join(datasets)} show the same items in two forms: nothing is aligned")
    write_table(cfg.io["alignment"], ALIGNMENT, rows, made_by)
