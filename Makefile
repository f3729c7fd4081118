# Everything sets itself up: python3 >= 3.11 is all that is needed.
EXPERIMENT ?= default
# Hydra overrides with blanks between them: OVERRIDES="seed=7 selection.ratio=0.05"
OVERRIDES ?=
KILLS ?= 30
MODEL ?= tiny_qwen2_vl
PROFILE ?= workflow/profiles/local
RUN = bash workflow/with_env.sh
comma := ,
# As text, or Snakemake would read the experiment 2024_01 as the number 202401.
CONFIG = "experiment=!!str $(EXPERIMENT)" $(if $(OVERRIDES),"overrides=[$(foreach o,$(OVERRIDES),'$(subst ','',$o)'$(comma))]")
WORDS = "$(EXPERIMENT)" $(foreach o,$(OVERRIDES),"$o")

.PHONY: help reproduce scoreboard plan verify test test-browser test-slurm test-faults unlock check retrain clean

help: ## list the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 14

reproduce: ## run an experiment to its report: make reproduce EXPERIMENT=default OVERRIDES="seed=7"
	@$(RUN) snakemake --profile $(PROFILE) --config $(CONFIG)
	@$(RUN) python -m workflow.verify --where $(WORDS)

scoreboard: ## which selector finds planted neurons: results/scoreboard/compare_selectors/scoreboard.md
	@$(RUN) snakemake --profile $(PROFILE) --config experiment=scoreboard \
		-- results/scoreboard/compare_selectors/scoreboard.md results/scoreboard/plot_figures/scoreboard.png
	@cat results/scoreboard/compare_selectors/scoreboard.md

plan: ## say what `make reproduce` would run, and why
	@$(RUN) snakemake --profile $(PROFILE) --config $(CONFIG) --dry-run

verify: ## compare every result of an experiment with the plan: make verify EXPERIMENT=default
	@$(RUN) python -m workflow.verify $(WORDS)

test: ## all tests, in two processes with a thread each
	@OMP_NUM_THREADS=1 $(RUN) pytest --numprocesses=2 --dist=loadgroup --no-loadscope-reorder

test-browser: ## the report in a real browser (Chromium; root and apt where there is none)
	@$(RUN) pytest tests/browser -m browser

test-slurm: ## a real Slurm on this machine (root, apt): make test-slurm EXPERIMENT=smoke for a short one
	@$(RUN) pytest tests/slurm -m slurm --experiment=$(EXPERIMENT)

test-faults: ## kill -9 at 30 random moments, a full disk (root): make test-faults EXPERIMENT=smoke KILLS=6
	@$(RUN) pytest tests/faults -m faults --experiment=$(EXPERIMENT) --kills=$(KILLS)

unlock: ## after Snakemake itself was killed: allow the next call (make sure that none is running)
	@$(RUN) snakemake --profile $(PROFILE) --config $(CONFIG) --unlock

check: ## style, types, workflow lint
	@$(RUN) ruff check .
	@$(RUN) ruff format --check .
	@$(RUN) snakefmt --check Snakefile workflow
	@$(RUN) mypy
	@$(RUN) snakemake --lint

retrain: ## rebuild resources/models/$(MODEL) from its seed (half an hour on two cores)
	@$(RUN) snakemake --profile $(PROFILE) results/default/train_model/$(MODEL) --forcerun train_model
	@mkdir -p resources/models/$(MODEL)
	@cp -r results/default/train_model/$(MODEL)/* resources/models/$(MODEL)/

clean: ## remove all results
	rm -rf results .snakemake
