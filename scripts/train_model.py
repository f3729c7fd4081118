"""Train a small model from its recipe and its seed."""

from lode.config import run_step
from lode.stages.train import run

if __name__ == "__main__":
    run_step("train", run)
