"""Stage 5: switch the sets and their controls, and score what the model then says.

benchmark_ablation    model, dataset, neurons; importance where needed  -> predictions
score_ablation        dataset, predictions of all shards                -> scores, effects, sample_scores
score_strata          dataset, sample_scores, predictions               -> strata, classes, class_summary
compare_strata        dataset, sample_scores, neurons                   -> contrasts
measure_selectivity   effects, sample_scores of all benchmarks          -> comparisons, selectivity
measure_shift         model, dataset, neurons; importance where needed  -> shifts, sample_shifts
compare_shifts        sample_shifts of all benchmarks, neurons          -> shift_tests, shift_selectivity
judge_sets            selectivity, neurons                              -> verdicts
"""


rule benchmark_ablation:
    input:
        unpack(run.inputs("benchmark_ablation")),
    output:
        predictions=run.pattern("predictions"),
    log:
        "<logs>/benchmark_ablation/{model}/{selection}/{intervention}/{dataset}/{shard}.log",
    benchmark:
        "<benchmarks>/benchmark_ablation/{model}/{selection}/{intervention}/{dataset}/{shard}.jsonl"
    conda:
        "../../environment.yml"
    resources:
        **run.resources("benchmark_ablation"),
    params:
        **run.params("benchmark_ablation"),
    shell:
        "python {params.script:q} {params.args:q} > {log:q} 2>&1"


rule score_ablation:
    input:
        unpack(run.inputs("score_ablation")),
    output:
        scores=run.pattern("scores"),
        effects=run.pattern("effects"),
        sample_scores=run.pattern("sample_scores"),
    log:
        "<logs>/score_ablation/{model}/{selection}/{intervention}/{dataset}.log",
    benchmark:
        "<benchmarks>/score_ablation/{model}/{selection}/{intervention}/{dataset}.jsonl"
    conda:
        "../../environment.yml"
    resources:
        **run.resources("score_ablation"),
    params:
        **run.params("score_ablation"),
    shell:
        "python {params.script:q} {params.args:q} > {log:q} 2>&1"


rule score_strata:
    input:
        unpack(run.inputs("score_strata")),
    output:
        strata=run.pattern("strata"),
        classes=run.pattern("classes"),
        class_summary=run.pattern("class_summary"),
    log:
        "<logs>/score_strata/{model}/{selection}/{intervention}/{dataset}.log",
    benchmark:
        "<benchmarks>/score_strata/{model}/{selection}/{intervention}/{dataset}.jsonl"
    conda:
        "../../environment.yml"
    resources:
        **run.resources("score_strata"),
    params:
        **run.params("score_strata"),
    shell:
        "python {params.script:q} {params.args:q} > {log:q} 2>&1"


rule measure_selectivity:
    input:
        unpack(run.inputs("measure_selectivity")),
    output:
        comparisons=run.pattern("comparisons"),
        selectivity=run.pattern("selectivity"),
    log:
        "<logs>/measure_selectivity/{model}/{selection}/{intervention}.log",
    benchmark:
        "<benchmarks>/measure_selectivity/{model}/{selection}/{intervention}.jsonl"
    conda:
        "../../environment.yml"
    resources:
        **run.resources("measure_selectivity"),
    params:
        **run.params("measure_selectivity"),
    shell:
        "python {params.script:q} {params.args:q} > {log:q} 2>&1"


rule measure_shift:
    input:
        unpack(run.inputs("measure_shift")),
    output:
        shifts=run.pattern("shifts"),
        sample_shifts=run.pattern("sample_shifts"),
    log:
        "<logs>/measure_shift/{model}/{selection}/{intervention}/{dataset}.log",
    benchmark:
        "<benchmarks>/measure_shift/{model}/{selection}/{intervention}/{dataset}.jsonl"
    conda:
        "../../environment.yml"
    resources:
        **run.resources("measure_shift"),
    params:
        **run.params("measure_shift"),
    shell:
        "python {params.script:q} {params.args:q} > {log:q} 2>&1"


rule compare_strata:
    input:
        unpack(run.inputs("compare_strata")),
    output:
        contrasts=run.pattern("contrasts"),
    log:
        "<logs>/compare_strata/{model}/{selection}/{intervention}/{dataset}.log",
    benchmark:
        "<benchmarks>/compare_strata/{model}/{selection}/{intervention}/{dataset}.jsonl"
    conda:
        "../../environment.yml"
    resources:
        **run.resources("compare_strata"),
    params:
        **run.params("compare_strata"),
    shell:
        "python {params.script:q} {params.args:q} > {log:q} 2>&1"


rule compare_shifts:
    input:
        unpack(run.inputs("compare_shifts")),
    output:
        shift_tests=run.pattern("shift_tests"),
        shift_selectivity=run.pattern("shift_selectivity"),
    log:
        "<logs>/compare_shifts/{model}/{selection}/{intervention}.log",
    benchmark:
        "<benchmarks>/compare_shifts/{model}/{selection}/{intervention}.jsonl"
    conda:
        "../../environment.yml"
    resources:
        **run.resources("compare_shifts"),
    params:
        **run.params("compare_shifts"),
    shell:
        "python {params.script:q} {params.args:q} > {log:q} 2>&1"


rule judge_sets:
    input:
        unpack(run.inputs("judge_sets")),
    output:
        verdicts=run.pattern("verdicts"),
    log:
        "<logs>/judge_sets.log",
    benchmark:
        "<benchmarks>/judge_sets.jsonl"
    conda:
        "../../environment.yml"
    resources:
        **run.resources("judge_sets"),
    params:
        **run.params("judge_sets"),
    shell:
        "python {params.script:q} {params.args:q} > {log:q} 2>&1"
