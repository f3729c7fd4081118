"""Write the report of a run."""

from lode.stages.build_report import run
from lode.step import run_step

if __name__ == "__main__":
    run_step("build_report", run)
