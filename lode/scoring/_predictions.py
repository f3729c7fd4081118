"""What an ablation predicted, in order: by set and sample, checked against the dataset, with the chance level."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from lode.engine.errors import UserError
from lode.neurons import SetKey
from lode.scoring._diagnostics import begins

Row = Mapping[str, Any]
_KINDS = ("clean", "blanked", "constant", "method", "control")  # the order of the output rows


#: The chance level.
CONSTANT = SetKey("constant", "constant")


def order(key: SetKey) -> tuple[int, SetKey]:
    """The place of a set in the output: by kind, then by name."""
    return _KINDS.index(key.kind), key


def by_set(predictions: Sequence[Row], origin: str) -> dict[SetKey, dict[str, Row]]:
    """Group predictions: by set (in the order of `_KINDS`), then by sample id.

    Raises:
        UserError: a set predicts a sample twice or with other neurons than another, a log-likelihood is not
            finite, a kind is unknown, there is not exactly one clean set, or a control names no method set.
    """
    groups: dict[SetKey, dict[str, Row]] = {}
    for row in predictions:
        replies = groups.setdefault(SetKey(*(row[name] for name in SetKey._fields)), {})
        where = f"{origin}: set {row['set_name']!r}, sample {row['sample_id']!r}"
        if row["sample_id"] in replies:
            raise UserError(f"{where} occurs twice; expected one reply per set and sample: delete the file, run again")
        if row["kind"] not in _KINDS:
            raise UserError(f"{where}: kind is {row['kind']!r}; expected one of {', '.join(_KINDS)}")
        for column in ("gold_log_likelihood", "end_log_likelihood"):
            if not np.isfinite(row[column]):
                raise UserError(
                    f"{where}: {column} is {row[column]}; expected a finite number of nats: "
                    "the model's logits are broken there, try another dtype or intervention"
                )
        replies[row["sample_id"]] = row
        held = next(iter(replies.values()))["num_neurons"]
        if row["num_neurons"] != held:
            raise UserError(
                f"{where}: {row['num_neurons']} neurons, and {held} at another sample; expected one set under a name: "
                "run the ablation again"
            )
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


def matched_samples(dataset: Sequence[Row], groups: Mapping[SetKey, Mapping[str, Row]], origin: str) -> list[Row]:
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
                f"{origin}: set {key.set_name!r} ({key.kind}) has {len(replies)} of the "
                f"{len(samples)} samples of split {' and '.join(sorted(splits))}; {missing!r} is missing; {again}"
            )
    return samples


#: How many of the commonest answers are tried as a constant reply.
NUM_TRIED = 20


def constant_replies(samples: Sequence[Row]) -> list[list[Row]]:
    """The chance level of replies: what could be said whatever the sample. The best of these, score by score, counts.

    They are the commonest accepted answers, and silence; of a multiple choice, always the commonest place. What a guess
    makes of likelihoods, the scores of these say themselves (`chance`).

    Returns:
        For every such reply a row per sample.
    """
    counts = Counter(answer for sample in samples for answer in dict.fromkeys(sample["answers"]))
    common = sorted(counts, key=lambda answer: (-counts[answer], answer))[:NUM_TRIED]
    places = Counter(sample["answer_index"] for sample in samples)
    place = min(places, key=lambda index: (-places[index], index))
    unsaid = ("gold_log_likelihood", "gold_token_log_likelihood", "end_log_likelihood", "num_reply_tokens")
    return [
        [
            {
                **dict.fromkeys(unsaid),
                "reply": reply,
                "begins_with_answer": begins(reply, sample["answers"]),
                "choice_log_likelihoods": [float(i == place) for i in range(len(sample["choices"]))] or None,
                "truncated": False,
                "num_neurons": 0,
            }
            for sample in samples
        ]
        for reply in (*common, "")
    ]
