"""Bad input gets one clear message and a non-zero exit code before torch is imported, let alone a model loaded.

All cases run in one process through the entries that a user has: the workflow's `open_experiment`, and the scripts
run by hand. A few run again as real commands.
"""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lode.engine.step import run_step
from lode.engine.tables import write_table
from lode.study import STUDY
from lode.table.dataset import DATASET
from lode.table.importance import IMPORTANCE
from tests.broken import COLUMNS, MODELS, TABLES, importance_columns, sample_table
from tests.project_tree import copy_project, environment

ROOT = Path(__file__).resolve().parents[3]
ENVIRONMENT = {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}", "NO_COLOR": "1"}

#: Runs every case of a JSON list in one process; prints exit code and text of each, and whether torch was imported.
DRIVER = """
import json, runpy, sys, traceback
from workflow.check import open_experiment
outcomes = {}
for case in json.load(sys.stdin):
    try:
        if case["entry"] == "workflow":
            open_experiment({"overrides": case["args"], **case["config"]})
        else:
            sys.argv = [case["entry"], *case["args"]]
            runpy.run_path(f"scripts/{case['entry']}.py", run_name="__main__")
        outcome = [0, ""]
    except SystemExit as stop:
        outcome = [1, stop.code] if isinstance(stop.code, str) else [stop.code, ""]
    except Exception:
        outcome = [1, traceback.format_exc()]
    outcomes[case["name"]] = [*outcome, "torch" in sys.modules]
print(json.dumps(outcomes))
"""


class Case(NamedTuple):
    """One bad input: the entry, its arguments ({tmp} is the folder of broken files), and what the message must say."""

    name: str
    entry: str
    args: list[str]
    says: tuple[str, ...]
    config: dict[str, Any] = {}  # noqa: RUF012


def workflow(name: str, *args: str, says: tuple[str, ...]) -> Case:
    """A call of the workflow on a short experiment, with Hydra overrides."""
    return Case(name, "workflow", [*SHORT, *args], says)


