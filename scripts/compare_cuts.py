"""Compare what cut attention costs with as many random edges."""

from lode.engine.step import run_step
from lode.stages.compare_cuts import run
from lode.study import STUDY

if __name__ == "__main__":
    run_step(STUDY, "compare_cuts", run)
