"""Score the replies of every neuron set, and compare each method's set with the clean model and with its controls.

Reads the dataset and predictions tables; writes `scores` (one row per score and set, with a cluster bootstrap interval;
one of the sets, `constant`, is the chance level: every sample gets the commonest answer for a reply),
`effects` (one row per score, method set and kind of control: the drop against the clean model with a paired interval,
and its rank among the drops of the matched controls of that kind) and `sample_scores`. Rows are put in a fixed order
first, so no table depends on the order of the predictions. The first of `dataset.scores` and the first kind of control
are the headline, and come first.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float

from lode.artifacts import read_table, write_table
from lode.diagnostics import loops, parses
from lode.errors import UserError
from lode.shapes import headline_first
from lode.statistics.bootstrap import cluster_intervals, cluster_totals
from lode.statistics.effect_size import matched_odds_ratio, paired_cohen_d
from lode.statistics.significance import is_binary, mcnemar_p_value, rank_p_value

Row = Mapping[str, Any]
_KINDS = ("clean", "blanked", "constant", "method", "control")  # the order of the output rows


class NeuronSet(NamedTuple):
    """What identifies a set in the predictions table; the fields are its columns."""

    set_name: str
    kind: str
    control_of: str
    control_kind: str
    control_draw: int
    num_neurons: int


def order(key: NeuronSet) -> tuple[int, NeuronSet]:
    """The place of a set in the output: by kind, then by name."""
    return _KINDS.index(key.kind), key


def by_set(predictions: Sequence[Row], origin: str) -> dict[NeuronSet, dict[str, Row]]:
    """Group predictions: by set (in the order of `_KINDS`), then by sample id.

    Raises:
        UserError: a set predicts a sample twice, a log-likelihood is not finite, a kind is unknown, there is
            not exactly one clean set, or a control names no method set.
    """
    groups: dict[NeuronSet, dict[str, Row]] = {}
    for row in predictions:
        replies = groups.setdefault(NeuronSet(*(row[name] for name in NeuronSet._fields)), {})
        where = f"{origin}: set {row['set_name']!r}, sample {row['sample_id']!r}"
        if row["sample_id"] in replies:
            raise UserError(f"{where} occurs twice; expected one reply per set and sample: delete the file, run again")
        if row["kind"] not in _KINDS:
            raise UserError(f"{where}: kind is {row['kind']!r}; expected one of {', '.join(_KINDS)}")
        if not np.isfinite(row["gold_log_likelihood"]):
            raise UserError(
                f"{where}: gold_log_likelihood is {row['gold_log_likelihood']}; expected a finite number of nats: "
                "the model's logits are broken there, try another dtype or intervention"
            )
        replies[row["sample_id"]] = row
    clean = sum(key.kind == "clean" for key in groups)
    if clean != 1:
        raise UserError(
            f"{origin}: {clean} sets of kind 'clean'; expected exactly one, the unmodified model, named 'none': "
            "every effect is a difference from it, so run the ablation again with it"
        )
    methods = {key.set_name for key in groups if key.kind == "method"}
    orphans = sorted({key.control_of for key in groups if key.kind == "control"} - methods)
    if orphans:
        raise UserError(
            f"{origin}: controls of {orphans[0]!r}, which is no method set here; expected one of "
            f"{', '.join(sorted(methods)) or '(none)'}: run the selection and the ablation again"
        )
    return {key: groups[key] for key in sorted(groups, key=order)}


def matched_samples(dataset: Sequence[Row], groups: Mapping[NeuronSet, Mapping[str, Row]], origin: str) -> list[Row]:
    """The dataset rows that were predicted, sorted by sample id: one or more whole splits.

    Raises:
        UserError: a sample id is twice in the dataset, predicted but not in it, or missing from a set; or a cluster
            differs.
    """
    rows = {row["sample_id"]: row for row in dataset}
    if len(rows) != len(dataset):
        raise UserError(f"the dataset has {len(dataset) - len(rows)} repeated sample ids; expected unique ones")
    again = "the dataset changed since: run the ablation again"
    splits = set()
    for key, replies in groups.items():
        for sample_id, row in replies.items():
            if sample_id not in rows:
                raise UserError(f"{origin}: set {key.set_name!r} has sample {sample_id!r}, not in the dataset; {again}")
            if row["cluster_id"] != rows[sample_id]["cluster_id"]:
                raise UserError(
                    f"{origin}: sample {sample_id!r} is in cluster {row['cluster_id']!r}; "
                    f"expected {rows[sample_id]['cluster_id']!r}, as in the dataset; {again}"
                )
            splits.add(rows[sample_id]["split"])
    samples = [rows[sample_id] for sample_id in sorted(rows) if rows[sample_id]["split"] in splits]
    for key, replies in groups.items():
        if len(replies) < len(samples):
            missing = next(s["sample_id"] for s in samples if s["sample_id"] not in replies)
            raise UserError(
                f"{origin}: set {key.set_name!r} ({key.kind}, {key.num_neurons} neurons) has {len(replies)} of the "
                f"{len(samples)} samples of split {' and '.join(sorted(splits))}; {missing!r} is missing; {again}"
            )
    return samples


def constant_replies(samples: Sequence[Row]) -> tuple[NeuronSet, list[Row]]:
    """The chance level: every sample gets the commonest answer (of equals, the first by name) for a reply."""
    counts = Counter(sample["answers"][0] for sample in samples)
    reply = min(counts, key=lambda answer: (-counts[answer], answer))
    right = next(sample for sample in samples if sample["answers"][0] == reply)
    options = [float(i == right["answer_index"]) for i in range(len(right["choices"]))] or None
    said = {"reply": reply, "choice_log_likelihoods": options}
    unsaid = {"gold_log_likelihood": None, "truncated": False, "num_reply_tokens": None}
    return NeuronSet("constant", "constant", "", "", -1, 0), [said | unsaid] * len(samples)


def score_sets(
    name: str, rows: Sequence[Sequence[Row]], samples: Sequence[Row]
) -> Float[np.ndarray, "neuron_set sample"]:
    """Apply one score to the replies of all sets; equal replies to one sample are scored once.

    Args:
        name: the plug-in `lode/scoring/<name>.py`.
        rows: per set, one row of the predictions table per sample.
        samples: rows of the dataset table.

    Raises:
        UserError: the plug-in does not return one number in [0, 1] per sample.
    """
    plugin = import_module(f"lode.scoring.{name}")
    replies = [[hashable(row[plugin.COLUMN]) for row in of_set] for of_set in rows]
    pairs = list(dict.fromkeys((i, reply) for of_set in replies for i, reply in enumerate(of_set)))
    values = plugin.score([reply for _, reply in pairs], [samples[i] for i, _ in pairs])
    if values.shape != (len(pairs),) or not np.all((values >= 0) & (values <= 1)):
        raise UserError(
            f"score {name!r} gave shape {values.shape} from {values.min()} to {values.max()}; expected "
            f"{len(pairs)} numbers in [0, 1], one per reply: correct lode/scoring/{name}.py"
        )
    value_of = dict(zip(pairs, values.tolist(), strict=True))
    return np.array([[value_of[pair] for pair in enumerate(of_set)] for of_set in replies])


def hashable(value: Any) -> Any:
    """A list as a tuple."""
    return tuple(value) if isinstance(value, list) else value


def reply_diagnostics(rows: Sequence[Row], samples: Sequence[Row]) -> dict[str, float | None]:
    """Signs of collapse over the samples of one set: mean log-likelihood in nats, length, shares of odd replies."""

    def mean(column: str) -> float | None:
        values = [row[column] for row in rows]
        return None if None in values else float(np.mean(values))

    replies = [row["reply"] for row in rows]
    parsed = [parses(reply, sample["choices"]) for reply, sample in zip(replies, samples, strict=True)]
    return {
        "gold_log_likelihood": mean("gold_log_likelihood"),
        "empty_frac": float(np.mean([not reply.strip() for reply in replies])),
        "truncated_frac": mean("truncated"),
        "parse_frac": float(np.mean(parsed)),
        "loop_frac": float(np.mean([loops(reply) for reply in replies])),
        "num_reply_tokens": mean("num_reply_tokens"),
    }


def effect_sizes(before: Float[np.ndarray, " sample"], after: Float[np.ndarray, " sample"]) -> dict[str, float | None]:
    """Effect sizes of one set, and McNemar's test where both scores are 0 or 1 for every sample."""
    binary = is_binary(before) and is_binary(after)
    return {
        "cohen_d": paired_cohen_d(before, after),
        "odds_ratio": matched_odds_ratio(before, after),
        "mcnemar_p": mcnemar_p_value(before, after) if binary else None,
    }


