"""Judge all sets of a report together: specific to their modality, not, or not to be told here."""

from lode.engine.step import run_step
from lode.stages.judge_sets import run
from lode.study import STUDY

if __name__ == "__main__":
    run_step(STUDY, "judge_sets", run)
