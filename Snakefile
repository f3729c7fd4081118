"""Lode: from a model and datasets to neuron sets, their effects, figures and a report.

Configured by Hydra (`config/`). Snakemake's own config carries only `experiment` and `overrides`:

    snakemake --config experiment=default "overrides=['selection.ratio=0.05']"

A run with overrides has a folder of results of its own. A name that reads as a number needs 'experiment=!!str 2024'.
"""

import sys

sys.path.insert(0, workflow.basedir)

from snakemake.utils import min_version

from workflow.pipeline import Pipeline

min_version("9.20")


workdir: workflow.basedir


run = Pipeline(config)
root = run.root


pathvars:
    results=root,
    logs=f"{root}/logs",
    benchmarks=f"{root}/benchmarks",


wildcard_constraints:
    **run.constraints,


onstart:
    run.open_results()


rule all:
    default_target: True
    input:
        "<results>/report.html",


include: "workflow/rules/1_inputs.smk"
include: "workflow/rules/2_capture.smk"
include: "workflow/rules/3_aggregate.smk"
include: "workflow/rules/4_select.smk"
include: "workflow/rules/5_ablate.smk"
include: "workflow/rules/6_plot.smk"


run.check_targets(sys.argv, list(workflow.rules))

if workflow.is_main_process:
    run.advise()
