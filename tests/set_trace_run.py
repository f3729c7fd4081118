"""Traces under sets as a run writes them: made-up numbers of two sets with controls, one of them with an effect."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from lode.engine.tables import write_table
from lode.neurons import SetKey
from lode.stages.compare_traces import run as compare
from lode.study import compose, restrict
from lode.table.neurons import NEURONS
from lode.table.set_flow_samples import SET_FLOW_SAMPLES
from lode.table.set_lens_samples import SET_LENS_SAMPLES

NUM_CONTROLS, NUM_STATES, NUM_SAMPLES = 20, 7, 12
GROUPS = ("text", "image", "last")
CLEAN = SetKey("none", "clean")


def set_keys(names: Sequence[str] = ("text", "image")) -> list[SetKey]:
    """Sets and their controls."""
    found = []
    for name in names:
        draws = range(NUM_CONTROLS)
        found.append(SetKey(name, "method"))
        found += [SetKey(f"{name}_{draw:02d}", "control", name, "magnitude_matched", draw) for draw in draws]
    return found


def spread_of(key: SetKey, rng: np.random.Generator) -> float:
    """What a set adds to everything after the first layer."""
    return 0.0 if key == CLEAN else float(rng.normal(0, 0.05))


def rows_of(keys: Sequence[SetKey] | None, depth: int, value: Any, seed: int) -> list[dict[str, Any]]:
    """A row a set, sample, group and layer."""
    rng, rows = np.random.default_rng(seed), []
    of_samples = rng.normal(0, 0.3, NUM_SAMPLES)
    for key in (CLEAN, *(set_keys() if keys is None else keys)):
        adds = spread_of(key, rng)
        for at in range(NUM_SAMPLES):
            for group in GROUPS:
                for layer in range(depth):
                    said = {"sample_id": f"s{at}", "cluster_id": f"c{at}", "group": group, "layer": layer}
                    changed = float(of_samples[at] + adds * (layer > 0) + 0.01 * rng.normal() * (key != CLEAN))
                    own = {"num_neurons": 0 if key == CLEAN else 10, "num_tokens": 3}
                    rows.append({**key._asdict(), **own, **said, **value(key, group, layer, changed)})
    return rows


def lens_rows(keys: Sequence[SetKey] | None = None) -> list[dict[str, Any]]:
    """The set `image` takes 2 nats of the answer from state 2 on."""

    def value(key: SetKey, group: str, layer: int, changed: float) -> dict[str, Any]:
        lost = 2.0 * (key.set_name == "image" and layer > 1)
        gold = -6 + 0.9 * layer + changed - lost if group == "last" else None
        return {"entropy": 4 - 0.3 * layer + changed, "gold_logp": gold}

    return rows_of(keys, NUM_STATES, value, 0)


def flow_rows(keys: Sequence[SetKey] | None = None) -> list[dict[str, Any]]:
    """And half of what the last token takes from the image at layer 1."""

    def value(key: SetKey, group: str, layer: int, changed: float) -> dict[str, Any]:
        lost = 0.4 * (key.set_name == "image" and layer == 1 and group == "image")
        return {"mass": 0.33 + 0.2 * changed - lost, "share": 0.33 + 0.2 * changed - lost}

    return rows_of(keys, NUM_STATES - 1, value, 1)


def write_set_traces(folder: Path) -> dict[str, list[str]]:
    """The tables of two benchmarks below a folder, by name."""
    found: dict[str, list[str]] = {"trace_tests": []}
    neurons = folder / "select_neurons/tiny_qwen2_vl/sets_of_traces.parquet"
    further: dict[str, Any] = {"site": "lm_gate", "group": "image", "layer": 1, "score": 1.0, "rank": 0, "neuron": 1}
    write_table(neurons, NEURONS, [{**key._asdict(), **further} for key in set_keys()], {})
    for dataset in ("toy_textvqa", "toy_caption"):
        place = f"tiny_qwen2_vl/miner/zero/{dataset}.parquet"
        paths = {
            "set_lens_samples": folder / "trace_sets/set_lens_samples" / place,
            "set_flow_samples": folder / "trace_sets/set_flow_samples" / place,
            "trace_tests": folder / "compare_traces" / place,
        }
        write_table(paths["set_lens_samples"], SET_LENS_SAMPLES, lens_rows(), {})
        write_table(paths["set_flow_samples"], SET_FLOW_SAMPLES, flow_rows(), {})
        given = [f"io.{name}={path}" for name, path in {**paths, "neurons": neurons}.items()]
        compare(restrict(compose(given), "compare_traces", ("io",)), {})
        found["trace_tests"].append(str(paths["trace_tests"]))
    return found
