"""Compare what sets change inside the model with what their controls change."""

from lode.engine.step import run_step
from lode.stages.compare_traces import run
from lode.study import STUDY

if __name__ == "__main__":
    run_step(STUDY, "compare_traces", run)
