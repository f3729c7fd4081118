"""`make verify` finds and names every result that is not as planned, and nothing else."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lode.engine.overrides import results_folder
from lode.engine.paths import ROOT
from lode.study import STUDY
from tests.project_tree import copy_project, environment, snakemake
from workflow.check import open_experiment

IMPORTANCE = "results/rerun/aggregate_importance/second.parquet"
SCORES = "results/rerun/score_ablation/scores/second/wide/zero/toy_mmlu.parquet"
FIGURE = "results/rerun/plot_figures/metric_correlation"
REPORT = "results/rerun/report.html"
MANIFEST = "results/rerun/download_model/second/manifest.json"


def verified(tree: Path, *overrides: str) -> tuple[int, str]:
    """The exit code of the command, and what it says."""
    command = [sys.executable, "-m", "workflow.verify", "rerun", *overrides]
    done = subprocess.run(command, cwd=tree, env=environment(tree), text=True, capture_output=True, check=False)
    assert not done.stderr, done.stderr
    return done.returncode, done.stdout


@pytest.fixture
def tree(finished: Path, tmp_path: Path) -> Path:
    shutil.copytree(finished, tmp_path / "tree")
    return tmp_path / "tree"


def flip(path: Path) -> None:
    """Change one bit in the first data page."""
    content = bytearray(path.read_bytes())
    content[60] ^= 1
    path.write_bytes(content)


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-100])


def edit_value(path: Path) -> None:
    """Change a value with a tool that keeps the metadata."""
    table = pq.read_table(path)
    column = table.column_names.index("prob")
    values = pa.array([0.5] * table.num_rows, table["prob"].type)
    pq.write_table(table.set_column(column, table.schema.field("prob"), values), path, compression="zstd")


def edit_text(path: Path) -> None:
    path.write_text(path.read_text().replace("a", "b", 1))


DAMAGE: dict[str, tuple[str, Callable[[Path], None], str]] = {
    "flipped byte": (IMPORTANCE, flip, "truncated or edited"),
    "truncated": (SCORES, truncate, "truncated or edited"),
    "emptied": (SCORES, lambda path: path.write_bytes(b""), "empty"),
    "edited value": (IMPORTANCE, edit_value, "truncated or edited"),
    "deleted": (IMPORTANCE, Path.unlink, "missing, though files made from it are there"),
    "edited manifest": (MANIFEST, edit_text, "truncated or edited"),
    "edited SVG": (f"{FIGURE}.svg", edit_text, "truncated or edited"),
    "truncated SVG": (f"{FIGURE}.svg", truncate, "truncated or edited"),
    "edited report": (REPORT, edit_text, "truncated or edited"),
    "truncated report": (REPORT, truncate, "truncated or edited"),
}


@pytest.mark.parametrize("name", DAMAGE)
def test_damage_is_found_and_named(name: str, tree: Path) -> None:
    path, hurt, words = DAMAGE[name]
    hurt(tree / path)
    code, said = verified(tree)
    assert code == 1
    found, error, command = said.splitlines()
    assert found.startswith(f"{path}: ")
    assert words in found
    assert error.startswith("error: 1 of ")
    assert command == (
        f"snakemake --profile workflow/profiles/local --forcerun {path} --config experiment=rerun"
    )  # fmt: skip


def test_a_figure_vouches_for_its_png(tree: Path) -> None:
    truncate(tree / f"{FIGURE}.png")
    code, said = verified(tree)
    assert code == 1
    assert said.startswith(f"{FIGURE}.svg: metric_correlation.png, which belongs to it, is truncated or edited\n")


def test_a_finished_run_is_as_planned_without_snakemakes_records(tree: Path) -> None:
    planned = snakemake(tree, "--dry-run", "--forceall")
    outputs = {path for line in re.findall(r"^    output: (.*)$", planned, re.MULTILINE) for path in line.split(", ")}
    shutil.rmtree(tree / ".snakemake")
    sealed = {path for path in outputs if not path.endswith(".png")}
    assert verified(tree) == (0, f"ok: {len(sealed)} files\n")


def test_what_the_command_says_makes_it_well_again(tree: Path) -> None:
    before = (tree / IMPORTANCE).read_bytes()
    (tree / IMPORTANCE).unlink()
    assert "Nothing to be done" in snakemake(tree, "--dry-run")
    command = verified(tree)[1].splitlines()[-1]
    done = subprocess.run(
        command, shell=True, cwd=tree, env=environment(tree), text=True, capture_output=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert (tree / IMPORTANCE).read_bytes() == before
    assert verified(tree)[0] == 0


def test_what_the_command_says_can_be_pasted_for_an_experiment_named_by_a_number(tmp_path: Path) -> None:
    """FAULTS R9. Its report is empty, so verify prints how to make it again; that command plans this report."""
    tree = copy_project(tmp_path)
    shutil.copy(tree / "config/experiment/smoke.yaml", tree / "config/experiment/2024.yaml")
    report = tree / "results/2024/report.html"
    report.parent.mkdir(parents=True)
    report.touch()
    made = [sys.executable, "-m", "workflow.verify", "2024"]
    said = subprocess.run(made, cwd=tree, env=environment(tree), text=True, capture_output=True, check=False).stdout
    command = said.splitlines()[-1] + " --dry-run"
    done = subprocess.run(command, shell=True, cwd=tree, env=environment(tree), text=True, capture_output=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "output: results/2024/report.html" in done.stdout + done.stderr


def test_a_table_of_another_model_in_its_place_is_named(tree: Path) -> None:
    """Both models have the same config here, so that nothing else tells: sealed, of the code and config of today."""
    folder = tree / "results/rerun/aggregate_importance"
    shutil.copy(folder / "tiny_qwen2_vl.parquet", folder / "second.parquet")
    code, said = verified(tree)
    assert code == 1
    assert said.splitlines()[0] == (
        f"{IMPORTANCE}: its path says model second, and its rows tiny_qwen2_vl: it is of another job"
    )
    assert said.splitlines()[1].startswith("error: 1 of ")


def test_a_stale_config_is_named_with_both_values(tree: Path) -> None:
    experiment = tree / "config/experiment/rerun.yaml"
    experiment.write_text(experiment.read_text().replace("num_draws: 1", "num_draws: 2"))
    code, said = verified(tree)
    assert code == 1
    stale = [line for line in said.splitlines() if "stale" in line]
    assert len(stale) == 4  # the neurons of two models by two selections
    assert all("controls.num_draws was 1 and is now 2" in line for line in stale)
    assert all("/select_neurons/" in line for line in stale)
    assert said.endswith("--config experiment=rerun\n")


def test_stale_code_is_named(tree: Path) -> None:
    with (tree / "lode/figure/metric_correlation.py").open("a") as file:
        file.write("\n_UNUSED = 1\n")
    code, said = verified(tree)
    assert code == 1
    assert said.startswith(f"{FIGURE}.svg: stale: the code of plot_figures changed since\n")
    assert "error: 1 of " in said


def test_an_unfinished_run_is_as_planned_so_far(tree: Path) -> None:
    (tree / REPORT).unlink()
    code, said = verified(tree)
    assert code == 0
    assert re.fullmatch(r"ok: \d+ files; 1 more are not made yet: make reproduce EXPERIMENT=rerun\n", said)


def test_a_run_with_overrides_is_another_run(tree: Path) -> None:
    command = [sys.executable, "-m", "workflow.verify", "rerun", "seed=7"]
    done = subprocess.run(command, cwd=tree, env=environment(tree), text=True, capture_output=True, check=False)
    assert done.returncode == 1
    folder = results_folder(STUDY, "rerun", ["seed=7"])
    assert folder != "results/rerun"
    assert done.stderr == (
        f"error: {folder}: no result of this experiment; run `make reproduce EXPERIMENT=rerun OVERRIDES=seed=7`\n"
    )


def test_a_model_file_swapped_under_an_older_time_stamp_is_named(tree: Path) -> None:
    path = tree / "resources/models/tiny_qwen2_vl/config.json"
    old = path.stat().st_mtime - 1e6
    path.write_text(path.read_text() + " ")
    os.utime(path, (old, old))
    code, said = verified(tree)
    assert code == 1
    for model in ("second", "tiny_qwen2_vl"):
        assert re.search(
            rf"download_model/{model}/manifest.json: .*sources\.config\.json was '\w+' and is now '\w+'", said
        )
    assert "error: 2 of " in said


def test_no_result_at_all_is_an_error(tree: Path) -> None:
    shutil.rmtree(tree / "results")
    command = [sys.executable, "-m", "workflow.verify", "rerun"]
    done = subprocess.run(command, cwd=tree, env=environment(tree), text=True, capture_output=True, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith("error: results/rerun: no result of this experiment")


def test_it_needs_no_torch_and_no_snakemake() -> None:
    program = "import sys, workflow.verify; print([m for m in ('torch', 'snakemake') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, text=True, capture_output=True, check=True)
    assert done.stdout == "[]\n"


@pytest.mark.parametrize("experiment", ["smoke", "scoreboard"])
def test_everything_leads_to_the_last(experiment: str) -> None:
    some = ["models=[hidden_1,visible_2]"] if experiment == "scoreboard" else []
    plan = open_experiment({"experiment": experiment, "overrides": some}).plan
    planned = list(plan.products())
    paths = [product.path for product in planned]
    assert len(paths) == len(set(paths))
    last = [product for product in planned if product.card.name == "build_report"]
    absent = [product for product in planned if product.card.name != "build_report"]
    assert plan.missing(absent, last) == absent
    assert plan.missing(planned, []) == []


def test_what_nothing_was_made_from_is_not_missing() -> None:
    plan = open_experiment({"experiment": "default"}).plan
    planned = list(plan.products())
    one = [p for p in planned if p.path.endswith("select_neurons/tiny_qwen2_vl/miner.parquet")]
    names = {p.path.removeprefix("results/default/") for p in plan.missing([p for p in planned if p not in one], one)}
    datasets = {"toy_textvqa", "toy_caption", "toy_mmlu", "digits_vqa", "toy_msvd_qa"}
    assert names == {
        "aggregate_importance/tiny_qwen2_vl.parquet",
        "download_model/tiny_qwen2_vl/manifest.json",
        *(f"prepare_dataset/{name}.parquet" for name in datasets),
        *(f"capture_activations/tiny_qwen2_vl/{name}/0.parquet" for name in datasets),
    }
