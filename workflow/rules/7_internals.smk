"""Stage 7: what happens inside the model, on the benchmarks.

trace_states      model, dataset              -> lens_samples, flow_samples, states, lens_tokens, vocabulary
summarise_trace   lens_samples, flow_samples  -> lens, stages, flow, change_points
match_contexts    dataset, states, vocabulary  -> contextual
trace_sets        model, dataset, neurons     -> set_lens_samples, set_flow_samples
compare_traces    set_lens_samples, set_flow_samples, neurons  -> trace_tests
cut_attention     model, dataset              -> cut_samples
compare_cuts      cut_samples                 -> cuts
ablate_heads      model, dataset              -> heads, attention_maps
compare_states    states                      -> convergence, phenomena
align_states      states, dataset             -> alignment
"""


rule trace_states:
    input:
        unpack(run.inputs("trace_states")),
    output:
        lens_samples=run.pattern("lens_samples"),
        flow_samples=run.pattern("flow_samples"),
        states=run.pattern("states"),
        lens_tokens=run.pattern("lens_tokens"),
        vocabulary=run.pattern("vocabulary"),
    log:
        "<logs>/trace_states/{model}/{dataset}.log",
    benchmark:
        "<benchmarks>/trace_states/{model}/{dataset}.jsonl"
    conda:
        "../../environment.yml"
    resources:
        **run.resources("trace_states"),
    params:
        **run.params("trace_states"),
    shell:
        "python {params.script:q} {params.args:q} > {log:q} 2>&1"


rule summarise_trace:
    input:
        unpack(run.inputs("summarise_trace")),
    output:
        lens=run.pattern("lens"),
        stages=run.pattern("stages"),
        flow=run.pattern("flow"),
        change_points=run.pattern("change_points"),
    log:
        "<logs>/summarise_trace/{model}/{dataset}.log",
    benchmark:
        "<benchmarks>/summarise_trace/{model}/{dataset}.jsonl"
    conda:
        "../../environment.yml"
    resources:
        **run.resources("summarise_trace"),
    params:
        **run.params("summarise_trace"),
    shell:
        "python {params.script:q} {params.args:q} > {log:q} 2>&1"


rule match_contexts:
    input:
        unpack(run.inputs("match_contexts")),
    output:
        contextual=run.pattern("contextual"),
    log:
        "<logs>/match_contexts/{model}/{dataset}.log",
    benchmark:
        "<benchmarks>/match_contexts/{model}/{dataset}.jsonl"
    conda:
        "../../environment.yml"
    resources:
        **run.resources("match_contexts"),
    params:
        **run.params("match_contexts"),
    shell:
        "python {params.script:q} {params.args:q} > {log:q} 2>&1"


rule trace_sets:
    input:
        unpack(run.inputs("trace_sets")),
    output:
        set_lens_samples=run.pattern("set_lens_samples"),
        set_flow_samples=run.pattern("set_flow_samples"),
    log:
        "<logs>/trace_sets/{model}/{selection}/{intervention}/{dataset}.log",
    benchmark:
        "<benchmarks>/trace_sets/{model}/{selection}/{intervention}/{dataset}.jsonl"
    conda:
        "../../environment.yml"
    resources:
        **run.resources("trace_sets"),
    params:
        **run.params("trace_sets"),
    shell:
        "python {params.script:q} {params.args:q} > {log:q} 2>&1"


rule compare_traces:
    input:
        unpack(run.inputs("compare_traces")),
    output:
        trace_tests=run.pattern("trace_tests"),
    log:
        "<logs>/compare_traces/{model}/{selection}/{intervention}/{dataset}.log",
    benchmark:
        "<benchmarks>/compare_traces/{model}/{selection}/{intervention}/{dataset}.jsonl"
    conda:
        "../../environment.yml"
    resources:
        **run.resources("compare_traces"),
    params:
        **run.params("compare_traces"),
    shell:
        "python {params.script:q} {params.args:q} > {log:q} 2>&1"


rule cut_attention:
    input:
        unpack(run.inputs("cut_attention")),
    output:
        cut_samples=run.pattern("cut_samples"),
    log:
        "<logs>/cut_attention/{model}/{dataset}.log",
    benchmark:
        "<benchmarks>/cut_attention/{model}/{dataset}.jsonl"
    conda:
        "../../environment.yml"
    resources:
        **run.resources("cut_attention"),
    params:
        **run.params("cut_attention"),
    shell:
        "python {params.script:q} {params.args:q} > {log:q} 2>&1"


rule compare_cuts:
    input:
        unpack(run.inputs("compare_cuts")),
    output:
        cuts=run.pattern("cuts"),
    log:
        "<logs>/compare_cuts/{model}/{dataset}.log",
    benchmark:
        "<benchmarks>/compare_cuts/{model}/{dataset}.jsonl"
    conda:
        "../../environment.yml"
    resources:
        **run.resources("compare_cuts"),
    params:
        **run.params("compare_cuts"),
    shell:
        "python {params.script:q} {params.args:q} > {log:q} 2>&1"


rule ablate_heads:
    input:
        unpack(run.inputs("ablate_heads")),
    output:
        heads=run.pattern("heads"),
        attention_maps=run.pattern("attention_maps"),
    log:
        "<logs>/ablate_heads/{model}/{dataset}.log",
    benchmark:
        "<benchmarks>/ablate_heads/{model}/{dataset}.jsonl"
    conda:
        "../../environment.yml"
    resources:
        **run.resources("ablate_heads"),
    params:
        **run.params("ablate_heads"),
    shell:
        "python {params.script:q} {params.args:q} > {log:q} 2>&1"


rule compare_states:
    input:
        unpack(run.inputs("compare_states")),
    output:
        convergence=run.pattern("convergence"),
        phenomena=run.pattern("phenomena"),
    log:
        "<logs>/compare_states/{model}/{dataset}.log",
    benchmark:
        "<benchmarks>/compare_states/{model}/{dataset}.jsonl"
    conda:
        "../../environment.yml"
    resources:
        **run.resources("compare_states"),
    params:
        **run.params("compare_states"),
    shell:
        "python {params.script:q} {params.args:q} > {log:q} 2>&1"


rule align_states:
    input:
        unpack(run.inputs("align_states")),
    output:
        alignment=run.pattern("alignment"),
    log:
        "<logs>/align_states/{model}.log",
    benchmark:
        "<benchmarks>/align_states/{model}.jsonl"
    conda:
        "../../environment.yml"
    resources:
        **run.resources("align_states"),
    params:
        **run.params("align_states"),
    shell:
        "python {params.script:q} {params.args:q} > {log:q} 2>&1"
