"""Stage 5: switch the sets and their controls, and score what the model then says.

benchmark_ablation   model, dataset, neurons/{model}/{selection}.parquet; importance/{model}.parquet for interventions
                     that take values from it
                     -> ablation/{model}/{selection}/{intervention}/{dataset}/{shard}.predictions.parquet
score_ablation       all shards of the predictions, dataset
                     -> ablation/{model}/{selection}/{intervention}/{dataset}.scores.parquet, .effects.parquet,
                        .sample_scores.parquet
measure_selectivity  effects and sample_scores of all benchmarks
                     -> ablation/{model}/{selection}/{intervention}/comparisons.parquet, selectivity.parquet
judge_sets           selectivity of all runs, neurons/**
                     -> verdicts.parquet
"""


rule benchmark_ablation:
    input:
        unpack(lambda wildcards: run.references(wildcards, root)),
        manifest="<results>/models/{model}/manifest.json",
        dataset="<results>/datasets/{dataset}.parquet",
        neurons="<results>/neurons/{model}/{selection}.parquet",
    output:
        "<results>/ablation/{model}/{selection}/{intervention}/{dataset}/{shard}.predictions.parquet",
    log:
        "<logs>/benchmark_ablation/{model}/{selection}/{intervention}/{dataset}/{shard}.log",
    benchmark:
        "<benchmarks>/benchmark_ablation/{model}/{selection}/{intervention}/{dataset}/{shard}.jsonl"
    conda:
        "../../environment.yml"
    resources:
        mem_mb=lambda wildcards, attempt: 4000 * attempt,
        runtime=lambda wildcards, attempt: 240 * attempt,
        gpu=1,
    params:
        **run.step("benchmark_ablation"),
        references=lambda wildcards, input, output: [
            f"io.{name}={path}"
            for name, path in run.references(wildcards, root).items()
        ],
    shell:
        "python {params.script:q} {params.args:q} {params.references:q} io.manifest={input.manifest:q} "
        "io.dataset={input.dataset:q} io.neurons={input.neurons:q} io.shard={wildcards.shard} io.output={output:q} "
        "> {log:q} 2>&1"


rule score_ablation:
    input:
        dataset="<results>/datasets/{dataset}.parquet",
        predictions=expand(
            "<results>/ablation/{{model}}/{{selection}}/{{intervention}}/{{dataset}}/{shard}.predictions.parquet",
            shard=run.shards("ablation"),
        ),
    output:
        scores="<results>/ablation/{model}/{selection}/{intervention}/{dataset}.scores.parquet",
        effects="<results>/ablation/{model}/{selection}/{intervention}/{dataset}.effects.parquet",
        sample_scores="<results>/ablation/{model}/{selection}/{intervention}/{dataset}.sample_scores.parquet",
    log:
        "<logs>/score_ablation/{model}/{selection}/{intervention}/{dataset}.log",
    benchmark:
        "<benchmarks>/score_ablation/{model}/{selection}/{intervention}/{dataset}.jsonl"
    conda:
        "../../environment.yml"
    resources:
        mem_mb=lambda wildcards, attempt: 2000 * attempt,
        runtime=lambda wildcards, attempt: 60 * attempt,
    params:
        **run.step("score_ablation"),
        predictions=lambda wildcards, input, output: f"io.predictions=[{','.join(input.predictions)}]",
    shell:
        "python {params.script:q} {params.args:q} io.dataset={input.dataset:q} {params.predictions:q} "
        "io.scores={output.scores:q} io.effects={output.effects:q} io.sample_scores={output.sample_scores:q} "
        "> {log:q} 2>&1"


rule measure_selectivity:
    input:
        unpack(lambda wildcards: run.compared(wildcards, root)),
    output:
        comparisons="<results>/ablation/{model}/{selection}/{intervention}/comparisons.parquet",
        selectivity="<results>/ablation/{model}/{selection}/{intervention}/selectivity.parquet",
    log:
        "<logs>/measure_selectivity/{model}/{selection}/{intervention}.log",
    benchmark:
        "<benchmarks>/measure_selectivity/{model}/{selection}/{intervention}.jsonl"
    conda:
        "../../environment.yml"
    resources:
        mem_mb=lambda wildcards, attempt: 2000 * attempt,
        runtime=lambda wildcards, attempt: 60 * attempt,
    params:
        **run.step("measure_selectivity"),
        tables=lambda wildcards, input, output: run.io(
            "tables", run.compared(wildcards, root)
        ),
    shell:
        "python {params.script:q} {params.args:q} {params.tables:q} io.comparisons={output.comparisons:q} "
        "io.selectivity={output.selectivity:q} > {log:q} 2>&1"


rule judge_sets:
    input:
        selectivity=run.tables("selectivity", root),
        neurons=run.tables("neurons", root),
    output:
        "<results>/verdicts.parquet",
    log:
        "<logs>/judge_sets.log",
    benchmark:
        "<benchmarks>/judge_sets.jsonl"
    conda:
        "../../environment.yml"
    resources:
        mem_mb=lambda wildcards, attempt: 2000 * attempt,
        runtime=lambda wildcards, attempt: 30 * attempt,
    params:
        **run.step("judge_sets"),
        tables=lambda wildcards, input, output: run.io(
            "tables",
            {kind: list(input[kind]) for kind in ("selectivity", "neurons")},
        ),
    shell:
        "python {params.script:q} {params.args:q} {params.tables:q} io.output={output:q} > {log:q} 2>&1"
