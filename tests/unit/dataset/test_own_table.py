"""Your own Parquet: how it is read, what its answers are, and what is known of it while the workflow plans."""

import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lode.checks.steps import validate
from lode.dataset import BY_LETTER, Sample, local_table, spoken_options
from lode.engine.errors import UserError
from lode.engine.paths import ROOT
from lode.stages import prepare_dataset
from lode.study import compose, restrict
from tests.broken import COLUMNS, IMAGES, sample_table
from workflow.check import open_experiment
from workflow.study import Experiment

LARGE_MEDIA = pa.list_(pa.struct([("kind", pa.string()), ("bytes", pa.large_binary()), ("mime", pa.string())]))


def written(path: Path, **changed: Any) -> Path:
    pq.write_table(sample_table(**changed), path)
    return path


def read(file: Path, split: str = "test", count: int = 9) -> list[Sample]:
    return list(local_table.samples(split, count, 0, path=str(file)))


# --- answers ----------------------------------------------------------------------------------------------------------


def multiple_choice(file: Path, answers: list[str], index: list[int]) -> list[Sample]:
    """Four text-free choices B, A, O, C a sample, in a table with these answers."""
    columns = {"answers": [[answer] for answer in answers], "choices": [["B", "A", "O", "C"]] * 4}
    samples = [*read(written(file, answer_index=index, **columns), "mine"), *read(file)]
    prepare_dataset.check_samples(samples, ["text", "image"])
    return samples


def test_choices_that_are_letters_are_texts_where_the_answers_say_so(tmp_path: Path) -> None:
    """A is choice 1, and no reply is a place: of blood groups the model says A for A."""
    samples = multiple_choice(tmp_path / "t.parquet", ["A", "B", "O", "C"], [1, 0, 2, 3])
    assert all(list(spoken_options(s.choices, s.meta)) == ["B", "A", "O", "C"] for s in samples)


def test_answers_that_are_letters_everywhere_are_places(tmp_path: Path) -> None:
    samples = multiple_choice(tmp_path / "t.parquet", ["B", "A", "C", "D"], [1, 0, 2, 3])
    assert all(spoken_options(s.choices, s.meta) == ["A", "B", "C", "D"] for s in samples)
    assert all(s.meta["answer_is"] == BY_LETTER["answer_is"] for s in samples)
    assert samples[1].meta["a"] == 1, "its own meta stays"


def test_one_reading_holds_for_the_whole_table(tmp_path: Path) -> None:
    """The first is by its letter alone, the second by its text alone."""
    with pytest.raises(UserError, match=r"sample s0: answers \['B'\], but answer_index 1 .* is 'A'"):
        multiple_choice(tmp_path / "t.parquet", ["B", "B", "O", "C"], [1, 0, 2, 3])


def test_choices_may_differ_in_capitals_where_answers_are_letters(tmp_path: Path) -> None:
    """Mg and mg are two units; by their texts no score tells them apart."""
    units = {"choices": [["Mg", "mg"]] * 4, "answer_index": [0, 1, 0, 1]}
    by_letter = written(tmp_path / "letters.parquet", answers=[["A"], ["B"], ["A"], ["B"]], **units)
    assert len(read(by_letter)) == 2
    by_text = written(tmp_path / "texts.parquet", answers=[["Mg"], ["mg"], ["Mg"], ["mg"]], **units)
    with pytest.raises(UserError, match=r"sample s2: .* 'mg' occurs twice"):
        read(by_text)
    twice = written(tmp_path / "twice.parquet", answers=[["A"]] * 4, choices=[["x", "x "]] * 4, answer_index=[0] * 4)
    with pytest.raises(UserError, match=r"sample s2: .* 'x ' occurs twice; expected texts that all differ\."):
        read(twice)


# --- reading ----------------------------------------------------------------------------------------------------------


