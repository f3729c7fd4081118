"""How long Snakemake takes to plan a large experiment, and to see that nothing is to be done.

    python benchmarks/plan.py [--selections 350]

Both experiments of the paper, with every strategy, mix and ratio: more than 6,000 jobs. No model is run: the
finished tree is made of empty files, and `snakemake --touch` records them as if the jobs had made them, which takes it
some ten minutes.
"""

import argparse
import re
import shutil
import subprocess
import sys
import tempfile
from itertools import chain, islice, product
from pathlib import Path
from resource import RUSAGE_CHILDREN, getrusage
from time import perf_counter

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from tests.project_tree import copy_project, environment  # noqa: E402

STRATEGIES = ("adaptive", "LA_MU", "LU_MA", "uniform", "random")
MIXES = (
    "prob", "mean", "max", "attn_k", "attn_q", "mean_max", "attn_k_attn_q", "mean_max_attn_k", "mean_max_attn_q", "all",
)  # fmt: skip
RATIOS = (0.001, 0.005, 0.01, 0.015, 0.02, 0.05, 0.1)
HEAD = """\
# @package _global_
title: Both experiments of the paper, every strategy, mix and ratio
models: [qwen2_vl_7b, qwen2_audio_7b]
mining_datasets: [textvqa, coco_caption, mmlu, msvd_qa, librispeech, vocalsound]
benchmarks: [textvqa, coco_caption, mmlu, msvd_qa, librispeech, vocalsound]
interventions: [zero]
figures: [neurons_per_layer, set_overlap, ablation_scores, metric_correlation]
capture: {batch_size: 8, shards: 4}
selections:
"""


def experiment(num_selections: int | None) -> str:
    """The YAML of the experiment."""
    lines = [
        f"  {strategy}_{mix}_{ratio}: [selection.options.strategy={strategy}, selection.options.mix={mix}, "
        f"selection.ratio={ratio}]"
        for strategy, mix, ratio in islice(product(STRATEGIES, MIXES, RATIOS), num_selections)
    ]
    return HEAD + "\n".join(lines) + "\n"


def timed(tree: Path, *arguments: str) -> tuple[str, str]:
    """Seconds that one call of Snakemake takes, on the clock and of processor time, and what it says."""
    command = ["snakemake", "--profile", "workflow/profiles/local", *arguments, "--config", "experiment=rerun"]
    started, before = perf_counter(), getrusage(RUSAGE_CHILDREN)
    done = subprocess.run(command, cwd=tree, env=environment(tree), text=True, capture_output=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    seconds, after = perf_counter() - started, getrusage(RUSAGE_CHILDREN)
    worked = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return f"{seconds:.1f} s ({worked:.1f} s of processor time)", done.stdout + done.stderr


def finish(tree: Path, plan: str) -> None:
    """Make every output of a plan as an empty file, and have Snakemake record all as made."""
    outputs = re.findall(r"^    output: (.*)$", plan, re.MULTILINE)
    for path in chain.from_iterable(line.split(", ") for line in outputs):
        (tree / path).parent.mkdir(parents=True, exist_ok=True)
        (tree / path).touch()
    timed(tree, "--touch", "--forceall", "--cores", "10000", "--resources", "gpu=10000")


def main() -> None:
    """Print the number of jobs, and the seconds of a plan and of a call that finds nothing to do."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--selections", type=int, help="only so many of them")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        tree = copy_project(Path(folder))
        (tree / "config/experiment/rerun.yaml").write_text(experiment(args.selections))
        planning, plan = timed(tree, "--dry-run")
        (jobs,) = re.findall(r"^total +(\d+)$", plan, re.MULTILINE)[:1]
        print(f"{jobs} jobs: plan {planning}", flush=True)
        finish(tree, plan)
        nothing, said = timed(tree)
        assert "Nothing to be done" in said, said[-2000:]
        print(f"{jobs} jobs: nothing to be done {nothing}")
        shutil.rmtree(tree)


if __name__ == "__main__":
    main()
