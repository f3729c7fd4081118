"""ErrorRadar from made-up tables of its shape: the records and prompts by hand, and what is refused of another file."""

import json
from importlib import import_module
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lode.checks.dataset import check_shards
from lode.checks.steps import validate
from lode.dataset import Sample
from lode.engine.errors import UserError
from lode.engine.tables import read_table
from lode.stages import prepare_dataset
from lode.study import compose, restrict
from lode.table.dataset import DATASET
from tests.hub_fixtures import ERRORRADAR_COLUMNS, ERRORRADAR_KINDS, errorradar_records, picture, write_errorradar

TASKS = ("errorradar_step", "errorradar_cate")
OPTIONS: dict[str, Any] = {"columns": ERRORRADAR_COLUMNS, "categories": ERRORRADAR_KINDS, "images": "images"}


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    write_errorradar(tmp_path)
    return tmp_path


def everything(
    copy: Path, task: str = "errorradar_step", table: str = "items.csv", **options: Any
) -> dict[str, Sample]:
    """All samples of a copy by number of their record."""
    given = {**OPTIONS, "path": str(copy / table), **options}
    given["images"] = str(copy / given["images"])
    plugin = import_module(f"lode.dataset.{task}")
    drawn = [sample for split in ("mine", "test") for sample in plugin.samples(split, 1000, 2024, **given)]
    return {sample.sample_id: sample for sample in drawn}


STEP_PROMPT = """\
A student solved this problem and got it wrong.
Problem: How long is side 1, in cm?
Correct answer: 1.0
The student's answer: 2
The student's steps:
1) side 1 is 0, so on
2) side 1 is 1, so on
3) side 1 is 2, so on
4) side 1 is 3, so on
Which step is the first wrong one? Reply with its number only."""


def test_a_record_of_step_by_hand(copy: Path) -> None:
    """CSV: "1.0" stays the text that it is."""
    sample = everything(copy)["errorradar-00002"]
    assert sample.prompt == STEP_PROMPT
    assert (sample.answers, sample.choices, sample.answer_index) == (("2",), ("1", "2", "3", "4"), 1)
    assert [(m.kind, m.bytes, m.mime) for m in sample.media] == [("image", picture(0, "PNG")["bytes"], "image/png")]
    assert sample.meta == {
        "problem_type": "algebra", "category": "CAL", "gold_step": 2, "num_steps": 4, "task": "step",
        "revision": "local",
    }  # fmt: skip


def test_a_record_of_cate_by_hand(copy: Path) -> None:
    sample = everything(copy, "errorradar_cate")["errorradar-00002"]
    head, _, tail = sample.prompt.partition("\nWhich kind of error is it?\n")
    assert head == STEP_PROMPT.rpartition("\n")[0]
    *lines, last = tail.split("\n")
    assert [line[:3] for line in lines] == ["A) ", "B) ", "C) ", "D) ", "E) "]
    assert [line[3:].partition(":")[0] for line in lines] == list(sample.choices)
    assert last == "Reply with its letter only."
    assert sorted(sample.choices) == ["calculation", "knowledge", "misunderstanding", "reasoning", "visual"]
    assert sample.choices[sample.answer_index] == "calculation"
    assert sample.answers == ("ABCDE"[sample.answer_index],)
    assert (sample.meta["task"], sample.meta["answer_is"]) == ("category", "letter")


def test_kinds_are_in_an_order_of_each_sample_that_the_seed_says(copy: Path) -> None:
    samples = list(everything(copy, "errorradar_cate").values())
    assert samples == list(everything(copy, "errorradar_cate").values())
    assert len({sample.choices for sample in samples}) > 20
    assert len({sample.answers for sample in samples}) == 5


def test_both_tasks_ask_about_the_same_items(copy: Path) -> None:
    of = [everything(copy, task) for task in TASKS]
    assert {(s.sample_id, s.cluster_id, s.split) for s in of[0].values()} == {
        (s.sample_id, s.cluster_id, s.split) for s in of[1].values()
    }
    assert len(of[0]) == 48
    assert len({sample.cluster_id for sample in of[0].values()}) == 24, "two problems to an image"


