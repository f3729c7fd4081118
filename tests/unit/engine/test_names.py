"""One definition of a legal name; experiments that read as numbers; one message for a broken file of the config."""

import re
from pathlib import Path

import pytest

from lode.engine.errors import UserError
from lode.engine.names import NAME, check_experiment_name, check_legal, check_path, chosen_experiment
from lode.engine.paths import ROOT
from lode.study import compose
from workflow.check import open_experiment


@pytest.mark.parametrize("name", ["v1.0", "a", "3d_vqa", "x.y-z", "_a", "on"])
def test_legal_names(name: str) -> None:
    check_legal("models", name)
    assert re.fullmatch(NAME, name)


@pytest.mark.parametrize(
    "name", ["", ".", "..", ".a", "-a", "a b", "a/b", "a{b}", "a=b", "a,b", "2024", "1e3", "null", "2024_01"]
)
def test_names_that_no_rule_would_match(name: str) -> None:
    with pytest.raises(UserError, match=re.escape(f"models: {name!r}")):
        check_legal("models", name)


@pytest.mark.parametrize(
    ("name", "override"),
    [
        ("default", "experiment=default"),
        ("my exp", "experiment=my exp"),
        ("team/x", "experiment=team/x"),
        ("a+b", "experiment=a+b"),
        ("2024", "experiment='2024'"),
        ("2024_01", "experiment='2024_01'"),
        ("1e3", "experiment='1e3'"),
        ("true", "experiment='true'"),
    ],
)
def test_names_of_experiments(name: str, override: str) -> None:
    assert chosen_experiment(check_experiment_name(name)) == override


@pytest.mark.parametrize("name", ["../x", "a//b", "a{b}", " a", "a ", "-a", "a=b"])
def test_names_of_no_experiment(name: str) -> None:
    with pytest.raises(UserError, match=re.escape(repr(name))):
        check_experiment_name(name)


@pytest.mark.parametrize("value", [2024, 202401, 1000.0, True, None])
def test_what_snakemake_read_as_a_number_is_refused_with_the_remedy(value: object) -> None:
    with pytest.raises(SystemExit, match=re.escape(f"error: experiment = {value!r}")) as stop:
        open_experiment({"experiment": value})
    assert "EXPERIMENT=<name>" in str(stop.value)
    assert "!!str <name>" in str(stop.value)


def test_braces_in_a_path_are_refused() -> None:
    with pytest.raises(UserError, match=re.escape("dataset own: the path 'a/{b}.parquet' holds braces")):
        check_path("dataset own", "a/{b}.parquet")


@pytest.mark.parametrize("key", ["models", "mining_datasets", "benchmarks", "interventions", "figures"])
def test_every_list_goes_by_the_definition(key: str) -> None:
    with pytest.raises(SystemExit, match=re.escape(f"the experiment's `{key}`: 'a b' may hold")):
        open_experiment({"experiment": "smoke", "overrides": [f"{key}=['a b']"]})


@pytest.mark.parametrize("key", ["plantings", "selections", "own_interventions"])
def test_every_mapping_goes_by_the_definition(key: str) -> None:
    with pytest.raises(SystemExit, match=re.escape(f"the experiment's `{key}`: 'a b' may hold")):
        open_experiment({"experiment": "smoke", "overrides": [f"+{key}={{a b: []}}"]})


def test_the_wildcards_of_the_rules_match_just_that() -> None:
    found = open_experiment({"experiment": "smoke"}).plan.constraints
    names = ("model", "planting", "dataset", "selection", "intervention", "figure", "training", "null")
    assert found == {**dict.fromkeys(names, NAME), "shard": r"\d+"}
    assert "**run.constraints" in (ROOT / "Snakefile").read_text()


@pytest.mark.parametrize("name", ["2024", "2024_01", "007", "1e3", "my exp", "team/x"])
def test_an_experiment_runs_by_its_own_name(config_tree: Path, name: str) -> None:
    file = config_tree / f"experiment/{name}.yaml"
    file.parent.mkdir(exist_ok=True)
    file.write_text((config_tree / "experiment/smoke.yaml").read_text().replace("Smoke run", f"The run {name}"))
    run = open_experiment({"experiment": name})
    assert run.root == f"results/{name}"
    assert run.cfg.title == f"The run {name}"
    with pytest.raises(SystemExit, match="unknown experiment '20240'"):
        open_experiment({"experiment": "20240"})


@pytest.mark.parametrize(
    "start", ["", "# my study\n# @package _global_\n", "\ufeff# @package _global_\n", "# @package global\n"]
)
def test_an_experiment_without_its_first_line(config_tree: Path, start: str) -> None:
    text = (config_tree / "experiment/smoke.yaml").read_text().removeprefix("# @package _global_\n")
    (config_tree / "experiment/smoke.yaml").write_text(start + text, encoding="utf-8")
    with pytest.raises(SystemExit, match=r"smoke\.yaml: the first line is .*; expected '# @package _global_'"):
        open_experiment({"experiment": "smoke"})


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("title: a\n\tb: 2\n", "line 3, column 1: a tab; expected YAML. Indent with blanks"),
        ("title: a\ntitle: b\n", "line 3, column 1: found duplicate key title; expected YAML. Remove one of the two"),
        ("title: [a\nseed: 1\n", "line 3, column 5: expected ',' or ']', but got ':'"),
        ("title: a\udcff\n", "expected YAML. Save it as UTF-8 text"),
    ],
)
def test_a_file_that_is_no_yaml(config_tree: Path, text: str, says: str) -> None:
    file = config_tree / "experiment/smoke.yaml"
    file.write_bytes(f"# @package _global_\n{text}".encode(errors="surrogateescape"))
    with pytest.raises(SystemExit, match=re.escape(says)) as stop:
        open_experiment({"experiment": "smoke"})
    assert str(stop.value).startswith(f"error: {file}")


def test_a_file_of_another_group_that_is_no_yaml(config_tree: Path) -> None:
    with (config_tree / "model/qwen2_vl_2b.yaml").open("a") as file:
        file.write("\tdtype: x\n")
    with pytest.raises(UserError, match=r"model/qwen2_vl_2b\.yaml, line \d+, column 1: a tab"):
        compose(["model=qwen2_vl_2b"])
