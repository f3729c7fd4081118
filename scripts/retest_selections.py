"""Select again on parts of the samples, and compare."""

from lode.engine.step import run_step
from lode.stages.retest_selections import run
from lode.study import STUDY

if __name__ == "__main__":
    run_step(STUDY, "retest_selections", run)
