"""Merge the shards of all mining datasets into one importance table."""

from lode.engine.step import run_step
from lode.stages.aggregate_importance import run
from lode.study import STUDY

if __name__ == "__main__":
    run_step(STUDY, "aggregate_importance", run)
