"""Run one benchmark with no neuron, every set and every control switched."""

from lode.engine.step import run_step
from lode.stages.benchmark_ablation import run
from lode.study import STUDY

if __name__ == "__main__":
    run_step(STUDY, "benchmark_ablation", run)
