"""Draw one figure of a run."""

from lode.stages.plot_figures import run
from lode.step import run_step

if __name__ == "__main__":
    run_step("plot_figures", run)
