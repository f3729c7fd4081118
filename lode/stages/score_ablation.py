"""Score every neuron set, and compare each method's set with the clean model and with its controls.

Reads the dataset and predictions tables; writes `scores` (one row per score and set, with an interval; one of the sets,
`constant`, is the chance level: the best guess that does not look at the prompt), `effects` (one row per score, method
set and kind of control: the drop against the clean model with a paired interval, and its rank among the drops of the
matched controls of that kind) and `sample_scores`. Rows are put in a fixed order first, so no table depends on the
order of the predictions.

Every benchmark has the same first two outcomes, whatever its scores: *content* (nats of the gold answer, the primary
one) and *stopping* (nats of the end token after it). Then come its own scores, the headline first, which must be one
that what follows the answer cannot change. A score of replies is taken of the sets that wrote some.
"""

from collections.abc import Mapping, Sequence
from importlib import import_module
from itertools import chain
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float

from lode.config import StepConfig
from lode.engine.errors import UserError
from lode.engine.tables import read_table, write_table
from lode.neurons import SetKey
from lode.scoring import UNITS
from lode.scoring._predictions import CONSTANT, by_set, constant_replies, matched_samples, order
from lode.scoring._scored import Scored
from lode.table.dataset import DATASET
from lode.table.effects import EFFECTS
from lode.table.predictions import PREDICTIONS
from lode.table.sample_scores import SAMPLE_SCORES
from lode.table.scores import SCORES

Row = Mapping[str, Any]
#: Columns of the predictions that are likelihoods of the gold answer, which every set has.
OF_GOLD = ("gold_log_likelihood", "gold_token_log_likelihood", "end_log_likelihood")


class Outcome(NamedTuple):
    """One number a sample: the score's name, its role (column `outcome` of the tables), and its plug-in."""

    name: str
    role: str
    plugin: Any


def outcomes(names: Sequence[str]) -> list[Outcome]:
    """Content, stopping, and the scores of a benchmark, the headline first."""
    roles = {"content": "content", "stopping": "stopping", names[0]: "score"}
    listed = dict.fromkeys(("content", "stopping", *names))
    return [Outcome(name, roles.get(name, "beside"), import_module(f"lode.scoring.{name}")) for name in listed]


def scored_sets(rows: Mapping[SetKey, Sequence[Row]], column: str, origin: str) -> list[SetKey]:
    """The sets that have what a score needs, in order: those that wrote replies, or all.

    Raises:
        UserError: a set has it for some samples only.
    """
    held = {key: sum(row[column] is not None for row in of_set) for key, of_set in rows.items()}
    for key, count in held.items():
        if column == "reply" and 0 < count < len(rows[key]):
            raise UserError(
                f"{origin}: set {key.set_name!r} has a reply to {count} of {len(rows[key])} samples; expected all or "
                "none: run the ablation again"
            )
    return [key for key in rows if column != "reply" or held[key]]


def score_sets(
    plugin: Any, rows: Mapping[SetKey, Sequence[Row]], samples: Sequence[Row]
) -> Float[np.ndarray, "neuron_set sample"]:
    """Apply one score to sets; what is equal for one sample is scored once.

    The chance level of a score of replies is the score of a constant reply; a score of the gold answer knows its own.

    Args:
        plugin: the module `lode/scoring/<name>.py`.
        rows: per set, one row of the predictions table per sample.
        samples: rows of the dataset table.

    Raises:
        UserError: the plug-in does not return one number per sample within its range.
    """
    asked = [of_set for key, of_set in rows.items() if key != CONSTANT]
    found = iter(_scored(plugin, asked, samples))
    clean = next((of_set for key, of_set in rows.items() if key.kind == "clean"), [])
    return np.array([_constant(plugin, samples, clean) if key == CONSTANT else next(found) for key in rows])


