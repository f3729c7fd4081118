"""The nulls that are captured: the recording of the same samples, shown changed, and of nothing else."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from lode.engine.errors import UserError
from lode.engine.tables import read_provenance, read_table, with_nulls, write_table
from lode.media import blanked
from lode.model.adapter import Adapter
from lode.stages import capture_nulls
from lode.study import STUDY, compose, restrict
from lode.table.dataset import DATASET
from lode.table.null_statistics import NULL_STATISTICS
from lode.table.statistics import STATISTICS
from tests.recorded import capture
from tests.tiny_model import RECORDS


def with_prompt(sample: dict[str, Any]) -> dict[str, Any]:
    return {**sample, "prompt": "what is it?"}


def table(adapter: Adapter, samples: list[dict[str, Any]]) -> pa.Table:
    columns = with_nulls(capture(adapter, samples, 50).columns(), STATISTICS)
    return pa.table(columns, schema=STATISTICS.schema)


@pytest.mark.parametrize(("kind", "change"), [("blank", blanked), ("same_prompt", with_prompt)])
def test_a_null_is_the_recording_of_changed_samples(
    kind: str,
    change: Callable[[dict[str, Any]], dict[str, Any]],
    tmp_path: Path,
    tiny: Adapter,
    tiny_manifest: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rows = [{**sample, "split": "mine", "meta": "{}"} for sample in RECORDS]
    write_table(tmp_path / "dataset.parquet", DATASET, rows, {})
    monkeypatch.setattr(capture_nulls, "load", lambda *_: tiny)
    output = tmp_path / "tiny" / "dataset" / kind / "0.parquet"
    paths = [f"io.dataset={tmp_path}/dataset.parquet", f"io.null_statistics={output}", "io.shard=0"]
    overrides = [*paths, f"io.manifest={tiny_manifest}", "nulls.shards=2", f"nulls.kind={kind}"]
    cfg = restrict(compose([*overrides, "nulls.prompt='what is it?'"]), "capture_nulls", ("io", "runtime"))
    capture_nulls.run(cfg, {})
    found = read_table(output, NULL_STATISTICS)
    part = RECORDS[0::2]  # four, three with a picture
    assert found.select(STATISTICS.schema.names).equals(table(tiny, [change(sample) for sample in part]))
    assert set(found["null"].to_pylist()) == {kind}
    assert read_provenance(output)["num_samples"] == len(part)
    real = table(tiny, part)
    changed = ~np.isclose(found["mean_sum"].to_numpy(), real["mean_sum"].to_numpy(), rtol=1e-3, atol=1e-6)
    assert changed.mean() > 0.1, "the null is not the real capture"


def test_a_sample_keeps_all_else() -> None:
    sample = {**RECORDS[0], "meta": "{}", "dataset": "a"}
    for kind in ("blank", "same_prompt"):
        shown = capture_nulls.changed_by(kind, "what?")(sample)
        own = {"blank": "media", "same_prompt": "prompt"}[kind]
        assert {key for key in sample if shown[key] != sample[key]} == {own}
        assert sample == {**RECORDS[0], "meta": "{}", "dataset": "a"}, "the sample itself is as it was"


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["nulls.kind=blnk"], "unknown nulls.kind 'blnk'.*Did you mean blank"),
        (["nulls.kind=same_prompt", "nulls.prompt=' '"], "nulls.prompt = ' ': expected the question"),
        (["nulls.kind=same_prompt", "nulls.prompt=null"], "nulls.prompt = None"),
    ],
)
def test_wrong_nulls_are_refused(overrides: list[str], message: str) -> None:
    with pytest.raises(UserError, match=message):
        STUDY.check(compose(overrides), "capture_nulls")
