"""Capture attributions of one shard of a mining dataset, by gradients."""

from lode.stages.capture_gradients import run
from lode.step import run_step

if __name__ == "__main__":
    run_step("capture_gradients", run)
