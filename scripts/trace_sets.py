"""Trace benchmarks with each set of neurons, and each control, switched."""

from lode.engine.step import run_step
from lode.stages.trace_sets import run
from lode.study import STUDY

if __name__ == "__main__":
    run_step(STUDY, "trace_sets", run)
