"""Capture the statistics of one shard of a mining dataset, its samples shown changed."""

from lode.engine.step import run_step
from lode.stages.capture_nulls import run
from lode.study import STUDY

if __name__ == "__main__":
    run_step(STUDY, "capture_nulls", run)
