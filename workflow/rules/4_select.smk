"""Stage 4: neuron sets and their matched controls; how well selections find what was planted.

select_neurons      importance; attributions where needed  -> neurons
rate_selectors      the same, truth                        -> ratings
compare_selectors   ratings                                -> scoreboard
retest_selections   statistics, gradients where needed     -> retests
compare_models      manifests, importance, neurons         -> overlaps
measure_domains     statistics, those of captured nulls    -> domains, set_nulls
profile_layers      statistics                             -> profiles
"""


rule select_neurons:
    input:
        unpack(run.inputs("select_neurons")),
    output:
        neurons=run.pattern("neurons"),
    log:
        "<logs>/select_neurons/{model}/{selection}.log",
    benchmark:
        "<benchmarks>/select_neurons/{model}/{selection}.jsonl"
    conda:
        "../../environment.yml"
    resources:
        **run.resources("select_neurons"),
    params:
        **run.params("select_neurons"),
    shell:
        "python {params.script:q} {params.args:q} > {log:q} 2>&1"


rule rate_selectors:
    input:
        unpack(run.inputs("rate_selectors")),
    output:
        ratings=run.pattern("ratings"),
    log:
        "<logs>/rate_selectors/{planting}/{selection}.log",
    benchmark:
        "<benchmarks>/rate_selectors/{planting}/{selection}.jsonl"
    conda:
        "../../environment.yml"
    resources:
        **run.resources("rate_selectors"),
    params:
        **run.params("rate_selectors"),
    shell:
        "python {params.script:q} {params.args:q} > {log:q} 2>&1"


rule compare_selectors:
    input:
        unpack(run.inputs("compare_selectors")),
    output:
        scoreboard=run.pattern("scoreboard"),
        text=run.pattern("text"),
    log:
        "<logs>/compare_selectors.log",
    benchmark:
        "<benchmarks>/compare_selectors.jsonl"
    conda:
        "../../environment.yml"
    resources:
        **run.resources("compare_selectors"),
    params:
        **run.params("compare_selectors"),
    shell:
        "python {params.script:q} {params.args:q} > {log:q} 2>&1"


rule retest_selections:
    input:
        unpack(run.inputs("retest_selections")),
    output:
        retests=run.pattern("retests"),
    log:
        "<logs>/retest_selections/{model}/{selection}.log",
    benchmark:
        "<benchmarks>/retest_selections/{model}/{selection}.jsonl"
    conda:
        "../../environment.yml"
    resources:
        **run.resources("retest_selections"),
    params:
        **run.params("retest_selections"),
    shell:
        "python {params.script:q} {params.args:q} > {log:q} 2>&1"


rule compare_models:
    input:
        unpack(run.inputs("compare_models")),
    output:
        overlaps=run.pattern("overlaps"),
    log:
        "<logs>/compare_models/{selection}.log",
    benchmark:
        "<benchmarks>/compare_models/{selection}.jsonl"
    conda:
        "../../environment.yml"
    resources:
        **run.resources("compare_models"),
    params:
        **run.params("compare_models"),
    shell:
        "python {params.script:q} {params.args:q} > {log:q} 2>&1"


rule measure_domains:
    input:
        unpack(run.inputs("measure_domains")),
    output:
        domains=run.pattern("domains"),
        set_nulls=run.pattern("set_nulls"),
    log:
        "<logs>/measure_domains/{model}/{selection}.log",
    benchmark:
        "<benchmarks>/measure_domains/{model}/{selection}.jsonl"
    conda:
        "../../environment.yml"
    resources:
        **run.resources("measure_domains"),
    params:
        **run.params("measure_domains"),
    shell:
        "python {params.script:q} {params.args:q} > {log:q} 2>&1"


rule profile_layers:
    input:
        unpack(run.inputs("profile_layers")),
    output:
        profiles=run.pattern("profiles"),
    log:
        "<logs>/profile_layers/{model}/{selection}.log",
    benchmark:
        "<benchmarks>/profile_layers/{model}/{selection}.jsonl"
    conda:
        "../../environment.yml"
    resources:
        **run.resources("profile_layers"),
    params:
        **run.params("profile_layers"),
    shell:
        "python {params.script:q} {params.args:q} > {log:q} 2>&1"
