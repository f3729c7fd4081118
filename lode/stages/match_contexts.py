"""Stage 7i: which state of a word, at which layer, the tokens of each group are nearest to.

Reads `states` and `vocabulary` of a traced benchmark, and its dataset, of which `meta.objects` says what samples show.
The bank is all words of the clean prompts in the reservoir, but special tokens, at the layers of `bank_layers`; what
looks for the nearest is every token of the reservoir, at every layer and under every variant. Words among themselves
are the measure to read by: of a word at a layer of the bank the nearest state should be of that layer. Writes
`contextual`; the statistic is that of `lode/statistics/contextual.py`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from jaxtyping import Float64, Int, Shaped

from lode.config import StepConfig
from lode.dataset._objects import objects_of
from lode.engine.errors import UserError
from lode.engine.tables import read_table, write_table
from lode.statistics.contextual import Bank, bank_layers, bank_of, names_any, nearest
from lode.statistics.stages import mean_of
from lode.table.contextual import CONTEXTUAL
from lode.table.dataset import DATASET
from lode.table.states import STATES
from lode.table.vocabulary import VOCABULARY

Row = dict[str, Any]
#: Words that are looked for: of a sample's own objects, and of others'.
Wanted = Mapping[str, tuple[Sequence[str], Sequence[str]]]
CLEAN, MEDIA, WORDS = "clean", "media", "words"
#: What is taken of every token.
MEASURES = ("cosine", "nearest_layer", "named", "other_named")


@dataclass(frozen=True)
class Cell:
    """What was found of some tokens of a group under a variant at one layer, by sample in the order of ids.

    Attributes:
        samples: their ids.
        clusters: of these.
        num_tokens: of all.
        values: means over the tokens of each, by measure; not a number where no word of objects can be named.
    """

    samples: list[str]
    clusters: Shaped[np.ndarray, " sample"]
    num_tokens: int
    values: Mapping[str, Float64[np.ndarray, " sample"]]


def states_of(table: pa.Table) -> np.ndarray:
    """The states of rows, as one array (row, value)."""
    column = table["state"].combine_chunks()
    return np.asarray(column.flatten().to_numpy()).reshape(len(table), -1)


def word_bank(table: pa.Table, vocabulary: Mapping[int, str]) -> Bank:
    """The bank of a benchmark.

    Args:
        table: of states.
        vocabulary: by token id the word, in small letters and without blanks; of special tokens none.

    Raises:
        UserError: there are no words of two clusters.
    """
    layers = bank_layers(pc.max(table["layer"]).as_py())
    is_word = pc.is_in(table["token_id"], pa.array(list(vocabulary), pa.int32()))
    kept = pc.and_(pc.equal(table["variant"], CLEAN), pc.and_(is_word, pc.invert(table["is_last"])))
    entries = table.filter(pc.and_(kept, pc.is_in(table["layer"], pa.array(layers, pa.int16()))))
    clusters = np.array(entries["cluster_id"].to_pylist())
    if len(np.unique(clusters)) < 2:
        raise UserError(
            "the states hold words of fewer than two clusters of samples, so no word of another one can be nearest; "
            "expected prompts with words that are no special tokens: raise trace.max_samples or trace.reservoir"
        )
    words = [vocabulary[token] for token in entries["token_id"].to_pylist()]
    return bank_of(states_of(entries), clusters, entries["layer"].to_numpy(), words)


def wanted_words(samples: Sequence[Mapping[str, Any]], bank: Bank) -> Wanted:
    """By sample the words of its objects that the bank has, and as many that it has not, of the samples after it.

    Of a sample without such words, or where the others together show fewer, there is nothing.
    """
    names, found = set(bank.names.tolist()), {}
    known = [[word.lower() for word in objects_of(sample)] for sample in samples]
    for at, (sample, own) in enumerate(zip(samples, known, strict=True)):
        held = [word for word in own if word in names]
        ring = dict.fromkeys(word for words in [*known[at + 1 :], *known[:at]] for word in words)
        beside = [word for word in ring if word in names and word not in own][: len(held)]
        if held and len(beside) == len(held):
            found[sample["sample_id"]] = held, beside
    return found


def cell_of(part: pa.Table, bank: Bank, wanted: Wanted) -> Cell:
    """What the rows of one layer come to."""
    ids = np.array(part["sample_id"].to_pylist())
    clusters = np.array(part["cluster_id"].to_pylist())
    found = nearest(states_of(part), clusters, bank)
    asked = np.array([name in wanted for name in ids])
    sides = [
        np.where(asked, names_any(found.words, [wanted.get(name, ((), ()))[side] for name in ids], bank), np.nan)
        for side in (0, 1)
    ]
    samples, first, codes = np.unique(ids, return_index=True, return_inverse=True)
    values = zip(MEASURES, (found.cosine, found.layer, *sides), strict=True)
    means = {name: over_samples(np.asarray(of, dtype=np.float64), codes) for name, of in values}
    return Cell(samples.tolist(), clusters[first], len(ids), means)


def over_samples(
    values: Float64[np.ndarray, " token"], codes: Int[np.ndarray, " token"]
) -> Float64[np.ndarray, " sample"]:
    """Means over the tokens of each sample."""
    return np.asarray(np.bincount(codes, weights=values) / np.bincount(codes))


def row_of(cell: Cell, clean: Cell | None) -> Row:
    """A row of `contextual`, but for its keys."""
    layer = mean_of(cell.values["nearest_layer"], cell.clusters)
    row = {
        "num_samples": len(cell.samples),
        "num_tokens": cell.num_tokens,
        "cosine": float(cell.values["cosine"].mean()),
        "nearest_layer": layer.value,
        **{"interval_low": layer.low, "interval_high": layer.high},
    }
    if clean is not None:
        gap = mean_of(clean.values["nearest_layer"] - cell.values["nearest_layer"], cell.clusters)
        row |= {"difference": gap.value, "difference_low": gap.low, "difference_high": gap.high}
    named, other = cell.values["named"], cell.values["other_named"]
    kept = ~np.isnan(named)
    if kept.any():
        gap = mean_of(named[kept] - other[kept], cell.clusters[kept])
        row |= {"named": float(named[kept].mean()), "other_named": float(other[kept].mean())}
        row |= {"named_gap": gap.value, "gap_low": gap.low, "gap_high": gap.high}
    return {**row, "num_named": int(kept.sum())}


def context_rows(table: pa.Table, bank: Bank, wanted: Wanted) -> list[Row]:
    """All rows of `contextual`, clean first.

    Raises:
        UserError: a variant was traced on other samples than `clean`.
    """
    rows: list[Row] = []
    found: dict[tuple[str, str, int], Cell] = {}
    variants = table["variant"].unique().to_pylist()
    for variant in sorted(variants, key=lambda name: name != CLEAN):
        of_variant = table.filter(pc.equal(table["variant"], variant))
        for group in of_variant["group"].unique().to_pylist():
            of_group = of_variant.filter(pc.equal(of_variant["group"], group))
            is_media = pc.less(of_group["token_id"], 0)
            for tokens, kept in ((MEDIA, is_media), (WORDS, pc.invert(is_media))):
                part = of_group.filter(kept)
                for layer in sorted(part["layer"].unique().to_pylist()):
                    cell = cell_of(part.filter(pc.equal(part["layer"], layer)), bank, wanted)
                    clean = found.setdefault((group, tokens, layer), cell)
                    if clean.samples != cell.samples:
                        raise UserError(f"group {group}, variant {variant}: other samples than `clean`; trace again")
                    key = {"variant": variant, "group": group, "tokens": tokens, "layer": layer}
                    rows.append({**key, **row_of(cell, None if variant == CLEAN else clean)})
    return rows


def run(cfg: StepConfig, made_by: Mapping[str, Any]) -> None:
    """Read `io.states`, `io.vocabulary` and `io.dataset`; write `io.contextual`.

    Args:
        cfg: io.
        made_by: the provenance to record.

    Raises:
        UserError: the states hold no words to compare with, or variants differ in their samples.
    """
    table = read_table(cfg.io["states"], STATES)
    said = [row for row in read_table(cfg.io["vocabulary"], VOCABULARY).to_pylist() if row["is_word"]]
    words = {row["token_id"]: row["token"].strip().lower() for row in said}
    bank = word_bank(table, {token: word for token, word in words.items() if word})
    samples = read_table(cfg.io["dataset"], DATASET).select(["sample_id", "meta"]).to_pylist()
    traced = set(table["sample_id"].unique().to_pylist())
    wanted = wanted_words([sample for sample in samples if sample["sample_id"] in traced], bank)
    write_table(cfg.io["contextual"], CONTEXTUAL, context_rows(table, bank, wanted), made_by)
