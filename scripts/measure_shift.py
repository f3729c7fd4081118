"""Measure how far sets move the hidden states of prompts."""

from lode.engine.step import run_step
from lode.stages.measure_shift import run
from lode.study import STUDY

if __name__ == "__main__":
    run_step(STUDY, "measure_shift", run)
