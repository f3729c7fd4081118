"""Stage 3: merge shards, weigh datasets.

aggregate_importance   activations/{model}/**   -> importance/{model}.parquet
aggregate_gradients    gradients/{model}/**     -> gradients/{model}.parquet
"""


rule aggregate_importance:
    input:
        lambda wildcards: expand(
            "<results>/activations/{model}/{dataset}/{shard}.parquet",
            model=wildcards.model,
            dataset=run.mined(wildcards.model),
            shard=run.shards(),
        ),
    output:
        "<results>/importance/{model}.parquet",
    log:
        "<logs>/aggregate_importance/{model}.log",
    benchmark:
        "<benchmarks>/aggregate_importance/{model}.jsonl"
    conda:
        "../../environment.yml"
    resources:
        mem_mb=lambda wildcards, attempt: 4000 * attempt,
        runtime=lambda wildcards, attempt: 30 * attempt,
    params:
        **run.step("aggregate_importance"),
        shards=lambda wildcards, input, output: f"io.shards=[{','.join(input)}]",
    shell:
        "python {params.script:q} {params.args:q} {params.shards:q} io.output={output:q} > {log:q} 2>&1"


rule aggregate_gradients:
    input:
        lambda wildcards: expand(
            "<results>/gradients/{model}/{dataset}/{shard}.parquet",
            model=wildcards.model,
            dataset=run.mined(wildcards.model),
            shard=run.shards(),
        ),
    output:
        "<results>/gradients/{model}.parquet",
    log:
        "<logs>/aggregate_gradients/{model}.log",
    benchmark:
        "<benchmarks>/aggregate_gradients/{model}.jsonl"
    conda:
        "../../environment.yml"
    resources:
        mem_mb=4000,
        runtime=30,
    params:
        **run.step("aggregate_gradients"),
        shards=lambda wildcards, input, output: f"io.shards=[{','.join(input)}]",
    shell:
        "python {params.script:q} {params.args:q} {params.shards:q} io.output={output:q} > {log:q} 2>&1"
