"""Stage 6: from tables to figures and one page to read.

plot_figures   tables named in config/figure/{figure}.yaml   -> figures/{figure}.svg, .png
build_report   figures, tables, manifests                    -> report.html
"""


rule plot_figures:
    input:
        lambda wildcards: [
            path
            for paths in run.figure_tables(wildcards, root).values()
            for path in paths
        ],
    output:
        svg="<results>/figures/{figure}.svg",
        png="<results>/figures/{figure}.png",
    log:
        "<logs>/plot_figures/{figure}.log",
    benchmark:
        "<benchmarks>/plot_figures/{figure}.jsonl"
    conda:
        "../../environment.yml"
    resources:
        mem_mb=lambda wildcards, attempt: 2000 * attempt,
        runtime=lambda wildcards, attempt: 30 * attempt,
    params:
        **run.step("plot_figures"),
        tables=lambda wildcards, input, output: run.io(
            "tables", run.figure_tables(wildcards, root)
        ),
    shell:
        "python {params.script:q} {params.args:q} {params.tables:q} io.svg={output.svg:q} io.png={output.png:q} "
        "> {log:q} 2>&1"


rule build_report:
    input:
        figures=expand("<results>/figures/{figure}.svg", figure=run.cfg.figures),
        manifests=expand("<results>/models/{model}/manifest.json", model=run.cfg.models),
        datasets=expand("<results>/datasets/{dataset}.parquet", dataset=run.datasets()),
        statistics=run.tables("statistics", root),
        gradients=run.tables("gradients", root),
        predictions=run.tables("predictions", root),
        importance=run.tables("importance", root),
        neurons=run.tables("neurons", root),
        scores=run.tables("scores", root),
        effects=run.tables("effects", root),
        sample_scores=run.tables("sample_scores", root),
        comparisons=run.tables("comparisons", root),
        selectivity=run.tables("selectivity", root),
        verdicts=run.tables("verdicts", root),
    output:
        "<results>/report.html",
    log:
        "<logs>/build_report.log",
    benchmark:
        "<benchmarks>/build_report.jsonl"
    conda:
        "../../environment.yml"
    resources:
        mem_mb=lambda wildcards, attempt: 2000 * attempt,
        runtime=lambda wildcards, attempt: 30 * attempt,
    params:
        **run.step("build_report"),
        io=lambda wildcards, input, output: run.report_io(input),
    shell:
        "python {params.script:q} {params.args:q} {params.io:q} io.output={output:q} > {log:q} 2>&1"
