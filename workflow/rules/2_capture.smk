"""Stage 2: one forward pass a sample; a pass backwards too where a selection needs gradients.

capture_activations   models/{model}/manifest.json, datasets/{dataset}.parquet
                      -> activations/{model}/{dataset}/{shard}.parquet
capture_gradients     the same   -> gradients/{model}/{dataset}/{shard}.parquet
"""


rule capture_activations:
    input:
        manifest="<results>/models/{model}/manifest.json",
        dataset="<results>/datasets/{dataset}.parquet",
    output:
        "<results>/activations/{model}/{dataset}/{shard}.parquet",
    log:
        "<logs>/capture_activations/{model}/{dataset}/{shard}.log",
    benchmark:
        "<benchmarks>/capture_activations/{model}/{dataset}/{shard}.jsonl"
    conda:
        "../../environment.yml"
    resources:
        mem_mb=lambda wildcards, attempt: 4000 * attempt,
        runtime=lambda wildcards, attempt: 60 * attempt,
        gpu=1,
    params:
        **run.step("capture_activations"),
    shell:
        "python {params.script:q} {params.args:q} io.manifest={input.manifest:q} io.dataset={input.dataset:q} "
        "io.shard={wildcards.shard} io.output={output:q} > {log:q} 2>&1"


rule capture_gradients:
    input:
        manifest="<results>/models/{model}/manifest.json",
        dataset="<results>/datasets/{dataset}.parquet",
    output:
        "<results>/gradients/{model}/{dataset}/{shard}.parquet",
    log:
        "<logs>/capture_gradients/{model}/{dataset}/{shard}.log",
    benchmark:
        "<benchmarks>/capture_gradients/{model}/{dataset}/{shard}.jsonl"
    conda:
        "../../environment.yml"
    resources:
        mem_mb=8000,
        runtime=240,
        gpu=1,
    params:
        **run.step("capture_gradients"),
    shell:
        "python {params.script:q} {params.args:q} io.manifest={input.manifest:q} io.dataset={input.dataset:q} "
        "io.shard={wildcards.shard} io.output={output:q} > {log:q} 2>&1"
