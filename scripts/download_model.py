"""Have a model at hand and record exactly which."""

from lode.stages.download_model import run
from lode.step import run_step

if __name__ == "__main__":
    run_step("download_model", run)
