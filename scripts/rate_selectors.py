"""Rate a selection by the neurons it should have found."""

from lode.stages.rate_selectors import run
from lode.step import run_step

if __name__ == "__main__":
    run_step("rate_selectors", run)