def test_a_column_larger_than_an_array_is_read_in_parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One row group of large_binary that no array of `binary` could hold, were its limit that of `limited`."""
    count, limit = 40, 20 * len(IMAGES[0])
    media = [[{"kind": "image", "bytes": IMAGES[0] + bytes([n]), "mime": "image/png"}] for n in range(count)]
    names = {name: [f"{name}{n}" for n in range(count)] for name in ("sample_id", "cluster_id", "prompt")}
    constant = {name: [COLUMNS[name][0]] * count for name in ("answers", "answer_index", "meta")}
    choices = pa.array([[]] * count, pa.list_(pa.string()))
    columns = {**names, **constant, "choices": choices, "media": pa.array(media, LARGE_MEDIA)}
    pq.write_table(pa.table({**columns, "split": ["mine", "test"] * (count // 2)}), tmp_path / "t.parquet")
    assert pq.ParquetFile(tmp_path / "t.parquet").num_row_groups == 1
    cast = local_table.typed

    def limited(array: pa.Array, kind: pa.DataType) -> pa.Array:
        if array.nbytes > limit:
            raise pa.ArrowInvalid("input array too large")
        return cast(array, kind)

    monkeypatch.setattr(local_table, "typed", limited)
    assert [s.sample_id for s in read(tmp_path / "t.parquet", count=50)] == [f"sample_id{n}" for n in range(1, 40, 2)]
    monkeypatch.setattr(local_table, "BATCH", count)
    with pytest.raises(UserError, match=r"column 'media', rows 0 to 39: input array too large; .* at most 2 GB in"):
        read(tmp_path / "t.parquet")


def test_no_more_records_are_read_than_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = written(tmp_path / "t.parquet")
    seen: list[tuple[int, int]] = []
    values = local_table.values

    def counted(file: Path, batch: pa.RecordBatch, field: pa.Field, first: int) -> pa.Array:
        seen.append((first, batch.num_rows))
        return values(file, batch, field, first)

    monkeypatch.setattr(local_table, "BATCH", 1)
    monkeypatch.setattr(local_table, "values", counted)
    assert len(read(file, "mine", 1)) == 1
    assert {part for part in seen if part[1] == 1} == {(0, 1), (1, 1)}, "the first, and one more to see the end"


# --- while the workflow plans -----------------------------------------------------------------------------------------


class Wildcards:
    """Those of a rule for a dataset, or for a model."""

    dataset = "mine"
    model = "tiny_qwen2_vl"


def planned(config_tree: Path, **entries: str) -> Experiment:
    """The plan of a short experiment on a dataset of one's own, whose YAML holds the entries beside its name."""
    lines = {"name": "mine", "num_samples": "{mine: 2, test: 2}", "scores": "[begins_with_answer]", **entries}
    (config_tree / "dataset/mine.yaml").write_text("".join(f"{key}: {value}\n" for key, value in lines.items()))
    lists = {"models": "tiny_qwen2_vl", "mining_datasets": "mine", "benchmarks": "mine", "figures": "set_overlap"}
    return open_experiment({"experiment": "default", "overrides": [f"{key}=[{value}]" for key, value in lists.items()]})


