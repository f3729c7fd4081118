"""Draw one figure of a run."""

from lode.engine.step import run_step
from lode.stages.plot_figures import run
from lode.study import STUDY

if __name__ == "__main__":
    run_step(STUDY, "plot_figures", run)