@pytest.mark.parametrize("task", TASKS)
def test_variants_of_the_prompt(copy: Path, task: str) -> None:
    plain, blind = (everything(copy, task, with_answer=of)["errorradar-00002"].prompt for of in (True, False))
    assert blind == plain.replace("Correct answer: 1.0\n", "")
    what = {"errorradar_step": "number", "errorradar_cate": "letter"}[task]
    thinking = everything(copy, task, think_first=True)["errorradar-00002"].prompt
    asked = f"Reply with its {what} only."
    assert thinking == plain.replace(asked, f'Think step by step, then end with "Answer:" and its {what}.')


def as_json(copy: Path, records: list[dict[str, Any]]) -> str:
    (copy / "items.json").write_text(json.dumps(records))
    return "items.json"


def as_lines(copy: Path, records: list[dict[str, Any]]) -> str:
    (copy / "items.jsonl").write_text("\n".join(map(json.dumps, records)) + "\n\n")
    return "items.jsonl"


def as_parquet(copy: Path, records: list[dict[str, Any]]) -> str:
    pq.write_table(pa.Table.from_pylist(records), copy / "items.parquet")
    return "items.parquet"


@pytest.mark.parametrize("write", [as_json, as_lines, as_parquet])
def test_every_kind_of_table_gives_the_same(copy: Path, write: Any) -> None:
    """Steps as a list, gold steps as numbers."""
    records = [r | {"solution": json.loads(r["solution"]), "where": int(r["where"])} for r in errorradar_records()]
    assert everything(copy, table=write(copy, records)) == everything(copy)


def test_images_may_lie_in_the_table(copy: Path) -> None:
    records = [r | {"img": picture(int(r["img"][:3]), "PNG")} for r in errorradar_records()]
    assert everything(copy, table=as_parquet(copy, records)) == everything(copy)
    records = [r | {"img": r["img"]["bytes"]} for r in records]
    assert everything(copy, table=as_parquet(copy, records)) == everything(copy)


def test_steps_in_a_text_and_other_first_numbers(copy: Path) -> None:
    records = [
        r | {"solution": " | ".join(json.loads(r["solution"])), "where": int(r["where"]) - 1}
        for r in errorradar_records()
    ]
    assert everything(copy, table=as_json(copy, records), separator="|", first_step=0) == everything(copy)


# --- what is refused --------------------------------------------------------------------------------------------------

HAVE = "Its columns are Problem Text, img, gold, wrong, solution, where, kind, topic, note; expected a map of question"


@pytest.mark.parametrize(
    ("columns", "says"),
    [
        (
            {},
            "say nothing of question, image, correct_answer, student_answer, steps, gold_step, category, problem_type",
        ),
        (dict.fromkeys(ERRORRADAR_COLUMNS), "say nothing of question, image, correct_answer"),
        ({name: c for name, c in ERRORRADAR_COLUMNS.items() if name != "steps"}, "say nothing of steps"),
        (ERRORRADAR_COLUMNS | {"steps": "Steps", "image": "photo"}, "name photo, Steps, which it lacks"),
    ],
)
def test_a_map_that_does_not_fit_is_refused_with_the_columns_of_the_file(
    copy: Path, columns: dict[str, str], says: str
) -> None:
    with pytest.raises(UserError, match=says) as error:
        everything(copy, columns=columns)
    assert HAVE in str(error.value)


def test_a_name_of_the_map_that_is_none_of_ours_is_refused(copy: Path) -> None:
    with pytest.raises(UserError, match=r"name in dataset\.options\.columns 'stepps'.*Did you mean steps"):
        everything(copy, columns={**ERRORRADAR_COLUMNS, "stepps": "x"})


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"where": "3rd"}, r"gold step of errorradar-00005 is '3rd'; expected a whole number from 1 to 7"),
        ({"where": "0"}, "gold step of errorradar-00005 is '0'"),
        ({"where": "8"}, "gold step of errorradar-00005 is '8'"),
        ({"solution": "one, two"}, r"steps of errorradar-00005 are 'one, two'; expected a list .*options\.separator"),
        ({"solution": "[]"}, "steps of errorradar-00005 are"),
        ({"solution": '["a", 1]'}, "steps of errorradar-00005 are"),
        (
            {"kind": "style"},
            r"category of errorradar-00005 .*'style'; expected one of calculation, .*which of VIS, CAL",
        ),
        ({"img": "x.png"}, r"no file 'x\.png'"),
        ({"gold": ""}, "record 5 has no correct_answer"),
        ({"gold": "  "}, "record 5 has no correct_answer"),
        ({"Problem Text": float("nan")}, "record 5 has no question"),
        ({"where": "--2"}, "gold step of errorradar-00005 is '--2'"),
        ({"where": "²"}, "gold step of errorradar-00005 is '²'"),
        ({"img": "../../items.csv"}, r"image of errorradar-00005 is '\.\./\.\./items\.csv'; expected a name within"),
        ({"img": "/items.csv"}, r"image of errorradar-00005 is '/items\.csv'; expected a name within"),
    ],
)
def test_a_value_of_another_form_is_refused_by_record(copy: Path, changed: dict[str, str], says: str) -> None:
    records = errorradar_records()
    records[4] |= changed
    with pytest.raises(UserError, match=says):
        everything(copy, table=as_json(copy, records))


