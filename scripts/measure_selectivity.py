"""Compare the drops of every neuron set on its own benchmarks with those on the others, and correct for many tests."""

from lode.engine.step import run_step
from lode.stages.measure_selectivity import run
from lode.study import STUDY

if __name__ == "__main__":
    run_step(STUDY, "measure_selectivity", run)
