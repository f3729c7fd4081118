"""The schema of every table: each field with its unit and description, from which figures take their labels."""

import pyarrow as pa

from lode.engine.fields import field
from lode.planted_tables import PLANTED

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
_OUTCOME = field(
    "outcome",
    pa.string(),
    "name",
    "`content` (nats of the gold answer, the primary one), `stopping` (nats of the end token after it), `score` (the "
    "headline of the benchmark, which what follows the answer cannot change), or `beside` (its other scores)",
)
_BENCHMARK = (
    field("dataset", pa.string(), "name", "the benchmark"),
    field("score_name", pa.string(), "name", "the scoring rule"),
    _OUTCOME,
    field("unit", pa.string(), "name", "`nats`, `score in [0, 1]`, or `share, at most 1`"),
)
_CONTROL_KIND = field("control_kind", pa.string(), "name", "the controls it is ranked among; empty: there are none")
_P_VALUE = field("p_value", pa.float64(), "probability", "(1 + controls with at least this drop) / (1 + controls)")
_EFFECT_SIZES = (
    field("cohen_d", pa.float64(), "ratio", "d_z: mean / standard deviation of drops; null: no spread", True),
    field("odds_ratio", pa.float64(), "ratio", "(lost + 1/2) / (won + 1/2) samples; null: score not binary", True),
    field("mcnemar_p", pa.float64(), "probability", "exact McNemar test; null: score not binary", True),
)
#: What switching a set costs on one benchmark.
_DROP = (
    field("clean", pa.float64(), "score, or nats", "the unmodified model, in the unit of the row"),
    field("chance", pa.float64(), "score, or nats", "the best guess that does not look at the prompt"),
    field("measurable", pa.bool_(), "flag", "the interval of the unmodified model lies above chance"),
    field("value", pa.float64(), "score, or nats", "with the set switched"),
    field("drop", pa.float64(), "score, or nats", "clean - value: what switching the set costs"),
    field("interval_low", pa.float64(), "score, or nats", "lower end of the paired 95 % interval of the drop"),
    field("interval_high", pa.float64(), "score, or nats", "upper end of that interval"),
    field("share", pa.float64(), "share", "drop / (clean - chance); null where it is not measurable", True),
)
#: Does a set cost more on its own benchmarks: one row a set, outcome and kind of control.
_SELECTIVITY = (
    field("set_name", pa.string(), "name", "the method set that was switched"),
    field("num_neurons", pa.int32(), "neurons", "unique neurons that were switched"),
    _OUTCOME,
    field("own", pa.list_(pa.string()), "names", "benchmarks of the set's own"),
    field("others", pa.list_(pa.string()), "names", "the others"),
    field("unmeasurable", pa.list_(pa.string()), "names", "of all, those left out: clean is not above chance"),
    field("share_own", pa.float64(), "share", "mean over own benchmarks of drop / (clean - chance)", True),
    field("share_own_low", pa.float64(), "share", "lower end of the 95 % interval of share_own", True),
    field("share_others", pa.float64(), "share", "the same over the others", True),
    field("selectivity", pa.float64(), "share", "share_own - share_others; null: no own or no other benchmark", True),
    field(
        "standard_error", pa.float64(), "share", "of it, by clusters that err in all benchmarks that hold them", True
    ),
    field(
        "effective_clusters", pa.float64(), "clusters", "fewest of a benchmark that takes part, as if of one size", True
    ),
    field("interval_low", pa.float64(), "share", "lower end of its 95 % interval", True),
    field("interval_high", pa.float64(), "share", "upper end of that interval", True),
    field("wide_low", pa.float64(), "share", "lower end of its 99.99 % interval", True),
    field("wide_high", pa.float64(), "share", "upper end of that interval", True),
    field("specificity_f", pa.float64(), "F", "CRANE's specificity F of the shares, clipped at 0", True),
    _CONTROL_KIND,
    field("num_controls", pa.int32(), "draws", "controls of the kind, each with as many unique neurons"),
    field("control_values", pa.list_(pa.float64()), "share", "selectivity of each control, by draw", True),
    field("control_mean", pa.float64(), "share", "mean selectivity of the controls", True),
    field("control_max", pa.float64(), "share", "largest selectivity of a control", True),
)

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
            field("reply", pa.string(), "text", "greedy reply, special tokens removed; null: none was written", True),
            field("begins_with_answer", pa.bool_(), "flag", "the reply begins with an accepted answer", True),
            field("gold", pa.string(), "text", "the answer whose log-likelihood was taken"),
            field("num_gold_tokens", pa.int32(), "tokens", "length of the gold answer, its end token aside"),
            field(
                "gold_log_likelihood",
                pa.float64(),
                "nats",
                "content: log-probability of the gold answer, over its tokens",
            ),
            field("gold_token_log_likelihood", pa.float64(), "nats", "the same for one token, their mean"),
            field(
                "end_log_likelihood",
                pa.float64(),
                "nats",
                "stopping: log-probability of an end token after the gold answer",
            ),
            field(
                "choice_log_likelihoods",
                pa.list_(pa.float64()),
                "nats",
                "log-probability of each option as the reply's first token; null without options of one token each",
                nullable=True,
            ),
            field("num_prompt_tokens", pa.int32(), "tokens", "length of the prompt with media"),
            field("num_reply_tokens", pa.int32(), "tokens", "generated tokens before the end token", True),
            field("truncated", pa.bool_(), "flag", "the reply hit the token limit", True),
        ]
    ),
    "scores": pa.schema(
        [
            *_BENCHMARK,
            *_SET,
            field("num_neurons", pa.int32(), "neurons", "unique neurons that were switched"),
            field("num_samples", pa.int32(), "samples", "samples scored"),
            field("value", pa.float64(), "score, or nats", "mean over samples, in the unit of the row"),
            field("interval_low", pa.float64(), "score, or nats", "lower end of its 95 % interval by clusters"),
            field("interval_high", pa.float64(), "score, or nats", "upper end of that interval"),
            field("gold_log_likelihood", pa.float64(), "nats", "mean log-likelihood of the gold answer", True),
            field("end_log_likelihood", pa.float64(), "nats", "mean log-likelihood of an end token after it", True),
            *(
                field(name, pa.float64(), unit, f"{meaning}; null: no replies were written", nullable=True)
                for name, unit, meaning in (
                    ("begins_frac", "fraction", "replies that begin with an accepted answer"),
                    ("runs_on_frac", "fraction", "replies that begin with an accepted answer, and do not stop there"),
                    ("empty_frac", "fraction", "replies without any text"),
                    ("truncated_frac", "fraction", "replies that hit the token limit"),
                    ("parse_frac", "fraction", "replies that name one of the choices, or are not empty"),
                    ("loop_frac", "fraction", "replies with words that come again and again"),
                    ("num_reply_tokens", "tokens", "mean length of a reply"),
                )
            ),
        ]
    ),
    "effects": pa.schema(
        [
            *_BENCHMARK,
            field("set_name", pa.string(), "name", "the method set that was switched"),
            field("num_neurons", pa.int32(), "neurons", "unique neurons that were switched"),
            *_DROP,
            *_EFFECT_SIZES,
            _CONTROL_KIND,
            field("num_controls", pa.int32(), "draws", "controls of the kind, each with as many unique neurons"),
            field("control_drop_mean", pa.float64(), "score, or nats", "mean drop of the controls"),
            field("control_drop_min", pa.float64(), "score, or nats", "smallest drop of a control"),
            field("control_drop_max", pa.float64(), "score, or nats", "largest drop of a control"),
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
            field("value", pa.float64(), "score, or nats", "of this sample, in the unit of the row"),
        ]
    ),
    "comparisons": pa.schema(
        [
            *_BENCHMARK,
            field("set_name", pa.string(), "name", "the method set that was switched"),
            field("num_neurons", pa.int32(), "neurons", "unique neurons that were switched"),
            field("own", pa.bool_(), "flag", "the benchmark is one of the set's own; null: none is", nullable=True),
            *_DROP,
            field("mcnemar_p", pa.float64(), "probability", "exact McNemar test against the clean model", True),
            field("mcnemar_p_holm", pa.float64(), "probability", "mcnemar_p after Holm over its family", True),
            _CONTROL_KIND,
            field("num_controls", pa.int32(), "draws", "controls of the kind, each with as many unique neurons"),
            field("control_drop_max", pa.float64(), "score, or nats", "largest drop of a control"),
            _P_VALUE,
            field("p_holm", pa.float64(), "probability", "p_value after Holm over the family"),
            field(
                "num_tests",
                pa.int32(),
                "tests",
                "size of the family: every (set, benchmark) of this table, outcome and kind",
            ),
        ]
    ),
    "selectivity": pa.schema([*_SELECTIVITY]),
    "verdicts": pa.schema(
        [
            field("model", pa.string(), "name", "the model"),
            field("selection", pa.string(), "name", "the selection, as the experiment names it"),
            field("intervention", pa.string(), "name", "the intervention"),
            *_SELECTIVITY,
            field(
                "magnitude_ratio",
                pa.float64(),
                "ratio",
                "mean |activation| times write norm: of the controls over that of the set; null: not recorded",
                True,
            ),
            field(
                "control_magnitudes",
                pa.list_(pa.float64()),
                "ratio",
                "the same of each control, in the order of `control_values`; null: not recorded",
                True,
            ),
            field(
                "shared_frac", pa.float64(), "share", "of a control's neurons, the set's own; null: not recorded", True
            ),
            field(
                "num_different",
                pa.int32(),
                "draws",
                "controls that differ from each other and from the set; null: not recorded",
                True,
            ),
            field("verdict", pa.string(), "name", "`specific`, `not_specific` or `cannot_be_told`"),
            field("reason", pa.string(), "text", "why, in a few words"),
            field(
                "p_value", pa.float64(), "probability", "(1 + controls at least as selective) / (1 + controls)", True
            ),
            field(
                "p_corrected",
                pa.float64(),
                "probability",
                "share of draws in which any of the report's sets stands out among its own as much; null: not tested",
                True,
            ),
            field("num_at_stake", pa.int32(), "tests", "those of them that `p_corrected` is over: something is lost"),
            field("num_tests", pa.int32(), "tests", "sets and runs of the report that have matched controls"),
            field(
                "simultaneous_low", pa.float64(), "share", "lower end of the interval that holds for all tests", True
            ),
            field("simultaneous_high", pa.float64(), "share", "upper end of that interval", True),
        ]
    ),
    **PLANTED,
}
