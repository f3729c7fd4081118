"""Ablate heads of attention, and take the likelihood of gold answers."""

from lode.engine.step import run_step
from lode.stages.ablate_heads import run
from lode.study import STUDY

if __name__ == "__main__":
    run_step(STUDY, "ablate_heads", run)
