"""Select again on parts of the samples, and compare."""

from lode.stages.retest_selections import run
from lode.step import run_step

if __name__ == "__main__":
    run_step("retest_selections", run)
