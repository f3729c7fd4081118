"""Score every set by strata of samples, and by the classes that its replies name.

Reads the dataset, the scores of samples and the predictions; writes `strata` (a row per score, set, key and stratum:
mean and drop against the clean model, with intervals), `classes` (per score, set and class: recall, precision, F1, what
its samples are called) and `class_summary` (per score and set: accuracy beside guesses, macro-F1, kappa, collapse).

The keys of `dataset.strata` are those of `meta`; the scores of `dataset.classes` read a reply as a choice, and the text
of a choice is its class. Strata of one benchmark share prompts and task, so that they can be compared where benchmarks
cannot; but they are many, and nothing here is corrected for that: what is not declared beforehand is exploratory. Where
strata differ in something else than what they are named by, as kinds of error do in where the gold step is, a habit of
a broken model (one step, whatever is asked) moves them apart: compare within equal values, by a key of several.
"""

from collections.abc import Iterator, Mapping, Sequence
from importlib import import_module
from itertools import chain
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from jaxtyping import Float

from lode.config import StepConfig
from lode.engine.errors import UserError
from lode.engine.paths import paths_of
from lode.engine.tables import read_table, write_table
from lode.neurons import SetKey
from lode.scoring._predictions import by_set, matched_samples
from lode.scoring._scored import Scored
from lode.scoring._strata import in_order, scored_of, strata_of
from lode.statistics.classes import INVALID, best_constant, classes, kappa, uniform
from lode.statistics.intervals import LEVEL, score_intervals
from lode.table.class_summary import CLASS_SUMMARY
from lode.table.classes import CLASSES
from lode.table.dataset import DATASET
from lode.table.predictions import PREDICTIONS
from lode.table.sample_scores import SAMPLE_SCORES
from lode.table.strata import STRATA

Row = Mapping[str, Any]


def stratum_rows(scored: Scored, key: str, strata: np.ndarray) -> Iterator[dict[str, Any]]:
    """One row per stratum and set."""
    for stratum in in_order(set(strata.tolist())):
        inside = strata == stratum
        part = Scored(scored.key, scored.sets, scored.values[:, inside], scored.clusters[inside], scored.num_neurons)
        num_clusters = len(set(part.clusters.tolist()))
        ends = (*part.intervals, *part.drop_intervals) if num_clusters > 1 else ()
        for place, of_set in enumerate(part.sets):
            named = zip(("interval_low", "interval_high", "drop_low", "drop_high"), ends, strict=False)
            yield {
                **scored.key,
                **of_set._asdict(),
                "num_neurons": scored.num_neurons[of_set],
                **{"stratum_key": key, "stratum": stratum},
                **{"num_samples": int(inside.sum()), "num_clusters": num_clusters},
                "value": float(part.means[place]),
                "drop": float(part.means[0] - part.means[place]),
                **{name: float(values[place]) for name, values in named},
            }


def strata_rows(table: pa.Table, dataset: Sequence[Row], keys: Sequence[str], origin: str) -> Iterator[dict[str, Any]]:
    """The rows of `strata`, of every score in the order of the table; raises as `scored_of` and `strata_of` do."""
    by_id = {row["sample_id"]: row for row in dataset}
    for name in table["score_name"].unique().to_pylist():
        scored, ids = scored_of(table.filter(pc.equal(table["score_name"], name)), origin)
        unknown = [sample_id for sample_id in ids if sample_id not in by_id]
        if unknown:
            raise UserError(f"{origin}: sample {unknown[0]!r} is not in the dataset; run the scoring again")
        for key in keys:
            yield from stratum_rows(scored, key, strata_of([by_id[sample_id] for sample_id in ids], key))


def gold_class(sample: Row) -> str:
    """The text of the right choice; raises `UserError` where there is none."""
    if sample["answer_index"] < 0:
        raise UserError(
            f"dataset.classes: sample {sample['sample_id']} has no right choice; expected one in every sample. Leave "
            "the classes out, or add choices"
        )
    return str(sample["choices"][sample["answer_index"]])