SHORT = ("models=[tiny_qwen2_vl]", "mining_datasets=[toy_textvqa]", "benchmarks=[toy_textvqa]", "figures=[set_overlap]")
RATIO = ("selection.ratio", "(0, 1]", "0.02")
WORKFLOW = [
    Case("experiment", "workflow", [], ("'defalt'", "Did you mean default", "config/experiment/defalt.yaml"),
         {"experiment": "defalt"}),
    Case("overrides as text", "workflow", [], ("'seed=1'", "list of Hydra overrides"), {"overrides": "seed=1"}),
    workflow("override without =", "seed", says=("'seed'", "list of Hydra overrides")),
    workflow("group as override", "model=tiny_qwen2_vl", says=("model=tiny_qwen2_vl", "models=[")),
    workflow("model", "models=[tiny_qwen_vl]",
             says=("unknown model 'tiny_qwen_vl'", "Did you mean tiny_qwen2_vl", "config/model/tiny_qwen_vl.yaml")),
    workflow("no model", "models=[]", says=("`models`", "at least one")),
    workflow("mining dataset", "mining_datasets=[toy_textvq]",
             says=("unknown dataset 'toy_textvq'", "Did you mean toy_textvqa", "config/dataset/toy_textvq.yaml")),
    workflow("benchmark", "benchmarks=[toy_mmlu_]", says=("unknown dataset 'toy_mmlu_'", "Did you mean toy_mmlu")),
    workflow("same benchmark twice", "benchmarks=[toy_mmlu,toy_mmlu]", says=("`benchmarks`", "toy_mmlu", "2 times")),
    workflow("intervention", "interventions=[zer]",
             says=("unknown intervention 'zer'", "Did you mean zero", "config/intervention/zer.yaml")),
    workflow("option of an intervention", "+intervention.options.strenth=1", "interventions=[scale]",
             says=("unknown option of intervention scale 'strenth'", "Did you mean strength")),
    workflow("option of no intervention", "+intervention.options.strength=1",
             says=("unknown option of intervention zero 'strength'", "(none)")),
    *(workflow(f"strength {value}", f"++intervention.options.strength={value}", "interventions=[steering]",
               says=("intervention.options.strength", "of intervention steering", "finite number")) for value in
      ("nan", "inf", "lots", "true", "null")),
    workflow("option that an intervention lacks", "interventions=[own]",
             "+own_interventions.own=['intervention=constant','~intervention.options.value']",
             says=("intervention constant needs the option 'value'", "`options`")),
    workflow("intervention plug-in", "interventions=[own]",
             "+own_interventions.own=['intervention=scale','intervention.plugin=class_men']",
             says=("'class_men'", "Did you mean class_mean", "lode/intervention/class_men.py")),
    workflow("tokens", "intervention.tokens=won", says=("unknown intervention.tokens 'won'", "Did you mean own")),
    workflow("passes", "intervention.passes=prefil", says=("'prefil'", "Did you mean prefill")),
    workflow("neurons", "intervention.neurons=other", says=("'other'", "Did you mean others")),
    *(workflow(f"{tokens} in {passes}", f"intervention.tokens={tokens}", f"intervention.passes={passes}",
               says=(f"intervention.tokens = {tokens}", f"intervention.passes = {passes}", "no token is in both"))
      for tokens, passes in (("generated", "prefill"), ("own", "decode"))),
    workflow("own intervention", "+own_interventions.half=['intervention=scal']", "interventions=[half]",
             says=("unknown intervention 'scal'", "Did you mean scale", "config/intervention/scal.yaml")),
    workflow("name of an own intervention", "+own_interventions={a b: ['intervention=scale']}",
             says=("`own_interventions`", "'a b'", "letters, digits")),
    workflow("figure", "figures=[set_overlp]", says=("unknown figure 'set_overlp'", "Did you mean set_overlap")),
    workflow("selection", "+selections.own=['selection=minr']",
             says=("unknown selection 'minr'", "Did you mean miner", "config/selection/minr.yaml")),
    workflow("strategy", "selection.options.strategy=adptive",
             says=("unknown strategy 'adptive'", "LA_MU, LU_MA, adaptive, random, uniform", "Did you mean adaptive")),
    *(workflow(f"ratio {value}", f"selection.ratio={value}", says=(*RATIO, value)) for value in
      ("0.0", "1.5", "nan")),
    workflow("ratio of a wrong type", "selection.ratio=lots", says=("'lots'", "Float", "selection.ratio")),
    workflow("wrong type", "seed=abc", says=("'abc'", "Integer", "seed")),
    workflow("negative seed", "seed=-1", says=("seed = -1", "at least 0")),
    workflow("unknown key", "selection.raito=0.1", says=("'selection.raito'", "Did you mean selection.ratio")),
    workflow("mix", "selection.options.mix=mean_mx", says=("unknown mix 'mean_mx'", "Did you mean mean_max", "attn_k")),
    workflow("weights", "selection.options.mix={mean: 0.5, max: 0.4}", says=("0.9", "must sum to 1")),
    workflow("negative weight", "selection.options.mix={mean: 1.5, max: -0.5}", says=("-0.5", "weights >= 0")),
    workflow("weights of no number", "selection.options.mix=[1, a, 0, 0, 0]", says=("[1, 'a', 0", "five weights")),
    workflow("weights of a wrong type", "selection.options.mix=1", says=("mix 1", "{metric: weight}", "five weights")),
    workflow("new key of a mapping", "dataset.options.size=1", says=("'dataset.options.size'", "+dataset.options")),
    workflow("number of weights", "selection.options.mix=[0.5, 0.5]", says=("(0.5, 0.5)", "expected 5 weights")),
    workflow("metric", "selection.options.mix={men: 1}", says=("unknown metric 'men'", "Did you mean mean", "attn_q")),
    workflow("option of a selection", "+selection.options.strateg=1",
             says=("unknown option of selection miner 'strateg'", "Did you mean strategy")),
    workflow("option of a dataset", "+dataset.options.size=1", says=("unknown option of dataset", "'size'")),
    workflow("score", "dataset.scores=[exact_mtch]",
             says=("'exact_mtch'", "Did you mean exact_match", "lode/scoring/exact_mtch.py")),
    workflow("no score", "dataset.scores=[]", says=("no score", "exact_match")),
    workflow("headline sees stopping", "dataset.scores=[exact_match,mmlu_paper]",
             says=("the first score is the headline", "changes 'exact_match'", "begins_with_answer")),
    workflow("number of samples", "dataset.num_samples.mine=0", says=("num_samples.mine", "= 0", "at least 1")),
    workflow("split", "split=disjont", says=("unknown split 'disjont'", "Did you mean disjoint", "paper")),
    workflow("attention", "capture.attention=causl", says=("'causl'", "Did you mean causal", "reference")),
    workflow("normalisation", "capture.normalisation=minmx", says=("'minmx'", "Did you mean minmax", "robust")),
    *(workflow(f"bins {bins}", f"capture.num_bins={bins}", says=(f"capture.num_bins = {bins}", "even", "4 to 512"))
      for bins in (-2, 2, 7, 514)),
    workflow("histograms that nobody captures", "+selections.own=['selection=auroc']",
             says=("selection own needs statistics", "capture.num_bins = 0", "set capture.num_bins=512")),
    workflow("hidden site that nobody captures", "+selections.own=['selection=contribution']",
             says=("selection own needs statistics", "set capture.hidden_site=true")),
    workflow("nothing to contrast", "+selections.own=['selection=lape','selection.modality_split=prompt']",
             says=("selection own compares modalities", "at least 2", "hold prompt")),
    workflow("shards", "capture.shards=151", says=("capture.shards = 151", "150 samples")),
    workflow("shards of an ablation", "ablation.shards=1001", says=("ablation.shards = 1001", "samples of toy_")),
    workflow("no shard", "ablation.shards=0", says=("ablation.shards = 0", "at least 1")),
    workflow("batch size", "ablation.batch_size=0", says=("ablation.batch_size = 0", "at least 1")),
    workflow("device", "runtime.device=gpu", says=("'gpu'", "auto, cpu, cuda")),
    workflow("video frames", "model.video_frames=show", says=("'show'", "Did you mean shown", "qwen_vl_utils")),
    workflow("number format", "model.dtype=float33", says=("'float33'", "Did you mean float32", "bfloat16")),
    workflow("medium of a model", "+model.media_tokens.picture=x", says=("'picture'", "image")),
    workflow("kind of control", "controls.kinds=[layer_mached]",
             says=("unknown control plug-in 'layer_mached'", "Did you mean layer_matched", "create lode/control")),
    workflow("no kind of control", "controls.kinds=[]", says=("controls.kinds = []", "at least one of", "sham")),
    workflow("control twice", "controls.kinds=[sham,sham]", says=("['sham', 'sham']", "each once")),
    workflow("modality split", "selection.modality_split=promt", says=("'promt'", "Did you mean prompt")),
    workflow("modality", "selection.modalities=[imag]", says=("unknown modality 'imag'", "Did you mean image")),
    workflow("modality that no dataset holds", "selection.modalities=[text,video]",
             says=("'video'", "no mining dataset holds", "image, special, text", "mining_datasets")),
    workflow("modality of a dataset", "dataset.modalities=[tekst]", says=("'tekst'", "Did you mean text")),
    workflow("medium the model does not take", "dataset.modalities=[text,audio]",
             says=("holds audio", "tiny_qwen2_vl takes image, video")),
]  # fmt: skip
MODEL = [
    workflow(f"model folder: {name}", f"model.source={{tmp}}/models/{name}", says=says)
    for name, (_, says) in MODELS.items()
]
TABLE = [
    Case(f"dataset table: {name}", "prepare_dataset", [
        "dataset.plugin=local_table", "dataset.name=mine", f"+dataset.options.path={{tmp}}/{name}.parquet",
        "io.dataset={tmp}/out.parquet",
    ], says)
    for name, (_, says) in TABLES.items()
]  # fmt: skip
SELECT = [
    Case(name, "select_neurons", [*args, "io.importance={tmp}/" + file, "io.neurons={tmp}/out.parquet"], says)
    for name, file, args, says in [
        ("importance: none", "absent.parquet", [], ("absent.parquet", "not a readable Parquet table")),
        ("importance: NaN", "nan.parquet", [], ("NaN", "capture again")),
        ("importance: another table", "good.parquet", [], ("missing column 'model', 'modality'", "importance table")),
        ("importance: modality", "importance.parquet", ["selection.modalities=[audio]"],
         ("audio does not occur", "image, text")),
        ("importance: tiny ratio", "importance.parquet", ["selection.ratio=0.001"], ("0.001", "16 neurons", "none")),
        ("select: ratio", "importance.parquet", ["selection.ratio=2"], ("selection.ratio = 2.0", "(0, 1]")),
        ("select: mix", "importance.parquet", ["selection.options.mix=[1, 1, 0, 0, 0]"], ("sum to 2",)),
        ("select: planned otherwise", "importance.parquet", ["expect_digest=d0"], ("changed since", "again")),
    ]
]  # fmt: skip
HAND = [
    Case(
        "script: model", "download_model", ["model=tiny", "io.manifest={tmp}/m"], ("'tiny'", "config/model/tiny.yaml")
    ),
    Case("script: folder", "download_model", ["model.source=.", "io.manifest={tmp}/m"], ("'.'", "no config.json")),
    Case("script: no output", "prepare_dataset", [], ("`prepare_dataset` needs io.dataset", "io.dataset=...")),
    Case("script: not an override", "prepare_dataset", ["toy_mmlu"], ("toy_mmlu", "EQUAL")),
]
CASES = [*WORKFLOW, *MODEL, *TABLE, *SELECT, *HAND]


