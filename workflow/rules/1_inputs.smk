"""Stage 1: models and datasets.

download_model    resources/ or hub        -> models/{model}/manifest.json
prepare_dataset   a dataset plug-in        -> datasets/{dataset}.parquet
train_model       the recipe of a model    -> trained/{training}/   (only when asked for: `make retrain`)
"""


rule download_model:
    input:
        run.model_files,
    output:
        "<results>/models/{model}/manifest.json",
    log:
        "<logs>/download_model/{model}.log",
    benchmark:
        "<benchmarks>/download_model/{model}.jsonl"
    conda:
        "../../environment.yml"
    resources:
        mem_mb=1000,
        runtime=240,
    params:
        **run.step("download", "download_model.py"),
    shell:
        "python {params.script:q} {params.args:q} io.output={output:q} > {log:q} 2>&1"


rule prepare_dataset:
    input:
        run.dataset_files,
    output:
        "<results>/datasets/{dataset}.parquet",
    log:
        "<logs>/prepare_dataset/{dataset}.log",
    benchmark:
        "<benchmarks>/prepare_dataset/{dataset}.jsonl"
    conda:
        "../../environment.yml"
    resources:
        mem_mb=4000,
        runtime=240,
    params:
        **run.step("prepare", "prepare_dataset.py"),
    shell:
        "python {params.script:q} {params.args:q} io.output={output:q} > {log:q} 2>&1"


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
        mem_mb=12000,
        runtime=240,
    params:
        **run.step("train", "train_model.py"),
    shell:
        "python {params.script:q} {params.args:q} io.output={output:q} > {log:q} 2>&1"
