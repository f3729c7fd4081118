"""The schemas of the tables about planted neurons: what was planted, the proof, and how well selections find it."""

import pyarrow as pa

from lode.engine.fields import field

_PLANTING = (
    field("strength", pa.float64(), "standard deviations", "how far planted gates are down outside their modality"),
    field("planting_seed", pa.int32(), "seed", "which planting"),
    field("modality", pa.string(), "name", "whose neurons were sought"),
)
#: How well a ranking finds planted neurons.
RATINGS = {
    "auroc": "area under the ROC curve: 0.5 is chance",
    "average_precision": "average precision: chance is the share of positives",
    "precision_at_k": "share of positives in the top k",
    "mute_at_k": "share of neurons in the top k that are specific but write nothing",
    "unspecific_at_k": "share of neurons in the top k that are large on every modality",
    "host_at_k": "share of neurons in the top k that are hosts: as active on the modality, and unspecific",
    "false_discovery_frac": "share of the selected set that is not positive; null for an empty set",
    "recall_frac": "share of positives in the selected set",
}

PLANTED: dict[str, pa.Schema] = {
    "truth": pa.schema(
        [
            field("layer", pa.int16(), "index", "language-model layer, 0 is nearest the input"),
            field("neuron", pa.int32(), "index", "position in the layer's feed-forward intermediate vector"),
            field(
                "role",
                pa.string(),
                "name",
                "planted, redundant, specific_mute, large_unspecific, cancelling, sentinel, dead, host, or existing",
            ),
            field("modality", pa.string(), "name", "the only modality that the neuron serves, else empty"),
            field("pair", pa.int32(), "index", "partners share a number; -1 for a neuron without partner"),
            field("acts", pa.bool_(), "flag", "it writes something at some token of real samples"),
        ]
    ),
    "proof": pa.schema(
        [
            field("dataset", pa.string(), "name", "whose samples were run"),
            field(
                "role",
                pa.string(),
                "name",
                "what was switched off; `none`: planting itself; `_peers`: neurons that were there, of the same size",
            ),
            field("modality", pa.string(), "name", "of the neurons that were switched off"),
            field("num_neurons", pa.int32(), "neurons", "how many were switched off"),
            field("holds_modality", pa.bool_(), "flag", "the dataset holds that modality"),
            field("max_logit_change", pa.float64(), "logit", "largest change of a logit at any token"),
            field("gold_log_likelihood_change", pa.float64(), "nats", "mean change for the right answers"),
        ]
    ),
    "ratings": pa.schema(
        [
            *_PLANTING,
            field("num_neurons", pa.int32(), "neurons", "neurons of the model"),
            field("num_positive", pa.int32(), "neurons", "k: those that serve this modality alone and act"),
            field("num_selected", pa.int32(), "neurons", "those that the selection chose for the modality"),
            *(field(m, pa.float64(), "fraction", meaning, nullable=True) for m, meaning in RATINGS.items()),
        ]
    ),
    "scoreboard": pa.schema(
        [
            field("selection", pa.string(), "name", "the selection, as the experiment names it"),
            *_PLANTING[:1],
            field("modality", pa.string(), "name", "whose neurons were sought, or `all`: the mean over modalities"),
            field("measure", pa.string(), "name", "a column of the ratings"),
            field("num_seeds", pa.int32(), "seeds", "plantings that the mean is over"),
            field("mean", pa.float64(), "fraction", "mean over plantings", nullable=True),
            field("low", pa.float64(), "fraction", "smallest value of a planting", nullable=True),
            field("high", pa.float64(), "fraction", "largest value of a planting", nullable=True),
        ]
    ),
}
