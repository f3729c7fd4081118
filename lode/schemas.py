"""The schema of every table: each field with its unit and description, from which figures take their labels."""

import pyarrow as pa

from lode.fields import field

_MEDIUM = pa.struct(
    [
        pa.field("kind", pa.string(), nullable=False),
        pa.field("bytes", pa.binary(), nullable=False),
        pa.field("mime", pa.string(), nullable=False),
    ]
)
_NEURON = (
    field("modality", pa.string(), "name", "modality of the tokens"),
    field("layer", pa.int16(), "index", "language-model layer, 0 is nearest the input"),
    field("neuron", pa.int32(), "index", "position in the layer's feed-forward intermediate vector"),
)
_COUNTS = (
    field("num_samples", pa.int64(), "samples", "samples that hold the modality"),
    field("num_tokens", pa.int64(), "tokens", "tokens of the modality over all samples"),
    field("positive_count", pa.int64(), "tokens", "tokens with an activation > 0"),
)


def _moments(name: str, meaning: str) -> tuple[pa.Field, pa.Field]:
    return (
        field(f"{name}_sum", pa.float64(), "activation", f"sum over samples of the {meaning}"),
        field(f"{name}_sumsq", pa.float64(), "activation^2", f"sum over samples of the squared {meaning}"),
    )


_SUMS = (
    *_moments("mean", "mean over tokens"),
    *_moments("abs_mean", "mean over tokens of the magnitude"),
    *_moments("max", "maximum over tokens"),
    *_moments("attn_k", "key-weighted token sum"),
    *_moments("attn_q", "query-weighted token sum"),
)
#: What is captured only where the config asks for it; otherwise null.
_OPTIONAL = (
    field(
        "histogram",
        pa.list_(pa.int32()),
        "samples",
        "samples by bin of their mean over tokens, edges of lode/importance/histogram.py; with capture.num_bins",
        nullable=True,
    ),
    field(
        "hidden_abs_sum",
        pa.float64(),
        "hidden",
        "sum over samples of the mean over tokens of the magnitude of gate * up; with capture.hidden_site",
        nullable=True,
    ),
)


def _attributions(name: str, unit: str, meaning: str, nullable: bool = False) -> tuple[pa.Field, pa.Field]:
    return (
        field(f"{name}_sum", pa.float64(), unit, f"sum over samples of the {meaning}, with its sign", nullable),
        field(f"{name}_abs_sum", pa.float64(), unit, f"sum over samples of the magnitude of the {meaning}", nullable),
    )


#: L is the negative log-likelihood of the gold answer, a the activation at the gate site, g = dL/da.
_GRADIENTS = (
    *_attributions("patching", "nats", "token sum of g * (a with blank media - a)"),
    field("act_grad_sum", pa.float64(), "nats", "sum over samples of the token sum of |a * g|"),
    field("can_sum", pa.float64(), "activation * (nats / activation)^alpha", "the same of |g|^alpha * |a|"),
    *_attributions("target", "logits", "token sum of gate * up * (w . U_y), y the first gold token"),
    *_attributions(
        "integrated", "nats", "token sum of the integrated gradients from a = 0; with gradients.num_steps", True
    ),
)
_WEIGHTS = (field("down_norm", pa.float64(), "weight", "Euclidean norm of the neuron's column of down_proj"),)
_SCORES = ("prob", "mean", "max", "attn_k", "attn_q")
_SET = (
    field("set_name", pa.string(), "name", "the neuron set, or `none`, `blank`, `constant` for what `kind` says"),
    field(
        "kind",
        pa.string(),
        "name",
        "`method`, `control`, `clean` (no intervention), `blanked` (nor any medium), or `constant` (chance level)",
    ),
    field("control_of", pa.string(), "name", "the method set that this control is matched to, else empty"),
    field("control_kind", pa.string(), "name", "how the control is drawn (`lode/control/`), else empty"),
    field("control_draw", pa.int32(), "index", "which draw of the control, -1 for a method set"),
)
_BENCHMARK = (
    field("dataset", pa.string(), "name", "the benchmark"),
    field("score_name", pa.string(), "name", "the scoring rule"),
)
_CONTROL_KIND = field("control_kind", pa.string(), "name", "the controls it is ranked among; empty: there are none")
_P_VALUE = field("p_value", pa.float64(), "probability", "(1 + controls with at least this drop) / (1 + controls)")
_EFFECT_SIZES = (
    field("cohen_d", pa.float64(), "ratio", "d_z: mean / standard deviation of drops; null: no spread", True),
    field("odds_ratio", pa.float64(), "ratio", "(lost + 1/2) / (won + 1/2) samples; null: score not binary", True),
    field("mcnemar_p", pa.float64(), "probability", "exact McNemar test; null: score not binary", True),
)
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

