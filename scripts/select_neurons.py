"""Select neuron sets and draw their matched controls."""

from lode.engine.step import run_step
from lode.stages.select_neurons import run
from lode.study import STUDY

if __name__ == "__main__":
    run_step(STUDY, "select_neurons", run)