def kinds_of_controls(sets: Sequence[NeuronSet], set_name: str) -> list[str]:
    """The kinds of control that a set has, the headline first; one without a name where it has none."""
    kinds = {key.control_kind for key in sets if key.control_of == set_name} or {""}
    return headline_first(kinds)


def control_summary(drop: float, control_drops: Float[np.ndarray, " control"]) -> dict[str, float | int]:
    """How a drop compares with those of its controls; NaN where there are none, and then p is 1."""
    some = len(control_drops) > 0
    return {
        "num_controls": len(control_drops),
        "control_drop_mean": float(np.mean(control_drops)) if some else float("nan"),
        "control_drop_min": float(np.min(control_drops)) if some else float("nan"),
        "control_drop_max": float(np.max(control_drops)) if some else float("nan"),
        "p_value": rank_p_value(drop, control_drops),
    }


def effect_rows(
    sets: Sequence[NeuronSet],
    values: Float[np.ndarray, "neuron_set sample"],
    means: Float[np.ndarray, " neuron_set"],
    low: Float[np.ndarray, " neuron_set"],
    high: Float[np.ndarray, " neuron_set"],
) -> list[dict[str, Any]]:
    """One row per method set and kind of control, for one score.

    Args:
        sets: the clean set first.
        values: the score of each sample.
        means: the mean score of each set.
        low: the lower end of the paired interval of each set's drop.
        high: its upper end.
    """
    assert sets[0].kind == "clean", "by_set puts the clean set first"
    drops = means[0] - means
    return [
        {
            "set_name": key.set_name,
            "num_neurons": key.num_neurons,
            "clean": float(means[0]),
            "value": float(means[i]),
            "drop": float(drops[i]),
            "interval_low": float(low[i]),
            "interval_high": float(high[i]),
            **effect_sizes(values[0], values[i]),
            "control_kind": kind,
            **control_summary(drops[i], drops[controls_of(sets, key.set_name, kind)]),
        }
        for i, key in enumerate(sets)
        if key.kind == "method"
        for kind in kinds_of_controls(sets, key.set_name)
    ]