@pytest.fixture(scope="module")
def broken(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of model folders and tables, each broken in one way, beside good ones."""
    folder = tmp_path_factory.mktemp("broken")
    for name, (files, _) in MODELS.items():
        if files is not None:
            (folder / "models" / name).mkdir(parents=True)
            for file, content in files.items():
                (folder / "models" / name / file).write_bytes(content)
    pq.write_table(sample_table(), folder / "good.parquet")
    for name, (content, _) in TABLES.items():
        if isinstance(content, pa.Table):
            pq.write_table(content, folder / f"{name}.parquet")
        elif content is not None:
            (folder / f"{name}.parquet").write_bytes(content((folder / "good.parquet").read_bytes()))
    for file, value in (("importance", 0.5), ("nan", np.nan)):
        write_table(folder / f"{file}.parquet", IMPORTANCE, importance_columns(value), {})
    return folder


def filled(case: Case, folder: Path) -> list[str]:
    return [arg.replace("{tmp}", str(folder)) for arg in case.args]


@pytest.fixture(scope="module")
def outcomes(broken: Path) -> dict[str, Any]:
    """Exit code, text and presence of torch after every case, all run in one process."""
    cases = [{**case._asdict(), "args": filled(case, broken)} for case in CASES]
    command = [sys.executable, "-c", DRIVER]
    done = subprocess.run(command, input=json.dumps(cases), cwd=ROOT, text=True, capture_output=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_one_clear_message(outcomes: dict[str, Any], case: Case) -> None:
    code, text, torch_imported = outcomes[case.name]
    assert code != 0
    assert "Traceback" not in text
    assert text.startswith("error: ")
    assert text.count("error: ") == 1
    for part in case.says:
        assert part in text
    assert not torch_imported


def test_names_of_cases_are_unique() -> None:
    assert len({case.name for case in CASES}) == len(CASES)


def snakemake(*config: str) -> list[str]:
    return ["snakemake", "-n", "--profile", "workflow/profiles/local", "--config", *config]


@pytest.mark.parametrize(
    ("command", "says"),
    [
        (snakemake("overrides=['selection.options.strategy=adptive']"), "Did you mean adaptive"),
        (snakemake("overrides=['model.source={tmp}/models/pickled']"), "pytorch_model.bin"),
        (
            [sys.executable, "scripts/prepare_dataset.py", "dataset.plugin=local_table", "io.dataset={tmp}/out.parquet",
             "+dataset.options.path={tmp}/truncated image.parquet"],
            "sample s1",
        ),
        (
            ["snakemake", "results/default/none.html", *snakemake("experiment=smoke")[1:]],
            "no rule makes results/default/none.html; expected a file in results/smoke/",
        ),
    ],
    ids=["workflow, strategy", "workflow, model", "script, image", "workflow, file of another run"],
)  # fmt: skip
def test_real_commands(broken: Path, command: list[str], says: str) -> None:
    command = [part.replace("{tmp}", str(broken)) for part in command]
    done = subprocess.run(command, cwd=ROOT, env=ENVIRONMENT, text=True, capture_output=True, check=False)
    output = done.stdout + done.stderr
    assert done.returncode != 0
    assert output.count("error: ") == 1
    assert says in output
    assert "Traceback" not in output


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the project, whose experiments may be broken."""
    return copy_project(tmp_path_factory.mktemp("project"))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("# @package _global_\ntitle: a\n\tseed: 2\n", "line 3, column 1: a tab; expected YAML. Indent with blanks"),
        (
            "# @package _global_\nseed: 1\nseed: 2\n",
            "line 3, column 1: found duplicate key seed; expected YAML. Remove",
        ),
        ("title: a\n", "the first line is 'title: a'; expected '# @package _global_'"),
    ],
    ids=["tab", "key twice", "first line"],
)
def test_real_commands_on_an_experiment_that_is_none(tree: Path, text: str, says: str) -> None:
    """FAULTS R9."""
    (tree / "config/experiment/mine.yaml").write_text(text)
    command = snakemake("experiment=mine")
    done = subprocess.run(command, cwd=tree, env=environment(tree), text=True, capture_output=True, check=False)
    output = done.stdout + done.stderr
    assert done.returncode != 0
    assert output.count("error: ") == 1
    assert f"{tree}/config/experiment/mine.yaml" in output
    assert says in output
    assert "Traceback" not in output
    assert "Snakefile" not in output


