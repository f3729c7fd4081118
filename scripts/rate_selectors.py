"""Rate a selection by the neurons it should have found."""

from lode.engine.step import run_step
from lode.stages.rate_selectors import run
from lode.study import STUDY

if __name__ == "__main__":
    run_step(STUDY, "rate_selectors", run)
