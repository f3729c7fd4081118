"""Put the ratings of all selections into one scoreboard."""

from lode.engine.step import run_step
from lode.stages.compare_selectors import run
from lode.study import STUDY

if __name__ == "__main__":
    run_step(STUDY, "compare_selectors", run)
