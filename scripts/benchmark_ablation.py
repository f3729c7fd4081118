"""Run one benchmark with no neuron, every set and every control switched."""

from lode.config import run_step
from lode.stages.ablate import run

if __name__ == "__main__":
    run_step("ablate", run)