SCHEMAS: dict[str, pa.Schema] = {
    "dataset": pa.schema(
        [
            field("sample_id", pa.string(), "id", "unique within the dataset"),
            field("cluster_id", pa.string(), "id", "samples that share a medium share a cluster"),
            field("split", pa.string(), "name", "`mine` selects neurons, `report` measures effects"),
            field("prompt", pa.string(), "text", "the user's turn, without chat markup"),
            field("media", pa.list_(_MEDIUM), "encoded", "images, videos or sounds, encoded as files"),
            field("answers", pa.list_(pa.string()), "text", "accepted answers or references"),
            field("choices", pa.list_(pa.string()), "text", "options of a multiple choice, else empty"),
            field("answer_index", pa.int32(), "index", "the right option, -1 where there are none"),
            field("meta", pa.string(), "JSON", "whatever else the source holds"),
        ]
    ),
    "statistics": pa.schema(
        [
            *_NEURON,
            *_COUNTS,
            *_SUMS,
            *_OPTIONAL,
            *_WEIGHTS,
            *(
                field(f"{m}_score_sum", pa.float64(), "normalised", f"sum over samples of normalised {m} importance")
                for m in _SCORES
            ),
        ]
    ),
    "importance": pa.schema(
        [
            *_NEURON,
            *(field(m, pa.float64(), "normalised", f"MINER importance by {m}") for m in _SCORES),
            *_COUNTS,
            *_SUMS,
            *_OPTIONAL,
            *_WEIGHTS,
        ]
    ),
    "gradients": pa.schema([*_NEURON, *_COUNTS[:2], *_GRADIENTS]),
    "neurons": pa.schema(
        [
            *_SET,
            *_NEURON,
            field("score", pa.float64(), "importance", "what the selection ranked by, NaN for a control"),
            field("rank", pa.int32(), "rank", "0 is the best of its set, -1 for a control"),
        ]
    ),
    "retests": pa.schema(
        [
            field("set_name", pa.string(), "name", "the modality that the neurons were selected for"),
            field(
                "part", pa.string(), "name", "`first`: the first shards, against all; `half`: even against odd shards"
            ),
            field("num_samples", pa.int64(), "samples", "mining samples of the part, of all datasets together"),
            field("num_neurons", pa.int32(), "neurons", "in the set from the part"),
            field("jaccard", pa.float64(), "Jaccard index", "overlap of the two sets; NaN: both are empty"),
            field("chance_jaccard", pa.float64(), "Jaccard index", "about that of two random sets of these sizes"),
            field("rank_correlation", pa.float64(), "Spearman", "of the scores of all neurons; NaN: one is constant"),
            field("reliability", pa.float64(), "Spearman-Brown", "of a half: what it comes to for all samples", True),
        ]
    ),
    "predictions": pa.schema(
        [
            field("sample_id", pa.string(), "id", "as in the dataset"),
            field("cluster_id", pa.string(), "id", "as in the dataset"),
            *_SET,
            field("num_neurons", pa.int32(), "neurons", "unique neurons that were switched"),
            field("reply", pa.string(), "text", "greedy reply, special tokens removed"),
            field("gold", pa.string(), "text", "the answer whose log-likelihood was taken"),
            field(
                "gold_log_likelihood", pa.float64(), "nats", "log-probability of the gold answer, summed over tokens"
            ),
            field(
                "choice_log_likelihoods",
                pa.list_(pa.float64()),
                "nats",
                "log-probability of each option as the reply's first token; null without options of one token each",
                nullable=True,
            ),
            field("num_prompt_tokens", pa.int32(), "tokens", "length of the prompt with media"),
            field("num_reply_tokens", pa.int32(), "tokens", "generated tokens before the end token"),
            field("truncated", pa.bool_(), "flag", "the reply hit the token limit"),
        ]
    ),
    "scores": pa.schema(
        [
            *_BENCHMARK,
            *_SET,
            field("num_neurons", pa.int32(), "neurons", "unique neurons that were switched"),
            field("num_samples", pa.int32(), "samples", "samples scored"),
            field("value", pa.float64(), "score in [0, 1]", "mean score over samples"),
            field("interval_low", pa.float64(), "score in [0, 1]", "lower end of the 95 % cluster bootstrap interval"),
            field("interval_high", pa.float64(), "score in [0, 1]", "upper end of the 95 % cluster bootstrap interval"),
            field(
                "gold_log_likelihood",
                pa.float64(),
                "nats",
                "mean log-likelihood of the gold answer; null for the constant reply",
                nullable=True,
            ),
            field("empty_frac", pa.float64(), "fraction", "replies without any text"),
            field("truncated_frac", pa.float64(), "fraction", "replies that hit the token limit"),
            field("parse_frac", pa.float64(), "fraction", "replies that name one of the choices, or are not empty"),
            field("loop_frac", pa.float64(), "fraction", "replies with words that come again and again"),
            field(
                "num_reply_tokens",
                pa.float64(),
                "tokens",
                "mean length of a reply; null for the constant reply",
                nullable=True,
            ),
        ]
    ),
    "effects": pa.schema(
        [
            *_BENCHMARK,
            field("set_name", pa.string(), "name", "the method set that was switched"),
            field("num_neurons", pa.int32(), "neurons", "unique neurons that were switched"),
            field("clean", pa.float64(), "score in [0, 1]", "score of the unmodified model"),
            field("value", pa.float64(), "score in [0, 1]", "score with the set switched"),
            field("drop", pa.float64(), "score", "clean - value: what switching the set costs"),
            field(
                "interval_low",
                pa.float64(),
                "score",
                "lower end of the 95 % paired cluster bootstrap interval of the drop",
            ),
            field("interval_high", pa.float64(), "score", "upper end of that interval"),
            *_EFFECT_SIZES,
            _CONTROL_KIND,
            field("num_controls", pa.int32(), "draws", "controls of the kind, each with as many unique neurons"),
            field("control_drop_mean", pa.float64(), "score", "mean drop of the controls"),
            field("control_drop_min", pa.float64(), "score", "smallest drop of a control"),
            field("control_drop_max", pa.float64(), "score", "largest drop of a control"),
            _P_VALUE,
        ]
    ),
    "sample_scores": pa.schema(
        [
            *_BENCHMARK,
            field("sample_id", pa.string(), "id", "as in the dataset"),
            field("cluster_id", pa.string(), "id", "as in the dataset"),
            *_SET,
            field("num_neurons", pa.int32(), "neurons", "unique neurons that were switched"),
            field("value", pa.float64(), "score in [0, 1]", "score of this sample"),
        ]
    ),
    "comparisons": pa.schema(
        [
            *_BENCHMARK,
            field("set_name", pa.string(), "name", "the method set that was switched"),
            field("num_neurons", pa.int32(), "neurons", "unique neurons that were switched"),
            field("own", pa.bool_(), "flag", "the benchmark is one of the set's own; null: none is", nullable=True),
            field("clean", pa.float64(), "score in [0, 1]", "score of the unmodified model"),
            field("drop", pa.float64(), "score", "clean - switched: what switching the set costs"),
            field("interval_low", pa.float64(), "score", "lower end of the paired cluster bootstrap interval"),
            field("interval_high", pa.float64(), "score", "upper end of that interval"),
            field("mcnemar_p", pa.float64(), "probability", "exact McNemar test against the clean model", True),
            field("mcnemar_p_holm", pa.float64(), "probability", "mcnemar_p after Holm over its family", True),
            _CONTROL_KIND,
            field("num_controls", pa.int32(), "draws", "controls of the kind, each with as many unique neurons"),
            _P_VALUE,
            field("p_holm", pa.float64(), "probability", "p_value after Holm over the family"),
            field(
                "num_tests", pa.int32(), "tests", "size of the family: every (set, benchmark) of this table and kind"
            ),
        ]
    ),
    "selectivity": pa.schema(
        [
            field("set_name", pa.string(), "name", "the method set that was switched: the mask"),
            field("num_neurons", pa.int32(), "neurons", "unique neurons that were switched"),
            field(
                "own", pa.list_(pa.string()), "names", "benchmarks of the mask's own; empty: selectivity is undefined"
            ),
            field("others", pa.list_(pa.string()), "names", "the other benchmarks"),
            field("drop_own", pa.float64(), "score", "mean drop on the mask's own benchmarks", True),
            field("drop_others", pa.float64(), "score", "mean drop on the others", True),
            field("selectivity", pa.float64(), "score", "drop_own - drop_others", True),
            field("interval_low", pa.float64(), "score", "lower end of its cluster bootstrap interval", True),
            field("interval_high", pa.float64(), "score", "upper end of that interval", True),
            field("specificity_f", pa.float64(), "F in [0, 1]", "CRANE's specificity F, drops clipped at 0", True),
            _CONTROL_KIND,
            field("num_controls", pa.int32(), "draws", "controls of the kind, each with as many unique neurons"),
            field("control_mean", pa.float64(), "score", "mean selectivity of the controls", True),
            field("control_max", pa.float64(), "score", "largest selectivity of a control", True),
            field(
                "p_value", pa.float64(), "probability", "(1 + controls at least as selective) / (1 + controls)", True
            ),
            field("p_holm", pa.float64(), "probability", "p_value after Holm over the masks", True),
        ]
    ),
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
