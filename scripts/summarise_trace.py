"""Mean what was traced over samples, and test the three stages."""

from lode.engine.step import run_step
from lode.stages.summarise_trace import run
from lode.study import STUDY

if __name__ == "__main__":
    run_step(STUDY, "summarise_trace", run)
