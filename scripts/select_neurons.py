"""Select neuron sets and draw their matched controls."""

from lode.config import run_step
from lode.stages.select import run

if __name__ == "__main__":
    run_step("select", run)