def controls_of(sets: Sequence[NeuronSet], set_name: str, kind: str) -> list[int]:
    """The places of the controls of one set and kind."""
    return [i for i, key in enumerate(sets) if (key.control_of, key.control_kind) == (set_name, kind)]


def score_rows(
    sets: Sequence[NeuronSet],
    rows: Sequence[Sequence[Row]],
    samples: Sequence[Row],
    means: Float[np.ndarray, " neuron_set"],
    low: Float[np.ndarray, " neuron_set"],
    high: Float[np.ndarray, " neuron_set"],
) -> list[dict[str, Any]]:
    """One row per set, for one score.

    Args:
        sets: what was switched.
        rows: the predictions of each set.
        samples: rows of the dataset table.
        means: the mean score of each set.
        low: the lower end of the interval of each mean.
        high: its upper end.
    """
    return [
        {
            **key._asdict(),
            "num_samples": len(rows[i]),
            "value": float(means[i]),
            "interval_low": float(low[i]),
            "interval_high": float(high[i]),
            **reply_diagnostics(rows[i], samples),
        }
        for i, key in enumerate(sets)
    ]


def sample_rows(
    sets: Sequence[NeuronSet], samples: Sequence[Row], values: Float[np.ndarray, "neuron_set sample"]
) -> list[dict[str, Any]]:
    """One row per set and sample, for one score."""
    return [
        {"sample_id": sample["sample_id"], "cluster_id": sample["cluster_id"], **key._asdict(), "value": value}
        for key, of_set in zip(sets, values.tolist(), strict=True)
        for sample, value in zip(samples, of_set, strict=True)
    ]


