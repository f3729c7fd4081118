"""Lode: from a model and datasets to neuron sets, their effects, figures and a report.

Configured by Hydra (`config/`). Snakemake's own config carries only `experiment` and `overrides`:

    snakemake --config experiment=default "overrides=['selection.ratio=0.05']"
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
    model=r"[A-Za-z0-9_.-]+",
    planting=r"[A-Za-z0-9_.-]+",
    dataset=r"[A-Za-z0-9_-]+",
    selection=r"[A-Za-z0-9_.-]+",
    intervention=r"[A-Za-z0-9_.-]+",
    figure=r"[A-Za-z0-9_-]+",
    shard=r"\d+",


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
