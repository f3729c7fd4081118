"""Compare every result of an experiment with its plan.

A file is as planned when it is there, its seal holds (`lode/engine/seal.py`), it records the config and the code that
the plan would make it with now, and the columns of a table hold what its path says. Time stamps and Snakemake's own
records play no part, so results that were copied from elsewhere can be verified too. Needs neither torch nor Snakemake.
"""

import json
import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from html import unescape
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pyarrow.parquet as pq

from lode.engine.errors import UserError
from lode.engine.fingerprint import digest
from lode.engine.names import is_text
from lode.engine.paths import ROOT
from lode.engine.plan import Experiment, Plan, Product
from lode.engine.seal import damage, file_sha256
from lode.engine.tables import read_provenance

_DESCRIPTION = "{http://purl.org/dc/elements/1.1/}description"
_META = re.compile(r'<meta name="provenance" content="([^"]*)">')
#: How many files are named in a command that makes them again; of more, their rules are.
NAMED = 20


def provenance_of(product: Product) -> dict[str, Any]:
    """What a sealed file says of its making, and of the files that it vouches for."""
    path, vouches = ROOT / product.path, product.card.vouches
    if path.suffix == ".parquet":
        return read_provenance(path)
    if path.suffix == ".json":
        held = json.loads(path.read_text())
        return {**held["made_by"], "beside": vouches(held) if vouches else {}}
    if path.suffix == ".svg":
        description = ElementTree.parse(path).find(f".//{_DESCRIPTION}")
        assert description is not None, f"{path}: sealed, and without a description"
        return record_of(description.text or "")
    found = _META.search(path.read_text(encoding="utf-8"))
    assert found, f"{path}: sealed, and without provenance"
    return record_of(unescape(found[1]))


def record_of(text: str) -> dict[str, Any]:
    """A provenance that was written as JSON."""
    record: dict[str, Any] = json.loads(text)
    return record


def beside(path: Path, record: Mapping[str, Any]) -> Iterator[str]:
    """What is wrong with the files that a sealed file vouches for."""
    for name, sha256 in record.get("beside", {}).items():
        file = path.parent / name
        if not file.is_file():
            yield f"{name}, which belongs to it, is missing"
        elif file_sha256(file) != sha256:
            yield f"{name}, which belongs to it, is truncated or edited"


def strangers(path: Path, said: Mapping[str, str]) -> Iterator[str]:
    """Which columns of a table hold another value than its path says: it was made for another place.

    Args:
        path: of a Parquet file.
        said: what its path says, by column; it need not have them all.
    """
    with pq.ParquetFile(path) as file:
        for name in (name for name in file.schema_arrow.names if name in said):
            groups = (file.read_row_group(group, [name])[name] for group in range(file.num_row_groups))
            held = {str(value) for rows in groups for value in rows.unique().to_pylist()}
            if held - {said[name]}:
                yield f"its path says {name} {said[name]}, and its rows {', '.join(sorted(held))}: it is of another job"


def differences(before: Mapping[str, Any], now: Mapping[str, Any], prefix: str = "") -> Iterator[str]:
    """Where two nested configs differ, in dots, with both values."""
    for key in sorted({*before, *now}):
        old, new = before.get(key), now.get(key)
        if isinstance(old, Mapping) and isinstance(new, Mapping):
            yield from differences(old, new, f"{prefix}{key}.")
        elif old != new:
            yield f"{prefix}{key} was {old!r} and is now {new!r}"


def problems(plan: Plan, product: Product) -> list[str]:
    """What is wrong with a file that is there; empty where it is as planned."""
    path = ROOT / product.path
    broken = damage(path)
    if broken:
        return [broken]
    record = provenance_of(product)
    found = list(beside(path, record))
    if path.suffix == ".parquet":
        found += strangers(path, {plan.study.columns.get(key, key): value for key, value in product.wildcards.items()})
    step = product.card.name
    semantic = plan.semantic(step, product.wildcards)
    if record["config_digest"] != digest(semantic):
        changed = "; ".join(differences(record["config"], json.loads(semantic)))
        found.append(f"stale: made with another config: {changed}")
    if record["code_digest"] == "unknown":
        found.append("made by hand, without the digest of its code")
    elif record["code_digest"] != plan.code(step, product.wildcards):
        found.append(f"stale: the code of {step} changed since")
    return found


def reads_as_text(name: str) -> bool:
    """Whether Snakemake takes the name of an experiment for text as it is: 007 and infinity are numbers to it."""
    try:
        float(name)
    except ValueError:
        return is_text(name)
    return False


def remedy(run: Experiment, bad: Sequence[Product]) -> str:
    """The command that makes files again, and all that is made from them; of many, their rules are named."""
    names = [product.path for product in bad]
    if len(names) > NAMED:
        names = list(dict.fromkeys(product.card.name for product in bad))
    return forced(names, run.name, run.overrides)


def forced(names: Sequence[str], experiment: str, overrides: Sequence[str]) -> str:
    """The command that makes some files, or the files of some rules, again."""
    config = [f"experiment={experiment if reads_as_text(experiment) else f'!!str {experiment}'}"]
    if overrides:
        quoted = ["'" + override.replace("'", "''") + "'" for override in overrides]  # as YAML has it
        config.append(f"overrides=[{', '.join(quoted)}]")
    command = ["snakemake", "--profile", "workflow/profiles/local", "--forcerun", *names, "--config", *config]
    return shlex.join(command)


def reproduce(run: Experiment) -> str:
    """The command that makes what is not there yet."""
    changed = f" OVERRIDES={shlex.quote(' '.join(run.overrides))}" if run.overrides else ""
    return f"make reproduce EXPERIMENT={shlex.quote(run.name)}{changed}"


def verify(plan: Plan) -> int:
    """Print what is wrong with the results of an experiment; return the exit code."""
    run, planned = plan.experiment, list(plan.products())
    made = [product for product in planned if (ROOT / product.path).is_file()]
    if not made:
        raise UserError(f"{run.root}: no result of this experiment; run `{reproduce(run)}`")
    absent = [product for product in planned if not (ROOT / product.path).is_file()]
    gone = plan.missing(absent, made)
    found = {product.path: ["missing, though files made from it are there"] for product in gone}
    found |= {product.path: problems(plan, product) for product in made}
    bad = [product for product in planned if found.get(product.path)]
    for product in bad:
        print(f"{product.path}: {'; '.join(found[product.path])}")
    left = len(absent) - len(gone)
    unfinished = f"; {left} more are not made yet: {reproduce(run)}" if left else ""
    if bad:
        print(f"error: {len(bad)} of {len(planned)} files are not as planned{unfinished}. To make them again:")
        print(remedy(run, bad))
        return 1
    print(f"ok: {len(made)} files{unfinished}")
    return 0
