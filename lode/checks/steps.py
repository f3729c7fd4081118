"""The checks of every step: run while the job graph is built, and again when a script is run by hand.

Every check is about names, ranges and files at hand; none loads a model. Checks change no number, so they are left out
of the code digest (`lode/engine/fingerprint.py`).
"""

from collections.abc import Callable
from typing import Any

from lode.checks.ablation import check_ablation
from lode.checks.benchmark import check_benchmarks, check_contrasts, check_scores, check_strata
from lode.checks.capture import check_capture, check_gradients
from lode.checks.cut import check_cut, check_heads
from lode.checks.dataset import check_dataset, check_media
from lode.checks.figure import check_figure
from lode.checks.grouping import check_grouping, check_looks, check_own
from lode.checks.model import check_model, check_runtime
from lode.checks.nulls import check_draws, check_null
from lode.checks.planting import check_planting
from lode.checks.seeds import check_seed, check_split, check_split_seed
from lode.checks.selection import check_selection
from lode.checks.shift import check_shift
from lode.checks.states import check_align_states, check_compare_states
from lode.checks.trace import check_trace, check_trace_sets
from lode.checks.training import check_training

#: The checks of the steps that have any.
CHECKS: dict[str, tuple[Callable[[Any], None], ...]] = {
    "train_model": (check_training,),
    "download_model": (check_model,),
    "prepare_dataset": (check_split, check_split_seed, check_dataset),
    "plant_neurons": (check_model, check_planting, check_runtime),
    "capture_activations": (
        check_split,
        check_model,
        check_grouping,
        check_dataset,
        check_media,
        check_capture,
        check_runtime,
    ),
    "capture_nulls": (
        check_split,
        check_model,
        check_grouping,
        check_dataset,
        check_media,
        check_capture,
        check_null,
        check_runtime,
    ),
    "capture_gradients": (
        check_split,
        check_model,
        check_grouping,
        check_dataset,
        check_media,
        check_gradients,
        check_runtime,
    ),
    "select_neurons": (check_seed, check_grouping, check_selection),
    "rate_selectors": (check_seed, check_grouping, check_selection),
    "retest_selections": (check_seed, check_grouping, check_selection),
    "measure_domains": (check_seed, check_grouping, check_selection, check_draws),
    "profile_layers": (check_seed, check_grouping, check_selection),
    "benchmark_ablation": (
        check_seed,
        check_split,
        check_model,
        check_dataset,
        check_media,
        check_grouping,
        check_ablation,
        check_runtime,
    ),
    "measure_shift": (
        check_seed,
        check_split,
        check_model,
        check_dataset,
        check_media,
        check_grouping,
        check_shift,
        check_runtime,
    ),
    "compare_shifts": (check_grouping,),
    "trace_states": (
        check_seed,
        check_split,
        check_model,
        check_dataset,
        check_media,
        check_grouping,
        check_trace,
        check_runtime,
    ),
    "trace_sets": (
        check_seed,
        check_split,
        check_model,
        check_dataset,
        check_media,
        check_grouping,
        check_trace_sets,
        check_runtime,
    ),
    "cut_attention": (
        check_seed,
        check_split,
        check_model,
        check_dataset,
        check_media,
        check_grouping,
        check_cut,
        check_runtime,
    ),
    "ablate_heads": (
        check_seed,
        check_split,
        check_model,
        check_dataset,
        check_media,
        check_grouping,
        check_heads,
        check_runtime,
    ),
    "compare_states": (check_seed, check_grouping, check_compare_states),
    "align_states": (check_seed, check_align_states),
    "score_ablation": (check_scores,),
    "measure_selectivity": (check_grouping, check_own, check_benchmarks),
    "plot_figures": (check_grouping, check_looks, check_figure),
    "score_strata": (check_strata,),
    "compare_strata": (check_contrasts,),
}


def validate(cfg: Any, step: str) -> None:
    """Run every check of a step.

    Raises:
        UserError: what is wrong, the value, what was expected, what to do.
    """
    for check in CHECKS.get(step, ()):
        check(cfg)
