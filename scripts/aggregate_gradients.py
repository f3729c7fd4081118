"""Add up the attributions of all shards of all mining datasets."""

from lode.engine.step import run_step
from lode.stages.aggregate_gradients import run
from lode.study import STUDY

if __name__ == "__main__":
    run_step(STUDY, "aggregate_gradients", run)
