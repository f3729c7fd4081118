"""Put the ratings of all selections into one scoreboard."""

from lode.stages.compare_selectors import run
from lode.step import run_step

if __name__ == "__main__":
    run_step("compare_selectors", run)
