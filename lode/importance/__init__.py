"""Importance of neurons: formulas on tensors in memory, and the sums that capture keeps. No torch in this file."""

#: Order of the metric axis of every importance tensor (METRICS[0] is index 0).
METRICS = ("prob", "mean", "max", "attn_k", "attn_q")
#: Those that a site without attention, such as a tower, does not have.
BY_ATTENTION = ("attn_k", "attn_q")

#: How attention weighs tokens: as MINER's code does, or once and causally (docs/methods.md 1.2).
ATTENTION_KINDS = ("reference", "causal")

#: How the metrics of one sample are made comparable over neurons (docs/methods.md 1.8).
NORMALISATIONS = ("minmax", "rank", "zscore", "robust", "none")


def score_sums(metric: str) -> str:
    """The column of the sums of a metric under every normalisation."""
    return f"{metric}_score_sums"


def by_normalisation(metric: str) -> str:
    """The column of the importance by a metric under every normalisation."""
    return f"{metric}_by_normalisation"
