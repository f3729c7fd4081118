"""Stage 4: neuron sets and their matched controls.

select_neurons   importance/{model}.parquet   -> neurons/{model}/{selection}.parquet
"""


rule select_neurons:
    input:
        "<results>/importance/{model}.parquet",
    output:
        "<results>/neurons/{model}/{selection}.parquet",
    log:
        "<logs>/select_neurons/{model}/{selection}.log",
    benchmark:
        "<benchmarks>/select_neurons/{model}/{selection}.jsonl"
    conda:
        "../../environment.yml"
    resources:
        mem_mb=4000,
        runtime=30,
    params:
        **run.step("select", "select_neurons.py"),
    shell:
        "python {params.script:q} {params.args:q} io.importance={input:q} io.output={output:q} > {log:q} 2>&1"
