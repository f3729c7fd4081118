"""Stage 2: one forward pass a sample; a pass backwards too where a selection needs gradients.

capture_activations   model, dataset  -> statistics
capture_nulls         model, dataset  -> null_statistics
capture_gradients     model, dataset  -> gradients
"""


rule capture_activations:
    input:
        unpack(run.inputs("capture_activations")),
    output:
        statistics=run.pattern("statistics"),
    log:
        "<logs>/capture_activations/{model}/{dataset}/{shard}.log",
    benchmark:
        "<benchmarks>/capture_activations/{model}/{dataset}/{shard}.jsonl"
    conda:
        "../../environment.yml"
    resources:
        **run.resources("capture_activations"),
    params:
        **run.params("capture_activations"),
    shell:
        "python {params.script:q} {params.args:q} > {log:q} 2>&1"


rule capture_nulls:
    input:
        unpack(run.inputs("capture_nulls")),
    output:
        null_statistics=run.pattern("null_statistics"),
    log:
        "<logs>/capture_nulls/{model}/{dataset}/{null}/{shard}.log",
    benchmark:
        "<benchmarks>/capture_nulls/{model}/{dataset}/{null}/{shard}.jsonl"
    conda:
        "../../environment.yml"
    resources:
        **run.resources("capture_nulls"),
    params:
        **run.params("capture_nulls"),
    shell:
        "python {params.script:q} {params.args:q} > {log:q} 2>&1"


rule capture_gradients:
    input:
        unpack(run.inputs("capture_gradients")),
    output:
        gradients=run.pattern("gradients"),
    log:
        "<logs>/capture_gradients/{model}/{dataset}/{shard}.log",
    benchmark:
        "<benchmarks>/capture_gradients/{model}/{dataset}/{shard}.jsonl"
    conda:
        "../../environment.yml"
    resources:
        **run.resources("capture_gradients"),
    params:
        **run.params("capture_gradients"),
    shell:
        "python {params.script:q} {params.args:q} > {log:q} 2>&1"
