"""Write the report of a run: one HTML file that holds everything and loads nothing.

Reads: tables, figures, datasets and model manifests. Writes: `report.html`, without time, host or absolute path, so
that equal runs give equal bytes. Text of datasets and models is escaped by the template's engine.
"""

import base64
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import jinja2
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from omegaconf import OmegaConf

from lode.artifacts import SCHEMAS, read_provenance, read_table, replacing
from lode.errors import UserError
from lode.figure import (
    Table,
    beats_controls,
    first_controls,
    heading,
    headline_rows,
    in_order,
    keys_of,
    method_sets,
    read_tables,
)
from lode.seal import BLANK
from lode.statistics.run_verdict import conclusion, verdicts

#: Which step makes a kind of table.
STEPS = {
    "dataset": "prepare",
    "statistics": "capture",
    "gradients": "attribute",
    "importance": "aggregate",
    "neurons": "select",
    "retests": "retest",
    "predictions": "ablate",
    "scores": "score",
    "effects": "score",
    "sample_scores": "score",
    "comparisons": "measure",
    "selectivity": "measure",
    "figure": "plot",
}
#: The tables whose rows are on the page; of others it shows the provenance.
READ = ("neurons", "effects", "scores", "comparisons", "selectivity")
#: What the page shows first.
LEAD_FIGURE = "selectivity_matrix"
_DESCRIPTION = "{http://purl.org/dc/elements/1.1/}description"
Row = dict[str, Any]


def run(cfg: Any, made_by: dict[str, Any]) -> None:
    """Write `cfg.io.output`.

    Args:
        cfg: `io.tables` (kind -> paths; of kinds that the page does not read, such as predictions, the provenance is
            shown), `io.figures` (SVG paths), `io.datasets`, `io.manifests`, `io.output`.
        made_by: the provenance of the report itself.
    """
    paths: dict[str, list[str]] = OmegaConf.to_object(cfg.io.tables)  # type: ignore[assignment]
    tables = read_tables(paths, READ)
    figures = [read_figure(path) for path in cfg.io.figures]
    records = [_record(kind, "/".join(keys_of(kind, path).values()), path) for kind in paths for path in paths[kind]]
    records += [_record("dataset", Path(path).stem, path) for path in cfg.io.datasets]
    records += [{**figure["record"], "kind": "figure", "what": figure["name"]} for figure in figures]
    clean = clean_scores(tables["scores"])
    found = runs(*(tables[kind] for kind in READ[1:]))
    html = _template().render(
        title=cfg.title or "A run of Lode",
        cfg=OmegaConf.to_container(cfg, resolve=True),
        runs=found,
        leads=leads(found),
        lead_figures=[figure for figure in figures if figure["name"] == LEAD_FIGURE],
        clean=clean,
        num_clean=len({(row["model"], row["dataset"], row["score_name"]) for row in clean}),
        sizes=[set_sizes(table, _num_asked(table, records)) for table in tables["neurons"]],
        figures=figures,
        steps=steps([*records, {**made_by, "kind": "report", "what": "this page"}]),
        models=[json.loads(Path(path).read_text()) for path in cfg.io.manifests],
        datasets=[dataset_facts(Path(path).stem, read_table(path, "dataset")) for path in cfg.io.datasets],
        records=records,
        versions=versions([*records, made_by]),
        provenance=json.dumps(made_by, sort_keys=True),
        seal=BLANK,
    )
    with replacing(cfg.io.output) as temporary:
        temporary.write_text(html, encoding="utf-8")


