"""One score of all neuron sets as rows: means with intervals, drops beside those of controls, values of samples."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from jaxtyping import Float

from lode.control import headline_first
from lode.neurons import SetKey
from lode.scoring import UNITS
from lode.scoring._diagnostics import is_answer, loops, parses
from lode.statistics.effect_size import matched_odds_ratio, paired_cohen_d
from lode.statistics.equivalence import equivalent, is_told
from lode.statistics.intervals import LEVEL, drop_intervals, mean_intervals, score_intervals
from lode.statistics.significance import is_binary, mcnemar_p_value, rank_p_value

Row = Mapping[str, Any]


def reply_diagnostics(rows: Sequence[Row], samples: Sequence[Row]) -> dict[str, float | None]:
    """What became of content and stopping over the samples of one set, and signs of collapse in its replies."""

    def mean(column: str) -> float | None:
        values = [row[column] for row in rows]
        return None if None in values else float(np.mean(values))

    found = {name: mean(name) for name in ("gold_log_likelihood", "end_log_likelihood")}
    replies = [row["reply"] for row in rows]
    if None in replies:
        return found
    parsed = [parses(reply, sample["choices"]) for reply, sample in zip(replies, samples, strict=True)]
    going_on = [
        row["begins_with_answer"] and not is_answer(row["reply"], sample["answers"])
        for row, sample in zip(rows, samples, strict=True)
    ]
    return found | {
        "begins_frac": mean("begins_with_answer"),
        "runs_on_frac": float(np.mean(going_on)),
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


def kinds_of_controls(sets: Sequence[SetKey], set_name: str) -> list[str]:
    """The kinds of control that a set has, the headline first; one without a name where it has none."""
    return headline_first({key.control_kind for key in sets if key.control_of == set_name} or {""})


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


@dataclass(frozen=True)
class Scored:
    """One score of all sets that have it.

    Attributes:
        key: the columns that say which score it is.
        sets: the clean set first; the chance level is one.
        values: of each sample.
        clusters: of each sample.
        num_neurons: of each set.
    """

    key: dict[str, str]
    sets: list[SetKey]
    values: Float[np.ndarray, "neuron_set sample"]
    clusters: np.ndarray
    num_neurons: Mapping[SetKey, int]

    @cached_property
    def means(self) -> Float[np.ndarray, " neuron_set"]:
        """The mean of each set."""
        return self.values.mean(axis=1)

    @property
    def is_bounded(self) -> bool:
        """Whether values lie in [0, 1]."""
        return UNITS[self.key["unit"]] == (0, 1)

    @cached_property
    def intervals(self) -> tuple[np.ndarray, np.ndarray]:
        """Of each mean, within the range of its unit: no log-likelihood is above 0."""
        of = score_intervals if self.is_bounded else mean_intervals
        lowest, highest = UNITS[self.key["unit"]]
        low, high = of(self.values, self.clusters, LEVEL)
        return np.maximum(low, lowest), np.minimum(high, highest)

    @cached_property
    def drop_intervals(self) -> tuple[np.ndarray, np.ndarray]:
        """Of what each set costs against the clean model, paired."""
        of = drop_intervals if self.is_bounded else mean_intervals
        return of(self.values[0] - self.values, self.clusters, LEVEL)

    def score_rows(self, rows: Mapping[SetKey, Sequence[Row]], samples: Sequence[Row]) -> Iterator[dict[str, Any]]:
        """One row per set; `rows` are the predictions of each."""
        low, high = self.intervals
        for i, key in enumerate(self.sets):
            interval = {"value": self.means[i], "interval_low": low[i], "interval_high": high[i]}
            yield {
                **self.key,
                **key._asdict(),
                "num_neurons": self.num_neurons[key],
                "num_samples": len(samples),
                **{name: float(value) for name, value in interval.items()},
                **reply_diagnostics(rows[key], samples),
            }

    def effect_rows(self) -> Iterator[dict[str, Any]]:
        """One row per method set and kind of control."""
        chance = float(self.means[next(i for i, key in enumerate(self.sets) if key.kind == "constant")])
        clean, drops, (low, high) = float(self.means[0]), self.means[0] - self.means, self.drop_intervals
        measurable = bool(self.intervals[0][0] > chance)
        told = is_told(self.key["unit"], clean, chance, measurable)
        for i, key in enumerate(self.sets):
            if key.kind != "method":
                continue
            for kind in kinds_of_controls(self.sets, key.set_name):
                yield {
                    **self.key,
                    "set_name": key.set_name,
                    "num_neurons": self.num_neurons[key],
                    **{"clean": clean, "chance": chance, "measurable": measurable},
                    **{"value": float(self.means[i]), "drop": float(drops[i])},
                    **{"interval_low": float(low[i]), "interval_high": float(high[i])},
                    "equivalent": equivalent(float(low[i]), float(high[i])) if told else None,
                    "share": float(drops[i] / (clean - chance)) if measurable else None,
                    **effect_sizes(self.values[0], self.values[i]),
                    "control_kind": kind,
                    **control_summary(drops[i], drops[controls_of(self.sets, key.set_name, kind)]),
                }

    def sample_columns(self, samples: Sequence[Row]) -> dict[str, Any]:
        """Columns of one row per set and sample."""
        num_sets, num_samples = self.values.shape
        columns: dict[str, Any] = {name: [value] * self.values.size for name, value in self.key.items()}
        for name in ("sample_id", "cluster_id"):
            columns[name] = [sample[name] for sample in samples] * num_sets
        for name in SetKey._fields:
            columns[name] = [value for key in self.sets for value in [getattr(key, name)] * num_samples]
        columns["num_neurons"] = [count for key in self.sets for count in [self.num_neurons[key]] * num_samples]
        return columns | {"value": self.values.ravel()}


def controls_of(sets: Sequence[SetKey], set_name: str, kind: str) -> list[int]:
    """The places of a set's controls of one kind."""
    return [i for i, key in enumerate(sets) if key.control_of == set_name and key.control_kind == kind]
