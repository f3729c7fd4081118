"""The rules of the house: sizes, names, docstrings, who imports whom, and what is in the repository."""

import ast
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from lode.cards import CARDS
from lode.checks.names import known_plugins
from lode.checks.steps import CHECKS
from lode.engine.fingerprint import without_docstrings
from lode.engine.study import wildcards_of
from lode.study import STUDY
from lode.table import known_tables
from tests.source import CODE, LIBRARY, ROOT, TRACKED, Function, functions, imports, name_of
from workflow import house

SCRIPTS = [path for path in CODE if path.parent == ROOT / "scripts"]
STAGES = [path for path in CODE if path.parent == ROOT / "lode" / "stages"]
RULE_FILES = [path for path in TRACKED if path.suffix == ".smk"]

#: Modules that are imported while the job graph is built, and the stages that load no model.
TORCH_FREE = [
    "lode.study",
    "lode.checks.steps",
    "lode.engine.tables",
    "lode.library.results",
    "workflow.check",
    "workflow.house",
    *(f"lode.table.{name}" for name in known_tables()),
    *(
        f"lode.{group}.{name}"
        for group in ("dataset", "selection", "scoring", "control")
        for name in known_plugins(group)
    ),
    *(f"lode.stages.{card.name}" for card in CARDS if "model" not in card.sections and card.name != "train_model"),
]


each_script = pytest.mark.parametrize("path", SCRIPTS, ids=name_of)


def test_the_guard_sees_the_project() -> None:
    assert len(CODE) > 50
    assert len(SCRIPTS) >= 10
    assert len(STAGES) >= 10
    assert len(RULE_FILES) == 7


