"""Merge the shards of all mining datasets into one importance table."""

from lode.stages.aggregate_importance import run
from lode.step import run_step

if __name__ == "__main__":
    run_step("aggregate_importance", run)
