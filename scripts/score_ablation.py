"""Score the replies of an ablation, and compare each neuron set with the clean model and with its matched controls."""

from lode.engine.step import run_step
from lode.stages.score_ablation import run
from lode.study import STUDY

if __name__ == "__main__":
    run_step(STUDY, "score_ablation", run)
