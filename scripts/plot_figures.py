"""Draw one figure of a run."""

from lode.config import run_step
from lode.stages.plot import run

if __name__ == "__main__":
    run_step("plot", run)
