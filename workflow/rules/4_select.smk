"""Stage 4: neuron sets and their matched controls; how well selections find what was planted.

select_neurons      importance/{model}.parquet, gradients/{model}.parquet where the selection needs it
                    -> neurons/{model}/{selection}.parquet
rate_selectors      the same, planted/{planting}/truth.parquet
                    -> ratings/{planting}/{selection}.parquet
compare_selectors   ratings/**                   -> scoreboard.parquet, scoreboard.md
retest_selections   activations/{model}/** (and gradients/{model}/**)
                    -> retests/{model}/{selection}.parquet
"""


rule select_neurons:
    input:
        unpack(
            lambda wildcards: run.selected_from(
                wildcards.model, wildcards.selection, root
            )
        ),
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
        **run.step("select_neurons"),
        io=lambda wildcards, input, output: [
            f"io.{kind}={path}" for kind, path in input.items()
        ],
    shell:
        "python {params.script:q} {params.args:q} {params.io:q} io.output={output:q} > {log:q} 2>&1"


rule rate_selectors:
    input:
        unpack(
            lambda wildcards: run.selected_from(
                wildcards.planting, wildcards.selection, root
            )
        ),
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
        **run.step("rate_selectors"),
        io=lambda wildcards, input, output: [
            f"io.{kind}={path}" for kind, path in input.items()
        ],
    shell:
        "python {params.script:q} {params.args:q} {params.io:q} io.output={output:q} > {log:q} 2>&1"


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
        **run.step("compare_selectors"),
        ratings=lambda wildcards, input, output: f"io.ratings=[{','.join(input)}]",
    shell:
        "python {params.script:q} {params.args:q} {params.ratings:q} io.output={output.table:q} io.text={output.text:q} "
        "> {log:q} 2>&1"


rule retest_selections:
    input:
        unpack(lambda wildcards: run.retested(wildcards, root)),
    output:
        "<results>/retests/{model}/{selection}.parquet",
    log:
        "<logs>/retest_selections/{model}/{selection}.log",
    benchmark:
        "<benchmarks>/retest_selections/{model}/{selection}.jsonl"
    conda:
        "../../environment.yml"
    resources:
        mem_mb=8000,
        runtime=60,
    params:
        **run.step("retest_selections"),
        tables=lambda wildcards, input, output: run.io(
            "tables", run.retested(wildcards, root)
        ),
    shell:
        "python {params.script:q} {params.args:q} {params.tables:q} io.output={output:q} > {log:q} 2>&1"
