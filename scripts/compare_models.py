"""Compare the sets of models that hold the same language model."""

from lode.engine.step import run_step
from lode.stages.compare_models import run
from lode.study import STUDY

if __name__ == "__main__":
    run_step(STUDY, "compare_models", run)
