"""Say where in depth the sets of a selection sit."""

from lode.engine.step import run_step
from lode.stages.profile_layers import run
from lode.study import STUDY

if __name__ == "__main__":
    run_step(STUDY, "profile_layers", run)
