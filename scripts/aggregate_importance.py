"""Merge the shards of all mining datasets into one importance table."""

from lode.config import run_step
from lode.stages.aggregate import run

if __name__ == "__main__":
    run_step("aggregate", run)
