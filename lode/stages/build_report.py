"""Write the report of a run: one HTML file that holds everything and loads nothing.

Reads: tables, figures, datasets and model manifests. Writes: `report.html`, without time, host or absolute path, so
that equal runs give equal bytes. Text of datasets and models is escaped by the template's engine. What stands in each
section of the page is found by `lode/page/report/`, which holds the templates too.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jinja2
import numpy as np
from omegaconf import OmegaConf

from lode.config import StepConfig
from lode.engine.paths import paths_of
from lode.engine.seal import BLANK
from lode.engine.tables import Table as Kind
from lode.engine.tables import meaning, read_table, replacing
from lode.figure import Looks, Table, read_tables
from lode.page import report
from lode.page.report.budget import shortfalls
from lode.page.report.clean import clean_scores
from lode.page.report.contrasts import contrast_runs
from lode.page.report.datasets import cluster_sizes, dataset_facts
from lode.page.report.numbers import interval, number, share_interval, spread
from lode.page.report.opening import VERDICT_NAMES, openings
from lode.page.report.record import read_figure, steps, table_record, versions
from lode.page.report.runs import runs
from lode.page.report.sets import few_at, num_asked, set_sizes
from lode.page.report.shifts import SHIFT_VERDICTS, shift_runs
from lode.page.report.states import state_rows
from lode.statistics.intervals import smallest_visible_drop
from lode.table._keys import keys_of, tables_of
from lode.table.alignment import ALIGNMENT
from lode.table.comparisons import COMPARISONS
from lode.table.contrasts import CONTRASTS
from lode.table.convergence import CONVERGENCE
from lode.table.dataset import DATASET
from lode.table.effects import EFFECTS
from lode.table.neurons import NEURONS
from lode.table.phenomena import PHENOMENA
from lode.table.scores import SCORES
from lode.table.selectivity import SELECTIVITY
from lode.table.shift_selectivity import SHIFT_SELECTIVITY
from lode.table.shift_tests import SHIFT_TESTS
from lode.table.verdicts import VERDICTS

#: The tables whose rows are on the page; of others it shows the provenance.
READ = (NEURONS, EFFECTS, SCORES, COMPARISONS, SELECTIVITY, VERDICTS)
#: Those that only some runs have.
OF_SHIFTS, OF_CONTRASTS = (SHIFT_TESTS, SHIFT_SELECTIVITY), (CONTRASTS,)
OF_STATES = (CONVERGENCE, PHENOMENA, ALIGNMENT)
#: What the page shows first, and what in the sections of shifts and of contrasts.
LEAD_FIGURE, SHIFT_FIGURE, CONTRAST_FIGURE = "selectivity_matrix", "shift_matrix", "strata_drops"
STATE_FIGURES = tuple(table.name for table in OF_STATES)
#: Of the intervals on the page.
LEVEL = 0.95
#: The split that effects are measured on.
_MEASURED = "test"
Row = dict[str, Any]


def run(cfg: StepConfig, made_by: dict[str, Any]) -> None:
    """Write `io.report`.

    Args:
        cfg: `io`: the tables on the step's card (of those that the page does not read, such as predictions, the
            provenance is shown), `figure` (SVG paths), `manifest`, `report`.
        made_by: the provenance of the report itself.
    """
    html = _template().render(
        title=cfg.title or "A run of Lode",
        cfg=OmegaConf.to_container(cfg, resolve=True),
        provenance=json.dumps(made_by, sort_keys=True),
        seal=BLANK,
        **content(cfg, made_by),
    )
    with replacing(cfg.io["report"]) as temporary:
        temporary.write_text(html, encoding="utf-8")


def content(cfg: StepConfig, made_by: Mapping[str, Any]) -> Row:
    """What the template is filled with, section by section."""
    tables = read_tables(cfg.io, READ)
    figures = [read_figure(path) for path in cfg.io["figure"]]
    records = [
        table_record(kind, "/".join(keys_of(kind, path).values()) or kind, path)
        for kind in tables_of("build_report")
        for path in paths_of(cfg.io[kind])
    ]
    datasets = {Path(path).stem: read_table(path, DATASET) for path in cfg.io["dataset"]}
    of_datasets = {Path(path).stem: table_record("dataset", Path(path).stem, path) for path in cfg.io["dataset"]}
    records += of_datasets.values()
    records += [{**figure["record"], "kind": "figure", "what": figure["name"]} for figure in figures]
    visible = {
        name: smallest_visible_drop(np.array(cluster_sizes(datasets[name])[_MEASURED]), LEVEL)
        for name in cfg.benchmarks
    }
    clean = clean_scores(tables["scores"], visible)
    looks = Looks(cfg.grouping)
    found = runs(tables, looks)
    shifts, contrasts = (made(cfg, of) for of in (OF_SHIFTS, OF_CONTRASTS))
    states = [made(cfg, (kind,)) for kind in OF_STATES]
    return {
        "states": state_rows({name: of for each in states for name, of in each.items()}),
        "state_figures": [figure for figure in figures if figure["name"] in STATE_FIGURES],
        "shifts": shift_runs(shifts, looks) if shifts else [],
        "shift_figures": [figure for figure in figures if shifts and figure["name"] == SHIFT_FIGURE],
        "contrasts": contrast_runs(contrasts["contrasts"], looks) if contrasts else [],
        "contrast_figures": [figure for figure in figures if contrasts and figure["name"] == CONTRAST_FIGURE],
        "runs": found,
        "openings": openings(found, looks),
        "lead_figures": [figure for figure in figures if figure["name"] == LEAD_FIGURE],
        "visible": visible,
        "clean": clean,
        "num_clean": len({(row["model"], row["dataset"], row["score_name"]) for row in clean}),
        "sizes": [
            set_sizes(table, looks, num_asked(table, records), few_at(table, records)) for table in tables["neurons"]
        ],
        "figures": figures,
        "steps": steps([*records, {**made_by, "kind": "report", "what": "this page"}]),
        "models": [json.loads(Path(path).read_text()) for path in cfg.io["manifest"]],
        "datasets": [dataset_facts(name, table, of_datasets[name]) for name, table in datasets.items()],
        "shortfalls": shortfalls(paths_of(cfg.io["statistics"])),
        "records": records,
        "versions": versions([*records, made_by]),
    }


def made(cfg: StepConfig, kinds: Sequence[Kind]) -> dict[str, list[Table]]:
    """The tables of a section that only some runs have, by their names; none where the run has none of them."""
    return read_tables(cfg.io, kinds) if any(paths_of(cfg.io[kind.name]) for kind in kinds) else {}


def _template() -> jinja2.Template:
    """The page; everything that is put into it is escaped, and a misspelt name raises."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(report.__file__).parent),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters.update(number=number, interval=interval, share_interval=share_interval, spread=spread)
    environment.globals["verdict_names"] = VERDICT_NAMES
    environment.globals["shift_verdicts"] = SHIFT_VERDICTS
    by_name = {table.name: table for table in (*READ, *OF_SHIFTS, *OF_CONTRASTS, *OF_STATES)}
    environment.globals["meaning"] = lambda name, column: meaning(by_name[name], column)
    return environment.get_template("page.html.jinja")