def number(value: float | int | None) -> str:
    """The only way in which a number gets onto the page: counts in full, all else with three decimals."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return "–"
    text = f"{value:,}" if isinstance(value, int) else f"{round(value, 3) + 0.0:.3f}"
    return text.replace("-", "−")


def interval(row: Mapping[str, Any]) -> str:
    """A 95 % interval in brackets."""
    return f"[{number(row['interval_low'])}, {number(row['interval_high'])}]"


def runs(
    effects: Sequence[Table], scores: Sequence[Table], comparisons: Sequence[Table], selectivity: Sequence[Table]
) -> list[Row]:
    """What the page says of each model, selection and intervention: headline, effects, selectivity, diagnostics."""
    found: dict[str, Row] = {}
    for table in effects:
        name = heading(table.keys)
        entry = found.setdefault(
            name, {"name": name, "keys": table.keys, "headline": [], "effects": [], "by_kind": [], "diagnostics": []}
        )
        entry["by_kind"] += headline_rows(table)
        entry["headline"] += first_controls(headline_rows(table))
        entry["effects"] += first_controls(table.data.to_pylist())
    for table in scores:
        rows = [row for row in headline_rows(table) if row["kind"] not in ("control", "constant")]
        found[heading(table.keys)]["diagnostics"] += rows
    for table in comparisons:
        found[heading(table.keys)]["comparisons"] = table.data.to_pylist()
    for table in selectivity:
        found[heading(table.keys)]["selectivity"] = table.data.to_pylist()
    for entry in found.values():
        entry["kinds"] = list(dict.fromkeys(row["control_kind"] for row in entry["by_kind"] if row["num_controls"]))
        entry["sets"] = in_order(row["set_name"] for row in entry["effects"])
        sizes = {(row["set_name"], row["num_neurons"]) for row in entry["effects"]}
        entry["sizes"] = {name: sorted(size for other, size in sizes if other == name) for name in entry["sets"]}
        entry["cells"] = _cells(entry["effects"], entry["comparisons"])
        entry["sentence"] = sentence(entry["headline"], entry["keys"].get("intervention", ""))
        entry["largest_drops"] = largest_drops(entry["headline"])
        entry["chance"] = chance(entry["headline"])
    return list(found.values())


def leads(found: Sequence[Row]) -> list[Row]:
    """For each model what its sets come to: one sentence, and a line a mask."""
    rows: dict[str, list[tuple[str, Row]]] = {}
    for entry in found:
        where = " · ".join(value for key, value in entry["keys"].items() if key not in ("model", "dataset"))
        first = {row["set_name"]: row for row in reversed(entry["selectivity"])}  # of the headline kind of control
        rows.setdefault(entry["keys"]["model"], []).extend((where, first[name]) for name in in_order(first))
    return [
        {"model": model, "sentence": conclusion(masks), "masks": [vars(mask) for mask in masks]}
        for model, masks in ((model, verdicts(of_model)) for model, of_model in rows.items())
    ]


def _cells(effects: Iterable[Row], comparisons: Iterable[Row]) -> list[Row]:
    """One row a benchmark and score, with the effect of each set; at the headline score with p after Holm."""
    columns = ("dataset", "score_name", "set_name", "control_kind")
    corrected = {tuple(row[column] for column in columns): row["p_holm"] for row in comparisons}
    rows: dict[tuple[str, str], Row] = {}
    for effect in effects:
        key = (effect["dataset"], effect["score_name"])
        row = rows.setdefault(key, {"dataset": key[0], "score_name": key[1], "clean": effect["clean"], "by_set": {}})
        p_holm = corrected.get(tuple(effect[column] for column in columns))
        row["by_set"][effect["set_name"]] = {**effect, "beats": beats_controls(effect), "p_holm": p_holm}
    return list(rows.values())


def sentence(effects: Sequence[Row], intervention: str) -> str:
    """In plain words, which sets cost more than each of their own matched controls, and where.

    Args:
        effects: rows of the headline score of every benchmark.
        intervention: what was done to the sets.
    """
    if not any(row["num_controls"] for row in effects):
        return "No controls were drawn, so nothing can be said about what the selection adds to chance."
    done = "Switching off" if intervention == "zero" else f"Applying {intervention} to"
    wins: list[str] = []
    never: list[str] = []
    for name in in_order(row["set_name"] for row in effects):
        own = [row for row in effects if row["set_name"] == name]
        num_wins = sum(map(beats_controls, own))
        called = "all sets together" if name == "all" else name
        if num_wins:
            noun = "" if wins else " benchmarks"
            wins.append(f"{number(num_wins)} of {number(len(own))}{noun} for {called}")
        else:
            never.append(called)
    if not wins:
        return f"{done} a set never cost more than each of its matched random controls, on any benchmark."
    rest = f"; never for {' and '.join(never)}" if never else ""
    return f"{done} a set cost more than each of its matched random controls on {', '.join(wins)}{rest}."


def largest_drops(effects: Sequence[Row]) -> list[str]:
    """For each set, the benchmark where it costs most, beside its controls there."""
    found = []
    for name in in_order(row["set_name"] for row in effects):
        row = max((row for row in effects if row["set_name"] == name), key=lambda row: row["drop"])
        controls = f"its {number(row['num_controls'])} controls lose at most {number(row['control_drop_max'])}"
        found.append(
            f"{name}: most on {row['dataset']}, from {number(row['clean'])} to {number(row['value'])}, a drop of "
            f"{number(row['drop'])} {interval(row)}; {controls if row['num_controls'] else 'no controls'}"
        )
    return found


def chance(effects: Sequence[Row]) -> str:
    """How many comparisons beat all controls, against how many would if the sets were random."""
    wins = sum(beats_controls(row) for row in effects)
    expected = sum(1 / (1 + row["num_controls"]) for row in effects if row["num_controls"])
    return (
        f"{number(wins)} of {number(len(effects))} comparisons beat every control; "
        f"random sets would do so in at most {number(expected)} of them on average."
    )


def clean_scores(scores: Sequence[Table]) -> list[Row]:
    """The unmodified model on every benchmark, each once, with the chance level and the score without the medium.

    Rows that differ between selections all stay.
    """
    found = []
    for table in scores:
        rows = [row for row in table.data.to_pylist() if row["kind"] in ("clean", "blanked", "constant")]
        for clean in (row for row in rows if row["kind"] == "clean"):
            beside = {row["kind"]: row for row in rows if row["score_name"] == clean["score_name"]}
            others = {"chance": beside["constant"]["value"], "blanked": beside.get("blanked")}
            found.append({"model": table.keys["model"], **clean, **others, "finding": finding(clean, beside)})
    return list({json.dumps(row, sort_keys=True): row for row in found}.values())


def finding(clean: Row, beside: Mapping[str, Row]) -> str:
    """What the clean score is worth, from its interval: known from chance, and in need of the medium."""
    if clean["interval_low"] <= beside["constant"]["value"]:
        return "not above chance: no effect can be measured here"
    if "blanked" in beside and beside["blanked"]["interval_high"] >= clean["interval_low"]:
        return "no worse without its medium: says nothing about it"
    return ""


def set_sizes(table: Table, num_asked: int | None) -> Row:
    """How many neurons each set has, how many of them another set has too, and how many differ in all.

    Args:
        table: a neurons table.
        num_asked: floor(ratio * layers * neurons), if known.
    """
    sets = method_sets(table.data)
    parts = {name: pairs for name, pairs in sets.items() if name != "all" or len(sets) == 1}
    unique, times = np.unique(np.concatenate(list(parts.values())), axis=0, return_counts=True)
    repeated = {tuple(pair) for pair in unique[times > 1].tolist()}
    rows = [
        {
            "name": name,
            "num_neurons": len(pairs),
            "num_shared": sum(tuple(pair) in repeated for pair in pairs.tolist()),
            "layers": f"{pairs[:, 0].min()} to {pairs[:, 0].max()}",
        }
        for name, pairs in parts.items()
    ]
    draws = table.data.filter(pc.equal(table.data["kind"], "control"))["control_draw"].unique()
    chosen = sum(map(len, parts.values()))
    totals = {"num_asked": num_asked, "num_chosen": chosen, "num_unique": len(unique), "num_draws": len(draws)}
    return {"heading": heading(table.keys), "rows": rows, **totals}


def _num_asked(table: Table, records: Sequence[Row]) -> int | None:
    """The K of the selection, which the select stage recorded."""
    what = "/".join(table.keys.values())
    return next(record for record in records if (record["kind"], record["what"]) == ("neurons", what)).get("num_asked")


def dataset_facts(name: str, dataset: pa.Table) -> Row:
    """Sizes of the splits, the media, and one sample as an example."""
    columns = dataset.select(["split", "cluster_id"]).to_pylist()
    splits = {
        split: {
            "num_samples": sum(row["split"] == split for row in columns),
            "num_clusters": len({row["cluster_id"] for row in columns if row["split"] == split}),
        }
        for split in sorted({row["split"] for row in columns})
    }
    example = dataset.slice(dataset.num_rows - 1, 1).to_pylist()
    media = sorted({medium["kind"] for row in example for medium in row["media"]})
    return {"name": name, "splits": splits, "media": media, "example": example[0] if example else None}


def read_figure(path: str) -> Row:
    """A figure as data URI, with the caption and provenance that the plot stage wrote into it."""
    content = Path(path).read_bytes()
    try:
        description = ElementTree.fromstring(content).find(f".//{_DESCRIPTION}")
    except ElementTree.ParseError as error:
        raise UserError(f"{path}: not a readable SVG ({error}); delete it and run again") from error
    if description is None or not description.text:
        raise UserError(f"{path}: no provenance in its metadata; delete it and run again")
    record = {**json.loads(description.text), "sha256": sha256(content).hexdigest()[:16]}
    uri = f"data:image/svg+xml;base64,{base64.b64encode(content).decode()}"
    return {"name": record["figure"], "caption": record["caption"], "uri": uri, "record": record}


def _record(kind: str, what: str, path: str) -> Row:
    """The provenance of one table, by what it is rather than where it lies."""
    digest = sha256(Path(path).read_bytes()).hexdigest()[:16]
    return {**read_provenance(path), "kind": kind, "what": what, "sha256": digest}


def steps(records: Iterable[Row]) -> list[Row]:
    """Every distinct config of every step, with what it made."""
    found: dict[tuple[str, str], Row] = {}
    for record in records:
        step = str(STEPS.get(record["kind"], record["kind"]))
        config = json.dumps(record["config"], indent=2, sort_keys=True, ensure_ascii=False)
        entry = found.setdefault((step, record["config_digest"]), {"step": step, "config": config, "made": []})
        if record["what"] not in entry["made"]:
            entry["made"].append(record["what"])
    order = list(dict.fromkeys([*STEPS.values(), "report"]))
    return sorted(found.values(), key=lambda entry: order.index(entry["step"]))


def versions(records: Iterable[Mapping[str, Any]]) -> dict[str, list[str]]:
    """All versions of each library that made something; more than one means a mixed run."""
    found: dict[str, set[str]] = {}
    for record in records:
        for library, version in record["versions"].items():
            found.setdefault(library, set()).add(version)
    return {library: sorted(found[library]) for library in sorted(found)}


def _template() -> jinja2.Template:
    """The page; everything that is put into it is escaped, and a misspelt name raises."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(number=number, interval=interval)
    environment.globals["meaning"] = lambda kind, column: SCHEMAS[kind].field(column).metadata[b"description"].decode()
    return environment.get_template("report.html.jinja")
