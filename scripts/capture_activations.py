"""Capture the statistics of one shard of a mining dataset."""

from lode.stages.capture_activations import run
from lode.step import run_step

if __name__ == "__main__":
    run_step("capture_activations", run)
