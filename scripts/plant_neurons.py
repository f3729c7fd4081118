"""Plant neurons of known purpose in a model."""

from lode.stages.plant_neurons import run
from lode.step import run_step

if __name__ == "__main__":
    run_step("plant_neurons", run)
