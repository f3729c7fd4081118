"""Add up the attributions of all shards of all mining datasets."""

from lode.stages.pool import run
from lode.step import run_step

if __name__ == "__main__":
    run_step("pool", run)
