"""Plant neurons of known purpose in a model."""

from lode.engine.step import run_step
from lode.stages.plant_neurons import run
from lode.study import STUDY

if __name__ == "__main__":
    run_step(STUDY, "plant_neurons", run)