def class_rows(
    name: str, of_sets: Mapping[SetKey, Sequence[Row]], samples: Sequence[Row], mined: Sequence[Row]
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """The rows of `classes` and `class_summary` by one score.

    Args:
        name: of the score, whose plug-in has `said`.
        of_sets: the predictions of each set, in the order of the samples; sets without replies are left out.
        samples: rows of the dataset table.
        mined: those that neurons were mined on; of none there is no `mined_constant`.
    """
    plugin = import_module(f"lode.scoring.{name}")
    names = in_order({choice for sample in samples for choice in sample["choices"]})
    gold, known = [gold_class(sample) for sample in samples], [gold_class(sample) for sample in mined]
    clusters = np.array([sample["cluster_id"] for sample in samples])
    guesses = {
        "best_constant": best_constant(gold, gold),
        "mined_constant": best_constant(gold, known) if known else None,
        "uniform": uniform([len(sample["choices"]) for sample in samples]),
    }
    rows: list[dict[str, Any]] = []
    summary: list[dict[str, Any]] = []
    for key, predictions in of_sets.items():
        values = [row[plugin.COLUMN] for row in predictions]
        if plugin.COLUMN == "reply" and None in values:
            continue
        places = zip(plugin.said(values, samples), samples, strict=True)
        said = [sample["choices"][place] if place >= 0 else INVALID for place, sample in places]
        of_set = {"score_name": name, **key._asdict(), "num_neurons": predictions[0]["num_neurons"]}
        rows += [{**of_set, **row} for row in _of_classes(gold, said, names)]
        summary.append({**of_set, **_summary(gold, said, names, clusters, guesses)})
    return rows, summary


def _of_classes(gold: Sequence[str], said: Sequence[str], names: Sequence[str]) -> Iterator[dict[str, Any]]:
    found = classes(gold, said, names)
    for place, name in enumerate(found.names):
        yield {
            "class_name": name,
            "num_gold": int(found.num_gold[place]),
            "num_said": int(found.num_said[place]),
            "num_right": int(found.confusion[place, place]),
            **{of: _or_none(getattr(found, of)[place]) for of in ("recall", "precision", "f1")},
            "said_frac": float(found.num_said[place] / len(gold)),
            "confusion": found.confusion[place].tolist(),
        }


def _summary(
    gold: Sequence[str],
    said: Sequence[str],
    names: Sequence[str],
    clusters: np.ndarray,
    guesses: Mapping[str, float | None],
) -> dict[str, Any]:
    found = classes(gold, said, names)
    right = np.array([[float(one == other) for one, other in zip(gold, said, strict=True)]])
    return {
        "num_samples": len(gold),
        "accuracy": float(right.mean()),
        **_certainty(right, clusters, best_constant(gold, gold)),
        "macro_f1": found.macro_f1,
        "kappa": _or_none(kappa(gold, said)),
        "said_entropy": found.said_entropy,
        "invalid_frac": found.invalid_frac,
        **guesses,
    }


def _certainty(
    right: Float[np.ndarray, "1 sample"], clusters: np.ndarray, constant: float
) -> dict[str, float | bool | None]:
    """The interval of an accuracy, and whether it lies above a constant; null of one cluster, which has no spread."""
    if len(set(clusters.tolist())) < 2:
        return dict.fromkeys(("interval_low", "interval_high", "above_constant"))
    (low,), (high,) = score_intervals(right, clusters, LEVEL)
    return {"interval_low": float(low), "interval_high": float(high), "above_constant": bool(low > constant)}


def _or_none(value: float) -> float | None:
    return None if np.isnan(value) else float(value)


def run(cfg: StepConfig, made_by: Mapping[str, Any]) -> None:
    """Read `io.dataset`, `io.sample_scores` and all shards of `io.predictions`; write the three tables.

    Args:
        cfg: dataset.name, dataset.strata, dataset.classes, io.
        made_by: the provenance to record.

    Raises:
        UserError: a key is not in the `meta` of a sample, a sample has no class, or the tables do not fit each other.
    """
    dataset = read_table(cfg.io["dataset"], DATASET).drop_columns(["media"]).to_pylist()
    table = read_table(cfg.io["sample_scores"], SAMPLE_SCORES)
    rows = list(strata_rows(table, dataset, list(cfg.dataset.strata), str(cfg.io["sample_scores"])))
    write_table(cfg.io["strata"], STRATA, rows, made_by)
    found = [*_classes(cfg, dataset)]
    for place, (name, of) in enumerate((("classes", CLASSES), ("class_summary", CLASS_SUMMARY))):
        named = [{"dataset": cfg.dataset.name, **row} for row in chain.from_iterable(part[place] for part in found)]
        write_table(cfg.io[name], of, named, made_by)


def _classes(cfg: StepConfig, dataset: Sequence[Row]) -> Iterator[tuple[list[dict[str, Any]], list[dict[str, Any]]]]:
    """The rows of both tables of classes, score by score."""
    if not cfg.dataset.classes:
        return
    paths = paths_of(cfg.io["predictions"])
    origin = ", ".join(paths)
    groups = by_set([row for path in paths for row in read_table(path, PREDICTIONS).to_pylist()], origin)
    samples = matched_samples(dataset, groups, origin)
    of_sets = {key: [by_id[sample["sample_id"]] for sample in samples] for key, by_id in groups.items()}
    mined = [row for row in dataset if row["split"] == "mine"]
    for name in cfg.dataset.classes:
        yield class_rows(name, of_sets, samples, mined)
