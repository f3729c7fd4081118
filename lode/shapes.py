"""The legend of axis names used in every annotated signature, and the fixed orders of axes.

Axis words: ``sample token layer neuron head modality metric batch query key bin``.
"""

from collections.abc import Iterable

from lode.grouping.modality import GROUPS
from lode.grouping.modality import SPLITS as SPLITS_OF_GROUPS
from lode.model.tokens import REPLY as REPLY
from lode.model.tokens import TOKEN_KINDS

#: Order of the metric axis of every importance tensor (METRICS[0] is index 0).
METRICS = ("prob", "mean", "max", "attn_k", "attn_q")

#: Order of the modality axis of captured statistics. `special_text` and `prompt` are unions of others.
MODALITIES = tuple(GROUPS)

#: What one token can be; the unions are derived from these.
TOKEN_MODALITIES = TOKEN_KINDS

#: Which modalities take part in a selection, by the name of the split.
MODALITY_SPLITS = SPLITS_OF_GROUPS

#: The token modalities that each modality is made of.
MEMBERS = GROUPS

#: How attention weighs tokens: as MINER's code does, or once and causally (docs/methods.md 1.2).
ATTENTION_KINDS = ("reference", "causal")

#: The kinds of control that a headline p-value is against: the first of them that a set has (`lode/control/`).
HEADLINE_CONTROLS = (
    "magnitude_matched",
    "layer_matched",
    "uniform",
    "shuffled_labels",
    "other_modality",
    "outlier_excluded",
    "sham",
)

#: The outcomes that are compared across benchmarks; the first is the primary one.
COMPARED = ("content", "stopping", "score")

#: How the metrics of one sample are made comparable over neurons (docs/methods.md 1.8).
NORMALISATIONS = ("minmax", "rank", "zscore", "robust", "none")

#: `disjoint`: mine and test on different samples; `paper`: on the same.
SPLITS = ("disjoint", "paper")

#: Switches of an intervention (`lode/intervention/__init__.py`): which neurons, which tokens, which forward passes.
ACTED_NEURONS = ("set", "others")
ACTED_TOKENS = ("all", "own", "generated")
ACTED_PASSES = ("both", "prefill", "decode")

#: Which frames of a video a model is shown (`lode/media/video.py`).
VIDEO_FRAMES = ("shown", "qwen_vl_utils")


def headline_first(kinds: Iterable[str]) -> list[str]:
    """Kinds of control, each once, in the order of `HEADLINE_CONTROLS` and then of the alphabet."""
    order = {kind: place for place, kind in enumerate(HEADLINE_CONTROLS)}
    return sorted(set(kinds), key=lambda kind: (order.get(kind, len(order)), kind))
