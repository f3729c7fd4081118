"""Trace benchmarks: logit lens, what the last token takes, and states."""

from lode.engine.step import run_step
from lode.stages.trace_states import run
from lode.study import STUDY

if __name__ == "__main__":
    run_step(STUDY, "trace_states", run)
