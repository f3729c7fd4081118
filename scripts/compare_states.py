"""Compare the states of groups of tokens over layers."""

from lode.engine.step import run_step
from lode.stages.compare_states import run
from lode.study import STUDY

if __name__ == "__main__":
    run_step(STUDY, "compare_states", run)