def test_without_a_map_of_kinds_theirs_must_be_ours(copy: Path) -> None:
    with pytest.raises(UserError, match="'visual perception'; expected one of CAL, KNOW, MIS, REAS, VIS"):
        everything(copy, categories=None)
    records = [r | {"kind": ERRORRADAR_KINDS[r["kind"]]} for r in errorradar_records()]
    assert everything(copy, table=as_json(copy, records), categories=None) == everything(copy)


def test_a_map_of_kinds_may_have_numbers_and_must_name_ours(copy: Path) -> None:
    codes = {kind: number for number, kind in enumerate(ERRORRADAR_KINDS)}
    records = as_json(copy, [r | {"kind": codes[r["kind"]]} for r in errorradar_records()])
    numbered = {codes[kind]: ours for kind, ours in ERRORRADAR_KINDS.items()}
    assert everything(copy, table=records, categories=numbered) == everything(copy)
    with pytest.raises(UserError, match=r"dataset\.options\.categories for '0' 'FOO'; expected one of CAL, KNOW"):
        everything(copy, table=records, categories=numbered | {0: "FOO"})


def test_one_column_for_two_of_ours_is_refused(copy: Path) -> None:
    with pytest.raises(UserError, match="names gold for two of question"):
        everything(copy, columns=ERRORRADAR_COLUMNS | {"student_answer": "gold"})


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("more.csv", b"a,b\n1,2,3\n", "record 1 has more than the 2 cells of the header"),
        ("twice.csv", b"a,a\n1,2\n", "two columns of a, a have one name"),
        ("items.xlsx", b"PK", r"unknown ending of the table items\.xlsx '\.xlsx'"),
        ("bad.json", b"{", r"bad\.json: not a readable table"),
        ("text.json", b'["a"]', r"a record is 'a', and no object"),
        ("bad.parquet", b"PAR", r"bad\.parquet: not a readable table"),
        ("none.jsonl", b"", r"none\.jsonl of .*: no record"),
    ],
)
def test_a_file_that_is_no_table_is_refused(copy: Path, name: str, content: bytes, says: str) -> None:
    (copy / name).write_bytes(content)
    with pytest.raises(UserError, match=says):
        everything(copy, table=name)


@pytest.mark.parametrize("task", TASKS)
def test_without_a_table_the_shipped_yaml_asks_for_one(task: str) -> None:
    cfg = compose([f"dataset={task}"]).dataset
    assert "use unclear" in cfg.licence
    with pytest.raises(UserError, match=r"table = None; expected the name of a table of the repository \(\.csv,"):
        list(import_module(f"lode.dataset.{task}").samples("mine", 1, 1, **cfg.options))


@pytest.mark.parametrize("task", TASKS)
def test_a_copy_here_from_the_yaml_to_the_table(copy: Path, task: str) -> None:
    options = [f"dataset.options.columns.{ours}='{theirs}'" for ours, theirs in ERRORRADAR_COLUMNS.items()]
    options.append(f"+dataset.options.categories={{{','.join(f'{k}: {v}' for k, v in ERRORRADAR_KINDS.items())}}}")
    paths = [f"dataset.options.path={copy}/items.csv", f"dataset.options.images={copy}/images"]
    output = copy / f"{task}.parquet"
    cfg = compose([f"dataset={task}", *options, *paths, f"io.dataset={output}"])
    validate(cfg, "prepare_dataset")
    check_shards(cfg, "capture", "mine")
    prepare_dataset.run(restrict(cfg, "prepare_dataset", ("io",)), {"config": {}, "code_digest": "unknown"})
    rows = read_table(output, DATASET).to_pylist()
    assert len(rows) == 48
    assert {row["split"] for row in rows} == {"mine", "test"}
