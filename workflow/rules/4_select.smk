"""Stage 4: neuron sets and their matched controls; how well selections find what was planted.

select_neurons      importance/{model}.parquet   -> neurons/{model}/{selection}.parquet
rate_selectors      importance, planted/{planting}/truth.parquet
                    -> ratings/{planting}/{selection}.parquet
compare_selectors   ratings/**                   -> scoreboard.parquet, scoreboard.md
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
        mem_mb=lambda wildcards, attempt: 4000 * attempt,
        runtime=lambda wildcards, attempt: 30 * attempt,
    params:
        **run.step("select", "select_neurons.py"),
    shell:
        "python {params.script:q} {params.args:q} io.importance={input:q} io.output={output:q} > {log:q} 2>&1"


rule rate_selectors:
    input:
        importance="<results>/importance/{planting}.parquet",
        truth="<results>/planted/{planting}/truth.parquet",
    output:
        "<results>/ratings/{planting}/{selection}.parquet",
    log:
        "<logs>/rate_selectors/{planting}/{selection}.log",
    benchmark:
        "<benchmarks>/rate_selectors/{planting}/{selection}.jsonl"
    conda:
        "../../environment.yml"
    resources:
        mem_mb=lambda wildcards, attempt: 2000 * attempt,
        runtime=lambda wildcards, attempt: 30 * attempt,
    params:
        **run.step("rate", "rate_selectors.py"),
    shell:
        "python {params.script:q} {params.args:q} io.importance={input.importance:q} io.truth={input.truth:q} "
        "io.output={output:q} > {log:q} 2>&1"


rule compare_selectors:
    input:
        run.tables("ratings", root),
    output:
        table="<results>/scoreboard.parquet",
        text="<results>/scoreboard.md",
    log:
        "<logs>/compare_selectors.log",
    benchmark:
        "<benchmarks>/compare_selectors.jsonl"
    conda:
        "../../environment.yml"
    resources:
        mem_mb=lambda wildcards, attempt: 2000 * attempt,
        runtime=lambda wildcards, attempt: 30 * attempt,
    params:
        **run.step("compare", "compare_selectors.py"),
        ratings=lambda wildcards, input, output: f"io.ratings=[{','.join(input)}]",
    shell:
        "python {params.script:q} {params.args:q} {params.ratings:q} io.output={output.table:q} io.text={output.text:q} "
        "> {log:q} 2>&1"
