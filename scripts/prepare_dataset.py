"""Turn a dataset plug-in into one checked table."""

from lode.engine.step import run_step
from lode.stages.prepare_dataset import run
from lode.study import STUDY

if __name__ == "__main__":
    run_step(STUDY, "prepare_dataset", run)
