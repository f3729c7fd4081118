"""Have a model at hand and record exactly which."""

from lode.engine.step import run_step
from lode.stages.download_model import run
from lode.study import STUDY

if __name__ == "__main__":
    run_step(STUDY, "download_model", run)
