"""Score the replies of an ablation, and compare each neuron set with the clean model and with its matched controls."""

from lode.stages.score_ablation import run
from lode.step import run_step

if __name__ == "__main__":
    run_step("score_ablation", run)