def run(cfg: Any, made_by: Mapping[str, Any]) -> None:
    """Read `io.dataset` and all shards of `io.predictions`; write `io.scores`, `io.effects` and `io.sample_scores`.

    Args:
        cfg: seed, dataset.name, dataset.scores, scoring.num_resamples, scoring.confidence_level, io.
        made_by: the provenance to record.

    Raises:
        UserError: no score is named, the bootstrap options make no sense, the predictions do not fit the dataset,
            or they hold fewer than two clusters.
    """
    options, names = cfg.scoring, list(cfg.dataset.scores)
    if not names:
        raise UserError(f"dataset {cfg.dataset.name!r} names no score; expected dataset.scores to list at least one")
    if options.num_resamples < 1 or not 0 < options.confidence_level < 1:
        raise UserError(
            f"scoring: num_resamples {options.num_resamples} and confidence_level {options.confidence_level}; "
            "expected at least 1 and a number between 0 and 1, such as 10000 and 0.95"
        )
    dataset = read_table(cfg.io.dataset, "dataset").drop_columns(["media"]).to_pylist()
    origin = ", ".join(cfg.io.predictions)
    shards = [read_table(path, "predictions") for path in cfg.io.predictions]
    groups = by_set([row for shard in shards for row in shard.to_pylist()], origin)
    samples = matched_samples(dataset, groups, origin)
    constant, constant_rows = constant_replies(samples)
    rows_of = {key: [by_id[sample["sample_id"]] for sample in samples] for key, by_id in groups.items()}
    rows_of[constant] = constant_rows
    sets = sorted(rows_of, key=order)
    rows = [rows_of[key] for key in sets]
    values = np.concatenate([score_sets(name, rows, samples) for name in names])
    totals, sizes = cluster_totals(values, np.array([sample["cluster_id"] for sample in samples]))
    if len(sizes) < 2:
        raise UserError(f"{origin}: one cluster; expected at least two, as an interval needs variation")
    shape = (len(names), len(sets))
    means = (totals.sum(axis=1) / sizes.sum()).reshape(shape)
    of_sets = totals.reshape(*shape, -1)
    lost = (of_sets[:, :1] - of_sets).reshape(totals.shape)  # by_set puts the clean set first
    settings = (sizes, options.num_resamples, options.confidence_level, cfg.seed)
    low, high = (end.reshape(shape) for end in cluster_intervals(totals, *settings))
    lost_low, lost_high = (end.reshape(shape) for end in cluster_intervals(lost, *settings))
    tables: dict[str, list[dict[str, Any]]] = {"scores": [], "effects": [], "sample_scores": []}
    for i, (name, of_samples) in enumerate(zip(names, values.reshape(*shape, -1), strict=True)):
        key = {"dataset": cfg.dataset.name, "score_name": name}
        scored = score_rows(sets, rows, samples, means[i], low[i], high[i])
        effects = effect_rows(sets, of_samples, means[i], lost_low[i], lost_high[i])
        for kind, found in zip(tables, (scored, effects, sample_rows(sets, samples, of_samples)), strict=True):
            tables[kind] += [key | row for row in found]
    for kind, found in tables.items():
        write_table(cfg.io[kind], kind, found, made_by)
