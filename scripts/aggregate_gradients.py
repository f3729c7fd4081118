"""Add up the attributions of all shards of all mining datasets."""

from lode.stages.aggregate_gradients import run
from lode.step import run_step

if __name__ == "__main__":
    run_step("aggregate_gradients", run)
