"""Train a small model from its recipe and its seed."""

from lode.engine.step import run_step
from lode.stages.train_model import run
from lode.study import STUDY

if __name__ == "__main__":
    run_step(STUDY, "train_model", run)
