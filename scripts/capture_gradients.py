"""Capture attributions of one shard of a mining dataset, by gradients."""

from lode.engine.step import run_step
from lode.stages.capture_gradients import run
from lode.study import STUDY

if __name__ == "__main__":
    run_step(STUDY, "capture_gradients", run)
