"""Select again on parts of the samples, and compare."""

from lode.stages.retest import run
from lode.step import run_step

if __name__ == "__main__":
    run_step("retest", run)
