"""Turn a dataset plug-in into one checked table."""

from lode.config import run_step
from lode.stages.prepare import run

if __name__ == "__main__":
    run_step("prepare", run)
