"""Compare the states of the same contents in two forms."""

from lode.engine.step import run_step
from lode.stages.align_states import run
from lode.study import STUDY

if __name__ == "__main__":
    run_step(STUDY, "align_states", run)