def test_home_is_expanded(config_tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    written(tmp_path / "mine.parquet")
    assert len(list(local_table.samples("mine", 9, 0, path="~/mine.parquet"))) == 2
    run = planned(
        config_tree, plugin="local_table", modalities="[text, special, image]", options="{path: ~/mine.parquet}"
    )
    assert run.plan.sources("prepare_dataset", {"dataset": "mine"}) == [str(tmp_path / "mine.parquet")]


@pytest.mark.parametrize(
    ("entries", "says"),
    [
        ({"plugin": "local_table"}, r"needs the option 'path'.*`options`"),
        (
            {"plugin": "local_table", "options": "{path: no_such/table.parquet}"},
            r"no_such/table\.parquet is not a file",
        ),
        ({"plugin": "local_tabl"}, r"'local_tabl'.*Did you mean local_table.*lode/dataset/local_tabl\.py"),
    ],
)
def test_a_dataset_that_cannot_be_read_stops_the_plan(config_tree: Path, entries: dict[str, str], says: str) -> None:
    """No job starts, whatever results are there from before."""
    with pytest.raises(SystemExit, match=rf"^error: (?s:.*){says}"):
        planned(config_tree, **entries)


def test_braces_in_the_path_of_a_dataset_or_a_model_stop_the_plan(config_tree: Path, tmp_path: Path) -> None:
    """Snakemake would read them as wildcards."""
    file = written(tmp_path / "{2024}.parquet")
    run = planned(config_tree, plugin="local_table", modalities="[text, image]", options=f"{{path: '{file}'}}")
    with pytest.raises(UserError, match=re.escape(f"mine of `prepare_dataset`: the path '{file}' holds braces")):
        run.plan.sources("prepare_dataset", {"dataset": "mine"})
    model = tmp_path / "model"
    shutil.copytree(ROOT / "resources/models/tiny_qwen2_vl", model)
    (model / "{old}.json").write_text("{}")
    smoke = open_experiment({"experiment": "smoke", "overrides": [f"model.source={model}"]})
    with pytest.raises(
        UserError, match=re.escape(f"tiny_qwen2_vl of `download_model`: the path '{model}/{{old}}.json' holds")
    ):
        smoke.plan.sources("download_model", {"model": "tiny_qwen2_vl"})


@pytest.mark.parametrize(
    ("step", "section", "split"),
    [("capture_activations", "capture", "mine"), ("benchmark_ablation", "ablation", "test")],
)
def test_more_shards_than_records_are_refused_at_once(tmp_path: Path, step: str, section: str, split: str) -> None:
    """By what the workflow asks of every job while it plans."""
    own = ["dataset.plugin=local_table", f"+dataset.options.path={written(tmp_path / 't.parquet')}"]
    validate(compose([*own, f"{section}.shards=2"]), step)
    with pytest.raises(UserError, match=f"{section}.shards = 3: expected at most the 2 samples .* split '{split}'"):
        validate(compose([*own, f"{section}.shards=3"]), step)


def prepared(folder: Path, *overrides: str) -> Iterator[dict[str, Any]]:
    cfg = compose(["dataset.plugin=local_table", f"+dataset.options.path={folder / 't.parquet'}", *overrides])
    cfg = restrict(cfg, "prepare_dataset", ("runtime",))
    return prepare_dataset.rows(cfg.dataset, cfg.split_seed, cfg.split)


def test_splits_may_share_where_one_is_mined_and_tested(tmp_path: Path) -> None:
    written(tmp_path / "t.parquet", cluster_id=["c", "c", "c", "d"])
    assert len(list(prepared(tmp_path, "split=paper"))) == 4
    with pytest.raises(UserError, match="cluster 'c'"):
        list(prepared(tmp_path))


def test_what_is_tested_on_has_two_clusters(tmp_path: Path) -> None:
    """Known before any model runs; it was refused after the whole ablation."""
    written(tmp_path / "t.parquet", cluster_id=["a", "b", "c", "c"])
    with pytest.raises(UserError, match="all samples of split 'test' are of cluster 'c'; expected two"):
        list(prepared(tmp_path))


def test_one_word_has_one_spelling(tmp_path: Path) -> None:
    """An e with its accent, as one sign and as two."""
    choices = [[], [], ["caf\u00e9", "tea"], []]
    answers = [["x"], ["x"], ["cafe\u0301"], ["x"]]
    assert len(list(prepared(written(tmp_path / "t.parquet", choices=choices, answers=answers).parent))) == 4
    written(tmp_path / "t.parquet", choices=[[], [], ["caf\u00e9", "cafe\u0301"], []], answers=answers)
    with pytest.raises(UserError, match="occurs twice"):
        list(prepared(tmp_path))
