"""Compare the drops of every neuron set on its own benchmarks with those on the others, and correct for many tests."""

from lode.stages.measure_selectivity import run
from lode.step import run_step

if __name__ == "__main__":
    run_step("measure_selectivity", run)
