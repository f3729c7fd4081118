"""Write the report of a run."""

from lode.stages.report import run
from lode.step import run_step

if __name__ == "__main__":
    run_step("report", run)
