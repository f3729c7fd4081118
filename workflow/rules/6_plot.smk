"""Stage 6: from tables to figures and one page to read.

plot_figures   the tables of config/figure/{figure}.yaml  -> figure
build_report   figures, tables, manifests                 -> report
"""


rule plot_figures:
    input:
        unpack(run.inputs("plot_figures")),
    output:
        figure=run.pattern("figure"),
        png=run.pattern("png"),
    log:
        "<logs>/plot_figures/{figure}.log",
    benchmark:
        "<benchmarks>/plot_figures/{figure}.jsonl"
    conda:
        "../../environment.yml"
    resources:
        **run.resources("plot_figures"),
    params:
        **run.params("plot_figures"),
    shell:
        "python {params.script:q} {params.args:q} > {log:q} 2>&1"


rule build_report:
    input:
        unpack(run.inputs("build_report")),
    output:
        report=run.pattern("report"),
    log:
        "<logs>/build_report.log",
    benchmark:
        "<benchmarks>/build_report.jsonl"
    conda:
        "../../environment.yml"
    resources:
        **run.resources("build_report"),
    params:
        **run.params("build_report"),
    shell:
        "python {params.script:q} {params.args:q} > {log:q} 2>&1"
