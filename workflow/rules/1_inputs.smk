"""Stage 1: models and datasets. What no step makes is `ancient`: its content is among the recorded params.

download_model    resources/ or hub      -> manifest
prepare_dataset   a dataset plug-in      -> dataset
plant_neurons     a model, datasets      -> model, truth, proof
train_model       the recipe of a model  -> trained
"""


rule download_model:
    input:
        unpack(run.inputs("download_model")),
        sources=ancient(run.given("download_model")),
    output:
        manifest=run.pattern("manifest"),
    log:
        "<logs>/download_model/{model}.log",
    benchmark:
        "<benchmarks>/download_model/{model}.jsonl"
    conda:
        "../../environment.yml"
    resources:
        **run.resources("download_model"),
    params:
        **run.params("download_model"),
    shell:
        "python {params.script:q} {params.args:q} > {log:q} 2>&1"


rule prepare_dataset:
    input:
        sources=ancient(run.given("prepare_dataset")),
    output:
        dataset=run.pattern("dataset"),
    log:
        "<logs>/prepare_dataset/{dataset}.log",
    benchmark:
        "<benchmarks>/prepare_dataset/{dataset}.jsonl"
    conda:
        "../../environment.yml"
    resources:
        **run.resources("prepare_dataset"),
    params:
        **run.params("prepare_dataset"),
    shell:
        "python {params.script:q} {params.args:q} > {log:q} 2>&1"


rule plant_neurons:
    input:
        unpack(run.inputs("plant_neurons")),
    output:
        truth=run.pattern("truth"),
        proof=run.pattern("proof"),
        model=directory(run.pattern("model")),
    log:
        "<logs>/plant_neurons/{planting}.log",
    benchmark:
        "<benchmarks>/plant_neurons/{planting}.jsonl"
    conda:
        "../../environment.yml"
    resources:
        **run.resources("plant_neurons"),
    params:
        **run.params("plant_neurons"),
    shell:
        "python {params.script:q} {params.args:q} > {log:q} 2>&1"


rule train_model:
    output:
        trained=directory(run.pattern("trained")),
    log:
        "<logs>/train_model/{training}.log",
    benchmark:
        "<benchmarks>/train_model/{training}.jsonl"
    conda:
        "../../environment.yml"
    threads: 2
    resources:
        **run.resources("train_model"),
    params:
        **run.params("train_model"),
    shell:
        "python {params.script:q} {params.args:q} > {log:q} 2>&1"
