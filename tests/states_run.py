"""Tables of states of known truth: tokens of several groups, at chosen distances at every layer."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from lode.engine.tables import provenance, read_table, write_table
from lode.stages import align_states, compare_states
from lode.study import compose, restrict
from lode.table.alignment import ALIGNMENT
from lode.table.convergence import CONVERGENCE
from lode.table.dataset import DATASET
from lode.table.phenomena import PHENOMENA
from lode.table.states import STATES

Row = dict[str, Any]
MADE_BY = provenance('{"seed": 1}', "abc")
NUM_SAMPLES, WIDTH = 24, 8
#: By group how far from the others its tokens are at every layer.
APART = {"text": (0.0, 0.0, 0.0, 0.0), "special": (0.0, 0.0, 0.0, 0.0), "image": (5.0, 5.0, 1.0, 0.5)}
#: And where the medium is not there, or the weights are others.
STAYS = {**APART, "image": (5.0, 5.0, 5.0, 5.0)}


def token_rows(
    variant: str, apart: Mapping[str, Sequence[float]], counts: Mapping[str, int], seed: int = 0
) -> list[Row]:
    """Rows of `states`: of every sample and group so many tokens, and its last token, layer after layer.

    What is particular of a token stays over layers; tokens of one sample share an offset. Positions begin at 1.
    """
    rows: list[Row] = []
    for group, distances in apart.items():
        for sample in range(NUM_SAMPLES):
            rng = np.random.default_rng([seed, sample, *map(ord, group)])
            offset = np.random.default_rng([seed, sample]).normal(size=WIDTH)
            for _ in range(counts[group]):
                own = rng.normal(size=WIDTH) + 0.5 * offset + 2
                said = {"sample_id": f"s{sample:02}", "cluster_id": f"c{sample}", "group": group, "is_last": False}
                said |= {"position": int(rng.integers(1, 30)), "token_id": -1 if group == "image" else
                         int(rng.integers(50))}  # fmt: skip
                for layer, distance in enumerate(distances):
                    state = own + 0.3 * rng.normal(size=WIDTH) + distance * np.eye(WIDTH)[0]
                    rows.append({**said, "variant": variant, "layer": layer, **of_state(state)})
    last = [{**row, "group": "last", "is_last": True} for row in rows if row["group"] == "special"]
    seen: set[tuple[str, int]] = set()
    firsts = [row for row in last if not ((key := (row["sample_id"], row["layer"])) in seen or seen.add(key))]
    return [*rows, *firsts]


def of_state(state: np.ndarray) -> Row:
    """A state with its length."""
    return {"state": state.astype(np.float32).tolist(), "norm": float(np.linalg.norm(state))}


def states_rows(counts: Mapping[str, int] | None = None, seed: int = 0) -> list[Row]:
    """Clean samples in which images approach, and two nulls in which they do not."""
    told = counts or {"text": 3, "special": 2, "image": 3}
    parts = (("clean", APART), ("blank", STAYS), ("permuted_weights", STAYS))
    return [row for variant, apart in parts for row in token_rows(variant, apart, told, seed)]


def compared(folder: Path, rows: Sequence[Row], *overrides: str) -> tuple[list[Row], list[Row], Path]:
    """Rows of `convergence` and of `phenomena`, and where the tables lie."""
    names = ("states", "convergence", "phenomena")
    paths = {name: folder / f"{name}/tiny_qwen2_vl/toy_textvqa.parquet" for name in names}
    write_table(paths["states"], STATES, rows, {})
    given = [*(f"io.{name}={path}" for name, path in paths.items()), *overrides]
    compare_states.run(restrict(compose(given), "compare_states", ("io",)), MADE_BY)
    tables = [read_table(paths[table.name], table).to_pylist() for table in (CONVERGENCE, PHENOMENA)]
    return tables[0], tables[1], paths["convergence"].parent


def form_rows(form: str, shared: np.ndarray, variants: Mapping[str, float], seed: int) -> list[Row]:
    """Rows of `states` of a form in which a state is what is shared, as much of it as a variant shows, and noise.

    The input of the first layer is the same for all samples.
    """
    rng, rows = np.random.default_rng(seed), []
    for variant, strength in variants.items():
        for group in ("text", form, "last"):
            for sample, content in enumerate(shared):
                said = {"sample_id": f"s{sample:02}", "cluster_id": f"w{sample // 2}", "group": group}
                said |= {"variant": variant, "position": 3, "token_id": 5, "is_last": group == "last"}
                for layer in range(3):
                    state = strength * layer * content + rng.normal(size=len(content)) if layer else np.ones(WIDTH)
                    rows.append({**said, "layer": layer, **of_state(state)})
    return rows


def samples_of(form: str, templates: int, count: int) -> list[Row]:
    """Rows of a dataset of which only ids, prompts and items are read; of one form all prompts differ."""
    return [
        {"sample_id": f"s{at:02}", "cluster_id": f"w{at // 2}", "split": "test", "media": [], "answers": ["a"],
         "choices": [], "answer_index": -1, "meta": json.dumps({"form": form, "item": f"item {at}"}),
         "prompt": f"question {at % templates}" + (f" of word {at}" if form == "text" else "")}
        for at in range(count)
    ]  # fmt: skip


def aligned(
    folder: Path,
    forms: Mapping[str, Sequence[Row]],
    *overrides: str,
    templates: int = 4,
    count: int = NUM_SAMPLES,
    samples: Mapping[str, Sequence[Row]] | None = None,
) -> list[Row]:
    """Rows of `alignment` of some forms, written as tables; samples of a form in place of those of `samples_of`."""
    states, datasets = [], []
    for name, rows in forms.items():
        states.append(folder / f"states/tiny_qwen2_vl/{name}.parquet")
        datasets.append(folder / f"prepare_dataset/{name}.parquet")
        write_table(states[-1], STATES, rows, {})
        made = samples_of(name.rsplit("_", 1)[-1], templates, count)
        write_table(datasets[-1], DATASET, (samples or {}).get(name, made), {})
    place = folder / "alignment/tiny_qwen2_vl.parquet"
    lists = [f"io.{name}=[{','.join(map(str, of))}]" for name, of in (("states", states), ("dataset", datasets))]
    given = [*lists, f"io.alignment={place}", *overrides]
    align_states.run(restrict(compose(given), "align_states", ("io",)), MADE_BY)
    table: pa.Table = read_table(place, ALIGNMENT)
    return table.to_pylist()


def two_forms(content: bool = True, seed: int = 0) -> dict[str, list[Row]]:
    """The same words as text and as image, whose blank medium shows none; or forms that share nothing but templates."""
    rng = np.random.default_rng(seed)
    template = 3 * rng.normal(size=(4, WIDTH))[np.arange(NUM_SAMPLES) % 4]
    words = [1.5 * rng.normal(size=(NUM_SAMPLES, WIDTH)) for _ in range(2)]
    shown = {"clean": 1.0, "blank": 0.0, "permuted_weights": 0.0}
    other = words[0 if content else 1]
    return {
        "same_content_text": form_rows(
            "special", template + words[0], {"clean": 1.0, "permuted_weights": 0.0}, 10 * seed + 1
        ),
        "same_content_image": form_rows("image", template + other, shown, 10 * seed + 2),
    }


def write_states(folder: Path) -> dict[str, list[str]]:
    """The tables of states and of what is compared, below a folder, by name."""
    *_, place = compared(folder, states_rows(), "compare_states.num_permutations=19", "compare_states.num_draws=19")
    aligned(folder, two_forms(), "align_states.num_permutations=19")
    paths = {name: folder / f"{name}/{place.name}/toy_textvqa.parquet" for name in
             ("states", "convergence", "phenomena")}  # fmt: skip
    paths |= {"alignment": folder / "alignment/tiny_qwen2_vl.parquet"}
    return {name: [str(path)] for name, path in paths.items()}