def _constant(plugin: Any, samples: Sequence[Row], clean: Sequence[Row]) -> Float[np.ndarray, " sample"]:
    """The chance level of one score: the best constant reply, or what the score itself says of a guess.

    Args:
        plugin: the score.
        samples: rows of the dataset table.
        clean: predictions of the clean model, which know the lengths of the gold answers.
    """
    if plugin.COLUMN not in OF_GOLD:
        return max(_scored(plugin, constant_replies(samples), samples), key=np.mean)
    lengths = [{"num_gold_tokens": row["num_gold_tokens"]} for row in clean]
    answers = [{**sample, **length} for sample, length in zip(samples, lengths, strict=True)]
    return np.asarray(plugin.chance(answers))


def _scored(
    plugin: Any, rows: Sequence[Sequence[Row]], samples: Sequence[Row]
) -> Float[np.ndarray, "neuron_set sample"]:
    replies = [[hashable(row[plugin.COLUMN]) for row in of_set] for of_set in rows]
    pairs = list(dict.fromkeys((i, reply) for of_set in replies for i, reply in enumerate(of_set)))
    values = plugin.score([reply for _, reply in pairs], [samples[i] for i, _ in pairs])
    low, high = UNITS[plugin.UNIT]
    if values.shape != (len(pairs),) or not np.all((values >= low) & (values <= high) & np.isfinite(values)):
        raise UserError(
            f"score {plugin.__name__} gave shape {values.shape} from {values.min()} to {values.max()}; expected "
            f"{len(pairs)} numbers in [{low:g}, {high:g}], one per reply: correct "
            f"{plugin.__name__.replace('.', '/')}.py"
        )
    value_of = dict(zip(pairs, values.tolist(), strict=True))
    return np.array([[value_of[pair] for pair in enumerate(of_set)] for of_set in replies])


def hashable(value: Any) -> Any:
    """A list as a tuple."""
    return tuple(value) if isinstance(value, list) else value


def run(cfg: StepConfig, made_by: Mapping[str, Any]) -> None:
    """Read `io.dataset` and all shards of `io.predictions`; write `io.scores`, `io.effects` and `io.sample_scores`.

    Args:
        cfg: dataset.name, dataset.scores, io.
        made_by: the provenance to record.

    Raises:
        UserError: no score is named, the predictions do not fit the dataset, or they hold
            fewer than two clusters.
    """
    names = list(cfg.dataset.scores)
    if not names:
        raise UserError(f"dataset {cfg.dataset.name!r} names no score; expected dataset.scores to list at least one")
    dataset = read_table(cfg.io["dataset"], DATASET).drop_columns(["media"]).to_pylist()
    origin = ", ".join(cfg.io["predictions"])
    shards = [read_table(path, PREDICTIONS) for path in cfg.io["predictions"]]
    groups = by_set([row for shard in shards for row in shard.to_pylist()], origin)
    samples = matched_samples(dataset, groups, origin)
    rows = {key: [by_id[sample["sample_id"]] for sample in samples] for key, by_id in groups.items()}
    rows = {key: rows.get(key) or constant_replies(samples)[0] for key in sorted([*rows, CONSTANT], key=order)}
    clusters = np.array([sample["cluster_id"] for sample in samples])
    if len(set(clusters.tolist())) < 2:
        raise UserError(f"{origin}: one cluster; expected at least two, as an interval needs variation")
    num_neurons = {key: of_set[0]["num_neurons"] for key, of_set in rows.items()}
    scored = []
    for outcome in outcomes(names):
        sets = scored_sets(rows, outcome.plugin.COLUMN, origin)
        values = score_sets(outcome.plugin, {key: rows[key] for key in sets}, samples)
        key = {"dataset": cfg.dataset.name, "score_name": outcome.name, "outcome": outcome.role}
        scored.append(Scored({**key, "unit": outcome.plugin.UNIT}, sets, values, clusters, num_neurons))
    write_table(cfg.io["scores"], SCORES, [row for of in scored for row in of.score_rows(rows, samples)], made_by)
    write_table(cfg.io["effects"], EFFECTS, [row for of in scored for row in of.effect_rows()], made_by)
    parts = [of.sample_columns(samples) for of in scored]
    columns = {name: list(chain.from_iterable(part[name] for part in parts)) for name in parts[0]}
    write_table(cfg.io["sample_scores"], SAMPLE_SCORES, columns, made_by)
