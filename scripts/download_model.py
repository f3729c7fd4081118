"""Have a model at hand and record exactly which."""

from lode.config import run_step
from lode.stages.download import run

if __name__ == "__main__":
    run_step("download", run)
