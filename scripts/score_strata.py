"""Score an ablation by strata of samples, and by the classes that replies name."""

from lode.engine.step import run_step
from lode.stages.score_strata import run
from lode.study import STUDY

if __name__ == "__main__":
    run_step(STUDY, "score_strata", run)
