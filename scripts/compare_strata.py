"""Compare what sets cost two strata of samples, as declared, with what their controls cost."""

from lode.engine.step import run_step
from lode.stages.compare_strata import run
from lode.study import STUDY

if __name__ == "__main__":
    run_step(STUDY, "compare_strata", run)
