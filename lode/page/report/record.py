"""What was run: the figures and their captions, the config of every step, versions and digests."""

import base64
import json
from collections.abc import Iterable, Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from lode.engine.errors import UserError
from lode.engine.tables import read_provenance
from lode.page.survey import leaves_of
from lode.table._keys import MAKERS

_DESCRIPTION = "{http://purl.org/dc/elements/1.1/}description"
Row = dict[str, Any]


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
    name = record["figure"]
    return {"name": name, "caption": record["caption"], "leaves": leaves_of(name), "uri": uri, "record": record}


def table_record(kind: str, what: str, path: str) -> Row:
    """The provenance of one table, by what it is rather than where it lies."""
    digest = sha256(Path(path).read_bytes()).hexdigest()[:16]
    return {**read_provenance(path), "kind": kind, "what": what, "sha256": digest}


def steps(records: Iterable[Row]) -> list[Row]:
    """Every distinct config of every step, with what it made."""
    found: dict[tuple[str, str], Row] = {}
    for record in records:
        step = MAKERS[record["kind"]]
        config = json.dumps(record["config"], indent=2, sort_keys=True, ensure_ascii=False)
        entry = found.setdefault((step, record["config_digest"]), {"step": step, "config": config, "made": []})
        if record["what"] not in entry["made"]:
            entry["made"].append(record["what"])
    order = list(dict.fromkeys(MAKERS.values()))
    return sorted(found.values(), key=lambda entry: order.index(entry["step"]))


def versions(records: Iterable[Mapping[str, Any]]) -> dict[str, list[str]]:
    """All versions of each library that made something; more than one means a mixed run."""
    found: dict[str, set[str]] = {}
    for record in records:
        for library, version in record["versions"].items():
            found.setdefault(library, set()).add(version)
    return {library: sorted(found[library]) for library in sorted(found)}
