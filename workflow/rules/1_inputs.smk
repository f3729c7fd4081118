"""Stage 1: models and datasets. What is not made here is `ancient`: its content is among the recorded params.

download_model    resources/ or hub        -> models/{model}/manifest.json
prepare_dataset   a dataset plug-in        -> datasets/{dataset}.parquet
plant_neurons     a model, datasets        -> planted/{planting}/model/, truth.parquet, proof.parquet
train_model       the recipe of a model    -> trained/{training}/   (only when asked for: `make retrain`)
"""


rule download_model:
    input:
        planted=run.planted_model,
        files=ancient(run.model_files),
    output:
        "<results>/models/{model}/manifest.json",
    log:
        "<logs>/download_model/{model}.log",
    benchmark:
        "<benchmarks>/download_model/{model}.jsonl"
    conda:
        "../../environment.yml"
    resources:
        mem_mb=lambda wildcards, attempt: 1000 * attempt,
        runtime=lambda wildcards, attempt: 240 * attempt,
    params:
        **run.step("download_model"),
    shell:
        "python {params.script:q} {params.args:q} io.output={output:q} > {log:q} 2>&1"


rule prepare_dataset:
    input:
        ancient(run.dataset_files),
    output:
        "<results>/datasets/{dataset}.parquet",
    log:
        "<logs>/prepare_dataset/{dataset}.log",
    benchmark:
        "<benchmarks>/prepare_dataset/{dataset}.jsonl"
    conda:
        "../../environment.yml"
    resources:
        mem_mb=lambda wildcards, attempt: 4000 * attempt,
        runtime=lambda wildcards, attempt: 240 * attempt,
    params:
        **run.step("prepare_dataset"),
    shell:
        "python {params.script:q} {params.args:q} io.output={output:q} > {log:q} 2>&1"


rule plant_neurons:
    input:
        manifest=lambda wildcards: f"<results>/models/{run.base(wildcards)}/manifest.json",
        datasets=lambda wildcards: expand(
            "<results>/datasets/{dataset}.parquet",
            dataset=run.mined(wildcards.planting),
        ),
    output:
        model=directory("<results>/planted/{planting}/model"),
        truth="<results>/planted/{planting}/truth.parquet",
        proof="<results>/planted/{planting}/proof.parquet",
    log:
        "<logs>/plant_neurons/{planting}.log",
    benchmark:
        "<benchmarks>/plant_neurons/{planting}.jsonl"
    conda:
        "../../environment.yml"
    resources:
        mem_mb=lambda wildcards, attempt: 4000 * attempt,
        runtime=lambda wildcards, attempt: 60 * attempt,
    params:
        **run.step("plant_neurons"),
        datasets=lambda wildcards, input, output: f"io.datasets=[{','.join(input.datasets)}]",
    shell:
        "python {params.script:q} {params.args:q} io.manifest={input.manifest:q} {params.datasets:q} "
        "io.output={output.model:q} io.truth={output.truth:q} io.proof={output.proof:q} > {log:q} 2>&1"


rule train_model:
    output:
        directory("<results>/trained/{training}"),
    log:
        "<logs>/train_model/{training}.log",
    benchmark:
        "<benchmarks>/train_model/{training}.jsonl"
    conda:
        "../../environment.yml"
    threads: 2
    resources:
        mem_mb=lambda wildcards, attempt: 12000 * attempt,
        runtime=lambda wildcards, attempt: 240 * attempt,
    params:
        **run.step("train_model"),
    shell:
        "python {params.script:q} {params.args:q} io.output={output:q} > {log:q} 2>&1"
