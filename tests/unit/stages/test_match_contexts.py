"""The contextual lens from a table of states: a planted likeness is found, and none where there is none."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lode.engine.errors import UserError
from lode.engine.tables import read_table, write_table
from lode.stages import match_contexts
from lode.study import compose, restrict
from lode.table.contextual import CONTEXTUAL
from lode.table.dataset import DATASET
from lode.table.states import STATES
from lode.table.vocabulary import VOCABULARY

#: Of a model of six layers; the bank has states 1, 2, 4 and 5.
NUM_STATES, NUM_SAMPLES, WIDTH = 7, 16, 48
NAMES = ("red", "blue", "ring", "star", *(f"word{at}" for at in range(26)))
SPECIAL = len(NAMES)


def meaning(word: int, layer: int) -> np.ndarray:
    """A word at a layer: a direction of the word, and one of the layer."""
    rng = np.random.default_rng(word)
    depth = np.random.default_rng(100 + layer)
    return np.asarray(rng.normal(size=WIDTH) + 0.7 * depth.normal(size=WIDTH), dtype=np.float32)


def objects(at: int) -> list[str]:
    return [NAMES[at % 2], NAMES[2 + at // 2 % 2]]


def state_rows(told: bool, clusters: int = NUM_SAMPLES) -> list[dict[str, Any]]:
    """Words, a special token, and a patch a sample; of the clean samples the patch is like its object's word at l - 1.

    Under `blank`, and where nothing is told, it is like no word.
    """
    rng, rows = np.random.default_rng(0), []
    for variant in ("clean", "blank"):
        for at in range(NUM_SAMPLES):
            sample = {"sample_id": f"s{at:02d}", "cluster_id": f"c{at % clusters}", "variant": variant}
            for place, token in enumerate((*range(len(NAMES)), SPECIAL, -1)):
                group = "image" if token < 0 else "special" if token == SPECIAL else "text"
                said = {**sample, "group": group, "position": place, "token_id": token, "is_last": token == SPECIAL}
                for layer in range(NUM_STATES):
                    noise = rng.normal(size=WIDTH)
                    own = NAMES.index(objects(at)[0])
                    state = meaning(own, max(layer - 1, 1)) + 0.3 * noise if told and variant == "clean" else noise
                    state = state if token < 0 else meaning(token, layer) + 0.3 * noise
                    rows.append({**said, "layer": layer, "norm": float(np.linalg.norm(state)), "state": state.tolist()})
    return rows


def matched(folder: Path, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """What the stage writes."""
    paths = {name: folder / f"m/{name}.parquet" for name in ("states", "vocabulary", "dataset", "contextual")}
    write_table(paths["states"], STATES, rows, {})
    tokens = [{"token_id": at, "token": f" {name}", "is_word": True} for at, name in enumerate(NAMES)]
    write_table(paths["vocabulary"], VOCABULARY, [*tokens, {"token_id": SPECIAL, "token": "<s>", "is_word": False}], {})
    texts = {"split": "test", "prompt": "?", "media": [], "answers": ["a"], "choices": [], "answer_index": -1}
    samples = [
        {"sample_id": f"s{at:02d}", "cluster_id": f"c{at}", **texts, "meta": json.dumps({"objects": objects(at)})}
        for at in range(NUM_SAMPLES)
    ]
    write_table(paths["dataset"], DATASET, samples, {})
    given = [f"io.{name}={path}" for name, path in paths.items()]
    match_contexts.run(restrict(compose(given), "match_contexts", ("io",)), {})
    return list(read_table(paths["contextual"], CONTEXTUAL).to_pylist())


def row_of(rows: list[dict[str, Any]], **keys: Any) -> dict[str, Any]:
    (found,) = (row for row in rows if all(row[name] == value for name, value in keys.items()))
    return found


def test_a_planted_likeness_is_found(tmp_path: Path) -> None:
    """A patch is like its object's word a layer earlier; words like themselves; black patches like nothing."""
    rows = matched(tmp_path, state_rows(told=True))
    for layer, near in ((2, 1.0), (3, 2.0), (5, 4.0), (6, 5.0)):
        row = row_of(rows, variant="clean", group="image", tokens="media", layer=layer)
        assert row["nearest_layer"] == pytest.approx(near, abs=0.2)
        assert row["named"] == 1.0
        assert row["gap_low"] > 0
        assert row["num_named"] == NUM_SAMPLES
    for layer in (1, 2, 4, 5):
        row = row_of(rows, variant="clean", group="text", tokens="words", layer=layer)
        assert row["nearest_layer"] == pytest.approx(layer, abs=0.1)
    blank = row_of(rows, variant="blank", group="image", tokens="media", layer=5)
    assert blank["cosine"] < row_of(rows, variant="clean", group="image", tokens="media", layer=5)["cosine"] - 0.2
    assert blank["gap_low"] <= 0 <= blank["gap_high"]
    clean = row_of(rows, variant="clean", group="image", tokens="media", layer=5)
    assert blank["difference"] == pytest.approx(clean["nearest_layer"] - blank["nearest_layer"])
    assert clean["difference"] is None
    assert {row["tokens"] for row in rows if row["group"] == "special"} == {"words"}


def test_patches_that_show_nothing_name_nothing(tmp_path: Path) -> None:
    """At no layer does the interval of the gap lie above 0; of 14 rows of chance one may."""
    rows = [row for row in matched(tmp_path, state_rows(told=False)) if row["tokens"] == "media"]
    assert len(rows) == 2 * NUM_STATES
    assert sum(row["gap_low"] > 0 for row in rows) <= 1


def test_words_of_one_cluster_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="fewer than two clusters"):
        matched(tmp_path, state_rows(told=True, clusters=1))


def test_variants_of_other_samples_are_refused(tmp_path: Path) -> None:
    rows = [row for row in state_rows(told=True) if (row["variant"], row["sample_id"]) != ("blank", "s03")]
    with pytest.raises(UserError, match="other samples than `clean`"):
        matched(tmp_path, rows)
