"""Lode: from a model and datasets to neuron sets, their effects, figures and a report.

Configured by Hydra (`config/`). Snakemake's own config carries only `experiment` and `overrides`:

    snakemake --config experiment=default "overrides=['selection.ratio=0.05']"

A run with overrides has a folder of results of its own. A name that reads as a number needs 'experiment=!!str 2024'.
"""

import sys

sys.path.insert(0, workflow.basedir)

from snakemake.utils import min_version

from workflow.check import (
    check_targets,
    open_experiment,
    open_results,
    print_advice,
)

min_version("9.20")


workdir: workflow.basedir


experiment = open_experiment(config)
run = experiment.plan


pathvars:
    results=run.root,
    logs=f"{run.root}/logs",
    benchmarks=f"{run.root}/benchmarks",


wildcard_constraints:
    **run.constraints,


onstart:
    open_results(run.root)


rule all:
    default_target: True
    input:
        run.pattern("report"),
        experiment.demanded,


include: "workflow/rules/1_inputs.smk"
include: "workflow/rules/2_capture.smk"
include: "workflow/rules/3_aggregate.smk"
include: "workflow/rules/4_select.smk"
include: "workflow/rules/5_ablate.smk"
include: "workflow/rules/6_plot.smk"
include: "workflow/rules/7_internals.smk"


check_targets(run.root, sys.argv, list(workflow.rules))

if workflow.is_main_process:
    print_advice(experiment)
