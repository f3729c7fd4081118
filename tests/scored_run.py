"""An ablation small enough to score by hand: 6 samples in 3 clusters, 2 sets, 4 controls, and the stage on it."""

import pytest
from omegaconf import OmegaConf

from lode.engine.tables import read_table, write_table
from lode.stages.score_ablation import run
from lode.table import table_of
from lode.table.dataset import DATASET
from lode.table.predictions import PREDICTIONS

NUM_SAMPLES = 6
#: Replies right, as one digit per sample; the clusters are two samples each. Clean has 6 of 6.
RIGHT = {
    "none": "111111",
    "blank": "010000",
    "image": "001011",
    "text": "111111",
    "image-0": "111110",
    "image-1": "001011",
    "image-2": "110111",
    "text-0": "111111",
}
OUTPUTS = ("scores", "effects", "sample_scores")
ORDER = ["none", "blank", "constant", "image", "text", "image-0", "image-1", "image-2", "text-0"]


def dataset_rows():
    report = [(f"s{i}", f"c{i // 2}", "test", f"word{i}") for i in range(NUM_SAMPLES)]
    return [
        {
            "sample_id": sample_id,
            "cluster_id": cluster_id,
            "split": split,
            "prompt": "?",
            "media": [{"kind": "image", "bytes": b"x", "mime": "image/png"}],
            "answers": [answer],
            "choices": [],
            "answer_index": -1,
            "meta": "{}",
        }
        for sample_id, cluster_id, split, answer in [*report, ("m0", "c9", "mine", "mined")]
    ]


def prediction(set_name, i, right):
    of, _, draw = set_name.partition("-")
    kind = {"none": "clean", "blank": "blanked"}.get(set_name, "control" if draw else "method")
    return {
        "sample_id": f"s{i}",
        "cluster_id": f"c{i // 2}",
        "set_name": set_name,
        "kind": kind,
        "control_of": of if draw else "",
        "control_kind": "layer_matched" if draw else "",
        "control_draw": int(draw) if draw else -1,
        "num_neurons": 0 if kind in ("clean", "blanked") else 5,
        "reply": f"word{i}" if right else ("" if i == 0 else f"a word{i}"),
        "begins_with_answer": right,
        "gold": f"word{i}",
        "num_gold_tokens": 1 + i % 2,
        "gold_log_likelihood": -0.1 - i / 3 - (not right),
        "gold_token_log_likelihood": (-0.1 - i / 3 - (not right)) / (1 + i % 2),
        "end_log_likelihood": -0.2 - 2 * (not right),
        "num_prompt_tokens": 4,
        "num_reply_tokens": 1,
        "truncated": not right and i == 1,
    }


def prediction_rows():
    return [prediction(name, i, digit == "1") for name in RIGHT for i, digit in enumerate(RIGHT[name])]


#: The scores of the stage in these tests: the headline is blind to what follows the answer.
SCORES = ["begins_with_answer", "exact_match"]


@pytest.fixture(name="stage")
def scoring_stage(tmp_path):
    """A function that writes the inputs, runs the stage, and returns (scores, effects) as lists of rows."""

    def execute(predictions=None, dataset=None, shards=1, **changes):
        io = {name: str(tmp_path / f"{name}.parquet") for name in ("dataset", *OUTPUTS)}
        write_table(io["dataset"], DATASET, dataset_rows() if dataset is None else dataset, {})
        rows = prediction_rows() if predictions is None else predictions
        io["predictions"] = [str(tmp_path / f"{i}.predictions.parquet") for i in range(shards)]
        for i, path in enumerate(io["predictions"]):
            write_table(path, PREDICTIONS, rows[i::shards], {})
        toy = {"name": "toy", "scores": changes.get("scores", SCORES)}
        cfg = OmegaConf.create({"dataset": toy, "io": io})
        OmegaConf.set_struct(cfg, True)
        run(cfg, {"config_digest": "abc"})
        execute.bytes = [(tmp_path / f"{name}.parquet").read_bytes() for name in OUTPUTS]
        return [read_table(io[name], table_of(name)).to_pylist() for name in ("scores", "effects")]

    return execute