@each_script
def test_scripts_are_thin(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= 40
    assert "run_step(" in path.read_text()
    assert ast.get_docstring(ast.parse(path.read_text()))


def rules() -> dict[str, str]:
    """The bodies of the rules, by name."""
    texts = [path.read_text() for path in RULE_FILES]
    return dict(
        found for text in texts for found in re.findall(r"^rule (\w+):\n((?:[ \t]+.*\n|\n)+)", text, re.MULTILINE)
    )


def test_card_rule_script_and_stage_have_one_name() -> None:
    names = {card.name for card in CARDS}
    assert len(names) == len(CARDS)
    assert set(rules()) == names
    assert {path.stem for path in SCRIPTS} == names
    assert {path.stem for path in STAGES} - {"__init__"} == names
    assert set(CHECKS) <= names
    for name in names:
        script = (ROOT / "scripts" / f"{name}.py").read_text()
        assert f"from lode.stages.{name} import run\n" in script
        assert f'run_step(STUDY, "{name}", run)' in script


@pytest.mark.parametrize("name", sorted(STUDY.steps))
def test_a_rule_says_what_is_on_its_card(name: str) -> None:
    card, body = STUDY.steps[name], rules()[name]
    for directive in ("output:", "log:", "benchmark:", "resources:", "params:"):
        assert directive in body, f"rule {name} has no {directive}"
    place = "/".join([name, *(f"{{{key}}}" for key in card.wildcards)])
    assert f'"<logs>/{place}.log"' in body
    assert f'"<benchmarks>/{place}.jsonl"' in body
    assert set(re.findall(r'run\.\w+\("(\w+)"\)', body)) == {name, *card.makes}
    written = {made: f'run.pattern("{made}")' for made in card.makes}
    written |= {made: f"directory({written[made]})" for made in card.folders}
    outputs = body.partition("output:")[2].partition("log:")[0]
    assert re.findall(r"^ +(\w+)=(.*),$", outputs, re.MULTILINE) == list(written.items())
    assert ("unpack(" in body) == bool(card.reads)
    assert ("ancient(" in body) == bool(card.sources)


def test_cards_fit_together() -> None:
    """Each file is written once, and before it is read; all files of a step have its wildcards."""
    makes = [made for card in CARDS for made in card.makes]
    assert len(makes) == len(set(makes))
    for place, card in enumerate(CARDS):
        assert {wildcards_of(pattern) for pattern in card.makes.values()} == {card.wildcards}
        assert not set(card.handed) & set(STUDY.numbers)
        later = {made for other in CARDS[place:] for made in other.makes} - {"model"}  # a planted one is downloaded
        assert not {read.table for read in card.reads} & later


def test_the_engine_knows_no_study() -> None:
    """Nothing of the engine is imported from outside it, and no word of it is one of the science."""
    science = {"modality", "neuron", "selection", "intervention", "planting", "benchmark", *STUDY.groups} - {
        "experiment"
    }
    for path in (ROOT / "lode" / "engine").glob("*.py"):
        own = {name for name in imports(path) if name.startswith(("lode", "workflow"))}
        assert not {name for name in own if not name.startswith("lode.engine")}, name_of(path)
        words = set(re.findall(r"[a-z]+", ast.dump(without_docstrings(ast.parse(path.read_text()))).lower()))
        assert not words & science, name_of(path)


def test_only_one_module_touches_the_private_parts_of_hydra() -> None:
    private = re.compile(r"hydra\._|hydra\.core\.override_parser\.overrides_parser|\._get_node|omegaconf\._")
    for path in LIBRARY:
        assert path.name == "hydra_private.py" or not private.search(path.read_text()), name_of(path)


def test_the_picture_and_the_table_of_the_house_are_those_of_the_cards() -> None:
    assert house.PICTURE.read_text() == house.picture(), "python -m workflow.house"
    readme = house.README.read_text()
    assert house.with_table(readme) == readme, "python -m workflow.house"


def test_every_box_of_the_house_lies_within_the_picture() -> None:
    places, _, count = house.placed(list(house.stages().values()))
    assert set(places) == set(STUDY.steps)
    assert len(set(places.values())) == len(places)
    assert max(x for x, _ in places.values()) + house.BOX <= house.WIDTH
    assert max(y for _, y in places.values()) + house.HEIGHT <= house.TOP + count * house.ROW


@pytest.mark.parametrize("path", RULE_FILES, ids=name_of)
def test_rule_files_say_what_they_read_and_write(path: Path) -> None:
    text = path.read_text()
    docstring = re.match(r'"""(.+?)"""', text, re.DOTALL)
    assert docstring
    assert "->" in docstring[1]
    for rule in re.findall(r"^rule (\w+):", text, re.MULTILINE):
        assert rule in docstring[1]


def test_no_drawer_for_odds_and_ends() -> None:
    names = {"utils", "util", "helpers", "misc", "common", "tools"}
    assert not [name_of(path) for path in CODE if {path.stem, *path.relative_to(ROOT).parts[:-1]} & names]


def test_names_of_test_files_are_unique() -> None:
    names = [p.name for p in CODE if p.relative_to(ROOT).parts[0] == "tests" and p.name != "conftest.py"]
    assert sorted(set(names)) == sorted(names)


@pytest.mark.parametrize("path", LIBRARY, ids=name_of)
def test_everything_public_has_a_docstring(path: Path) -> None:
    tree = ast.parse(path.read_text())
    assert ast.get_docstring(tree) or not tree.body, "the module"
    for node in tree.body:
        if isinstance(node, Function | ast.ClassDef) and not node.name.startswith("_"):
            assert ast.get_docstring(node) or node.name.endswith("Config"), node.name


@pytest.mark.parametrize("path", STAGES, ids=name_of)
def test_a_stage_knows_the_type_of_its_config(path: Path) -> None:
    """No argument of a stage that is a config, or a section or recipe of one, may be anything."""
    configs = {"cfg", "recipe", "options", *STUDY.groups} - {"model"}  # which is a model of torch here
    for function in functions(path):
        arguments = [*function.args.posonlyargs, *function.args.args, *function.args.kwonlyargs]
        of_configs = [arg for arg in arguments if arg.arg in configs and arg.annotation]
        assert not [arg.arg for arg in of_configs if ast.unparse(arg.annotation or arg) == "Any"], function.name
        assert not [arg.arg for arg in arguments if arg.arg in configs and not arg.annotation], function.name


def test_torch_is_not_imported_while_the_graph_is_built() -> None:
    lines = [f"import {name}; seen.append(('torch' in sys.modules, {name!r}))" for name in TORCH_FREE]
    program = "\n".join(["import json, sys", "seen = []", *lines, "print(json.dumps(seen))"])
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, text=True, capture_output=True, check=True)
    seen = json.loads(done.stdout)
    assert [name for _, name in seen] == TORCH_FREE
    assert not [name for imported, name in seen if imported][:1]


def test_no_place_of_one_machine() -> None:
    place = re.compile("|".join(f"/{folder}/" for folder in ("work", "root", "home", "Users")))
    for path in TRACKED:
        try:
            text = path.read_text()
        except UnicodeDecodeError:
            continue
        found = [line for line in text.splitlines() if place.search(line) and "://" not in line]
        assert not found or path == Path(__file__), f"{name_of(path)}: {found[:1]}"


def test_no_large_file() -> None:
    assert not [name_of(path) for path in TRACKED if path.stat().st_size > 10 * 2**20]


def test_no_result_is_tracked() -> None:
    top = {path.relative_to(ROOT).parts[0] for path in TRACKED}
    assert not top & {"results", ".snakemake", ".venv"}
    assert not [name_of(p) for p in TRACKED if p.suffix in (".bin", ".pt", ".pth", ".pkl", ".pyc", ".parquet", ".npy")]
