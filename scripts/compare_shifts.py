"""Compare what sets move with what their controls move, and their own group with others."""

from lode.engine.step import run_step
from lode.stages.compare_shifts import run
from lode.study import STUDY

if __name__ == "__main__":
    run_step(STUDY, "compare_shifts", run)
