"""Find the state of a word, and its layer, that tokens of a trace are nearest to."""

from lode.engine.step import run_step
from lode.stages.match_contexts import run
from lode.study import STUDY

if __name__ == "__main__":
    run_step(STUDY, "match_contexts", run)
