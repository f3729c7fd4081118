"""Select again where groups do not differ, and compare."""

from lode.engine.step import run_step
from lode.stages.measure_domains import run
from lode.study import STUDY

if __name__ == "__main__":
    run_step(STUDY, "measure_domains", run)
