"""Select neuron sets and draw their matched controls."""

from lode.stages.select_neurons import run
from lode.step import run_step

if __name__ == "__main__":
    run_step("select_neurons", run)
