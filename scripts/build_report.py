"""Write the report of a run."""

from lode.engine.step import run_step
from lode.stages.build_report import run
from lode.study import STUDY

if __name__ == "__main__":
    run_step(STUDY, "build_report", run)
