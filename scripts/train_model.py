"""Train a small model from its recipe and its seed."""

from lode.stages.train_model import run
from lode.step import run_step

if __name__ == "__main__":
    run_step("train_model", run)
