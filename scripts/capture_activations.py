"""Capture the statistics of one shard of a mining dataset."""

from lode.config import run_step
from lode.stages.capture import run

if __name__ == "__main__":
    run_step("capture", run)
