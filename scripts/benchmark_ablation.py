"""Run one benchmark with no neuron, every set and every control switched."""

from lode.stages.benchmark_ablation import run
from lode.step import run_step

if __name__ == "__main__":
    run_step("benchmark_ablation", run)
