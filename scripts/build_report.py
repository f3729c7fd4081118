"""Write the report of a run."""

from lode.config import run_step
from lode.stages.report import run

if __name__ == "__main__":
    run_step("report", run)