@pytest.mark.parametrize("step", ["capture_activations", "benchmark_ablation"])
@pytest.mark.parametrize(
    ("argument", "says"),
    [("model=tiny", "config/model/tiny.yaml"), ("dataset.modalities=[text,audio]", "holds audio"), ("split=x", "'x'")],
)
def test_steps_with_a_model_check_first(monkeypatch: pytest.MonkeyPatch, step: str, argument: str, says: str) -> None:
    def run(cfg: Any, made_by: dict[str, Any]) -> None:
        pytest.fail("the stage ran on a bad config")

    monkeypatch.setattr(sys, "argv", ["script", argument])
    with pytest.raises(SystemExit, match="error: ") as stop:
        run_step(STUDY, step, run)
    assert says in str(stop.value)


def test_good_input_passes(broken: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The good twin of every broken table passes, and keeps text beyond ASCII as it is."""
    from lode.stages.prepare_dataset import run

    output = broken / "accepted.parquet"
    arguments = ["dataset.plugin=local_table", f"+dataset.options.path={broken}/good.parquet", f"io.dataset={output}"]
    monkeypatch.setattr(sys, "argv", ["prepare_dataset.py", *arguments])
    run_step(STUDY, "prepare_dataset", run)
    accepted = pq.read_table(output)
    assert set(accepted["dataset"].to_pylist()) == {"accepted"}
    assert accepted.drop_columns("dataset").to_pylist() == sample_table().to_pylist()
    assert "ß 数字 é 🙂" in accepted["prompt"][1].as_py()


def test_nulls_mean_none_where_a_column_is_optional(broken: Path) -> None:
    from lode.dataset.local_table import samples

    nulls = {
        name: pa.nulls(4, DATASET.schema.field(name).type) for name in ("media", "choices", "answer_index", "meta")
    }
    pq.write_table(pa.table({**COLUMNS, **nulls}), broken / "nulls.parquet")
    (first, *_) = samples("mine", 5, 0, path=str(broken / "nulls.parquet"))
    assert (first.media, first.choices, first.answer_index, first.meta) == ((), (), -1, {})


def test_only_the_number_asked_for(broken: Path) -> None:
    from lode.dataset.local_table import samples

    def ids(split: str, count: int) -> list[str]:
        return [sample.sample_id for sample in samples(split, count, 0, path=str(broken / "good.parquet"))]

    assert ids("mine", 1) == ["s0"]
    assert ids("mine", 9) == ["s0", "s1"]
    assert ids("test", 9) == ["s2", "s3"]
