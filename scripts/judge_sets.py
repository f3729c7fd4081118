"""Judge all sets of a report together: specific to their modality, not, or not to be told here."""

from lode.stages.judge_sets import run
from lode.step import run_step

if __name__ == "__main__":
    run_step("judge_sets", run)
