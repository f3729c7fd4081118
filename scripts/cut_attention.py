"""Cut attention between groups of tokens, and take the likelihood of gold answers."""

from lode.engine.step import run_step
from lode.stages.cut_attention import run
from lode.study import STUDY

if __name__ == "__main__":
    run_step(STUDY, "cut_attention", run)
