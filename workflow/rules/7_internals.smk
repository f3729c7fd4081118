"""Stage 7: what happens inside the model, on the benchmarks.

trace_states      model, dataset              -> lens_samples, flow_samples, states
summarise_trace   lens_samples, flow_samples  -> lens, stages, flow
"""


rule trace_states:
    input:
        unpack(run.inputs("trace_states")),
    output:
        lens_samples=run.pattern("lens_samples"),
        flow_samples=run.pattern("flow_samples"),
        states=run.pattern("states"),
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
