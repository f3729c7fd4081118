"""Stage 3: merge shards, weigh datasets.

aggregate_importance   statistics of all shards  -> importance
aggregate_gradients    gradients of all shards   -> attributions
"""


rule aggregate_importance:
    input:
        unpack(run.inputs("aggregate_importance")),
    output:
        importance=run.pattern("importance"),
    log:
        "<logs>/aggregate_importance/{model}.log",
    benchmark:
        "<benchmarks>/aggregate_importance/{model}.jsonl"
    conda:
        "../../environment.yml"
    resources:
        **run.resources("aggregate_importance"),
    params:
        **run.params("aggregate_importance"),
    shell:
        "python {params.script:q} {params.args:q} > {log:q} 2>&1"


rule aggregate_gradients:
    input:
        unpack(run.inputs("aggregate_gradients")),
    output:
        attributions=run.pattern("attributions"),
    log:
        "<logs>/aggregate_gradients/{model}.log",
    benchmark:
        "<benchmarks>/aggregate_gradients/{model}.jsonl"
    conda:
        "../../environment.yml"
    resources:
        **run.resources("aggregate_gradients"),
    params:
        **run.params("aggregate_gradients"),
    shell:
        "python {params.script:q} {params.args:q} > {log:q} 2>&1"
