"""Turn a dataset plug-in into one checked table."""

from lode.stages.prepare_dataset import run
from lode.step import run_step

if __name__ == "__main__":
    run_step("prepare_dataset", run)
