"""A small made-up run: tables of every kind that figures and the report read, with plausible numbers."""

import json
from pathlib import Path
from typing import Any

import numpy as np

from lode.engine.tables import provenance, write_table
from lode.importance import METRICS
from lode.statistics.equivalence import is_told
from lode.study import compose
from lode.table import table_of
from lode.table._dense import neuron_columns
from lode.table.comparisons import COMPARISONS
from lode.table.ratings import MEASURES
from lode.table.selectivity import SELECTIVITY
from tests.dense_tables import filled_fields

#: The `grouping` section of modalities.
GROUPING = compose().grouping
_SELECTION = {"plugin": "miner", "group_split": "special_text_separate", "groups": None, "ratio": 0.02,
              "options": {"strategy": "LA_MU"}}  # fmt: skip
#: By outcome the score's name, its unit, and what chance gives.
OUTCOMES = {
    "content": ("content", "nats", -2.0),
    "stopping": ("stopping", "nats", -1.4),
    "score": ("begins_with_answer", "score in [0, 1]", 0.1),
    "beside": ("exact_match", "score in [0, 1]", 0.1),
}
WITHOUT_OWN = ("special", "all")
#: How many controls of a set write replies.
NUM_WRITTEN = 20
HOSTILE = (
    "<script>document.title = 'taken'</script><img src=x onerror=\"document.title='taken'\"> "
    'What is <b>this</b>? "&amp;"'
)


def _write(path: Path, kind: str, columns: Any, step: str, **further: Any) -> str:
    config = {"seed": 1, "step": step, **further.pop("config", {})}
    write_table(path, table_of(kind), columns, {**provenance(json.dumps(config), f"code-{step}"), **further})
    return str(path)


def write_importance(
    path: Path, modalities: tuple[str, ...], num_layers: int = 6, num_neurons: int = 64, seed: int = 0
) -> str:
    """Five metrics that share a common part, `prob` with ties."""
    rng = np.random.default_rng(seed)
    columns = neuron_columns(modalities, num_layers, num_neurons)
    size = len(columns["layer"])
    common = rng.random(size)
    for i, metric in enumerate(METRICS):
        columns[metric] = (1 - 0.15 * i) * common + 0.15 * i * rng.random(size)
    columns["prob"] = np.round(columns["prob"], 1)
    for field in filled_fields("importance"):
        columns.setdefault(field.name, np.ones(size, dtype=field.type.to_pandas_dtype()))
    return _write(path, "importance", columns, "aggregate_importance")


def neuron_rows(sets: dict[str, list[tuple[int, int]]], num_controls: int = 2) -> list[dict[str, Any]]:
    """Rows of a neurons table: the sets by name with (layer, neuron), and controls elsewhere in the same layers."""
    rows = []
    for name, pairs in sets.items():
        for draw in range(-1, num_controls):
            names = {"set_name": name, "kind": "method", "control_of": "", "control_kind": "", "control_draw": -1}
            if draw >= 0:
                names = {
                    "set_name": f"{name}_layer_matched_{draw:02d}",
                    "kind": "control",
                    "control_of": name,
                    "control_kind": "layer_matched",
                    "control_draw": draw,
                }
            for rank, (layer, neuron) in enumerate(pairs):
                place = {
                    "site": "lm_gate",
                    "group": "text" if name == "all" else name,
                    "layer": layer,
                    "neuron": neuron + 1000 * (draw + 1),
                }
                score = {"score": 0.9, "rank": rank} if draw < 0 else {"score": float("nan"), "rank": -1}
                rows.append({**names, **place, **score})
    return rows


def scored_row(
    key: dict[str, Any], name: str, kind: str, of: str, draw: int, size: int, value: float
) -> dict[str, Any]:
    """A row of a scores table; of controls only the first `NUM_WRITTEN` draws have replies."""
    half = 0.07 if key["unit"] != "nats" else 0.2
    row = {**key, "set_name": name, "kind": kind, "control_of": of, "control_draw": draw, "num_neurons": size}
    row |= {"control_kind": "layer_matched" if of else "", "num_samples": 150, "value": value}
    row |= {"interval_low": value - half, "interval_high": value + half}
    row |= {"gold_log_likelihood": -1.25, "end_log_likelihood": -0.35}
    if draw < NUM_WRITTEN:
        row |= {"begins_frac": 0.81, "runs_on_frac": 0.12, "empty_frac": 0.0, "truncated_frac": 0.01}
        row |= {"parse_frac": 1.0, "loop_frac": 0.02, "num_reply_tokens": None if kind == "constant" else 2.5}
    return row


def benchmark_rows(
    dataset: str,
    outcome: str,
    clean: float,
    drops: dict[str, tuple[float, list[float]]],
    sizes: dict[str, int],
    measurable: bool = True,
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Rows of the scores and effects of one benchmark, by one outcome.

    Args:
        dataset: the benchmark.
        outcome: a key of `OUTCOMES`.
        clean: what the unmodified model comes to.
        drops: by set its drop and the drops of its controls.
        sizes: by set how many neurons it has.
        measurable: whether the unmodified model is above chance.
    """
    score_name, unit, chance = OUTCOMES[outcome]
    chance = chance if measurable else clean - 0.01
    key = {"dataset": dataset, "score_name": score_name, "outcome": outcome, "unit": unit}
    scores = [
        scored_row(key, "none", "clean", "", -1, 0, clean),
        scored_row(key, "blank", "blanked", "", -1, 0, chance + 0.2),
        scored_row(key, "constant", "constant", "", -1, 0, chance),
    ]
    effects = []
    for name, (drop, controls) in drops.items():
        scores.append(scored_row(key, name, "method", "", -1, sizes[name], clean - drop))
        if unit != "nats":
            controls = controls[:NUM_WRITTEN]
        scores += [
            scored_row(key, f"{name}_layer_matched_{i:02d}", "control", name, i, sizes[name], clean - c)
            for i, c in enumerate(controls)
        ]
        effects.append(
            {
                **key, "set_name": name, "num_neurons": sizes[name],
                "clean": clean, "chance": chance, "measurable": measurable, "value": clean - drop, "drop": drop,
                "interval_low": drop - 0.0613, "interval_high": drop + 0.0617,
                "equivalent": drop - 0.0613 >= -0.1 and drop + 0.0617 <= 0.1
                if is_told(unit, clean, chance, measurable) else None,
                "share": drop / (clean - chance) if measurable else None,
                "cohen_d": drop / 0.4, "odds_ratio": None, "mcnemar_p": None if unit == "nats" else 0.01,
                "control_kind": "layer_matched", "num_controls": len(controls),
                "control_drop_mean": float(np.mean(controls)), "control_drop_min": min(controls),
                "control_drop_max": max(controls),
                "p_value": (1 + sum(c >= drop for c in controls)) / (1 + len(controls)),
            }
        )  # fmt: skip
    return scores, effects


def compared_rows(effects: list[dict[str, Any]], own: str) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Rows of the comparisons and the selectivity of one run, from the effects of its benchmarks.

    Args:
        effects: of all outcomes that are compared.
        own: the benchmark of their own of all sets but `special` and `all`, which have none. P after Holm is made up.
    """
    comparisons = []
    for row in effects:
        further: dict[str, Any] = {"own": None if row["set_name"] in WITHOUT_OWN else row["dataset"] == own}
        further |= {"p_holm": min(1.0, 3 * row["p_value"]), "num_tests": 16, "mcnemar_p_holm": None}
        comparisons.append({n: {**row, **further}[n] for n in COMPARISONS.schema.names})
    groups = dict.fromkeys((row["outcome"], row["set_name"]) for row in effects)
    of = {key: [row for row in effects if (row["outcome"], row["set_name"]) == key] for key in groups}
    return comparisons, [selectivity_row(rows, own) for rows in of.values()]


def selectivity_row(effects: list[dict[str, Any]], own: str) -> dict[str, Any]:
    """The selectivity of one set by one outcome, with controls spread around 0."""
    first = effects[0]
    told = {row["dataset"]: row["share"] for row in effects if row["measurable"]}
    row = dict.fromkeys(SELECTIVITY.schema.names) | {n: first[n] for n in ("set_name", "num_neurons", "outcome")}
    row |= {"own": [], "others": list(told), "control_kind": "layer_matched", "num_controls": first["num_controls"]}
    row["unmeasurable"] = [other["dataset"] for other in effects if not other["measurable"]]
    if first["set_name"] in WITHOUT_OWN or own not in told or len(told) < 2:
        return row
    others = float(np.mean([share for name, share in told.items() if name != own]))
    value, controls = told[own] - others, 0.06 * np.linspace(-1, 1, first["num_controls"])
    row |= {"own": [own], "others": [name for name in told if name != own]}
    row |= {"share_own": told[own], "share_others": others, "selectivity": value, "standard_error": 0.04}
    row |= {"interval_low": value - 0.08, "interval_high": value + 0.08, "specificity_f": 0.4}
    return row | {"control_values": controls.tolist(), "control_mean": 0.0, "control_max": float(controls.max())}


def verdict_rows(selectivity: list[dict[str, Any]], keys: dict[str, str], num_tests: int = 8) -> list[dict[str, Any]]:
    """The verdicts on the sets of one run: specific are those whose interval lies 0.04 above 0; p-values are made up.

    Args:
        selectivity: rows of the run.
        keys: its model, selection and intervention.
        num_tests: of the whole report.
    """
    found = []
    for row in selectivity:
        judged: dict[str, Any] = {"verdict": "cannot_be_told", "reason": "no benchmark of its own", "p_value": None}
        judged |= {"p_corrected": None, "simultaneous_low": None, "simultaneous_high": None}
        if row["selectivity"] is not None:
            specific = row["interval_low"] > 0.04
            p_corrected, reason = (0.01, "") if specific else (0.6, "its interval over all tests reaches 0")
            judged |= {"verdict": "specific" if specific else "not_specific", "reason": reason, "p_value": 0.0025}
            judged |= {"p_corrected": p_corrected}
            judged |= {"simultaneous_low": row["interval_low"] - 0.04, "simultaneous_high": row["interval_high"] + 0.04}
        ratio = 0.61 if row["set_name"] == "special" else 0.98
        found.append(
            {
                **keys,
                **row,
                "magnitude_ratio": ratio,
                "control_magnitudes": None,
                "shared_frac": 0.12,
                "num_different": 20,
                "num_at_stake": num_tests - 2,
                "num_tests": num_tests,
                **judged,
            }
        )
    return found


def random_drop(rng: np.random.Generator, scale: float, strong: bool, num_controls: int) -> tuple[float, list[float]]:
    """The drop of a set, in multiples of 1/150 of the scale, and those of its controls."""
    drop = float(rng.uniform(0.15, 0.5) if strong else rng.uniform(-0.02, 0.05))
    controls = rng.normal(0.02, 0.02, num_controls)
    return scale * round(drop * 150) / 150, [scale * round(c * 150) / 150 for c in controls]


def write_run(
    folder: Path,
    selections: tuple[str, ...] = ("miner", "miner_adaptive"),
    benchmarks: tuple[str, ...] = ("toy_textvqa", "toy_caption", "toy_mmlu", "digits_vqa"),
    modalities: tuple[str, ...] = ("text", "special", "image"),
    num_controls: int = 20,
    num_layers: int = 6,
    num_neurons: int = 512,
    unmeasurable: tuple[str, ...] = (),
) -> dict[str, list[str]]:
    """Write a whole run under `folder`.

    Sets cost stopping on every other benchmark, and content on few; on those named `unmeasurable` the model knows
    nothing.

    Returns:
        Paths of the tables by kind.
    """
    rng = np.random.default_rng(7)
    paths: dict[str, list[str]] = {kind: [] for kind in ("neurons", "scores", "effects", "comparisons", "selectivity")}
    model = "tiny_qwen2_vl"
    importance = folder / "aggregate_importance" / f"{model}.parquet"
    paths["importance"] = [write_importance(importance, modalities, num_layers, 64)]
    verdicts: list[dict[str, Any]] = []
    for selection in selections:
        shallow = np.exp(-np.arange(num_layers) / (num_layers / 4))
        sets = {}
        for name in modalities:
            layers = rng.choice(num_layers, 60 // len(modalities), p=shallow / shallow.sum())
            sets[name] = sorted({(int(layer), int(rng.integers(40))) for layer in layers})
        sets["all"] = sorted({pair for pairs in sets.values() for pair in pairs})
        sizes = {name: len(pairs) for name, pairs in sets.items()}
        neurons = folder / "select_neurons" / model / f"{selection}.parquet"
        record = {"config": {"selection": _SELECTION}, "num_total": num_layers * num_neurons}
        paths["neurons"].append(_write(neurons, "neurons", neuron_rows(sets, num_controls), "select_neurons", **record))
        compared: list[dict[str, Any]] = []
        of_run = Path(model, selection, "zero")
        for i, dataset in enumerate(benchmarks):
            rows: tuple[list[Any], list[Any]] = ([], [])
            for outcome, (_, unit, chance) in OUTCOMES.items():
                clean = -0.05 - 0.2 * i if unit == "nats" else 0.98 - 0.1 * i
                weak = outcome != "stopping" and rng.random() < 0.7
                drops = {
                    name: random_drop(rng, clean - chance, (name == "all" or i % 2 == 0) and not weak, num_controls)
                    for name in sets
                }
                told = dataset not in unmeasurable
                for total, part in zip(rows, benchmark_rows(dataset, outcome, clean, drops, sizes, told), strict=True):
                    total += part
            compared += [row for row in rows[1] if row["outcome"] != "beside"]
            for kind, of_kind in zip(("scores", "effects"), rows, strict=True):
                path = folder / "score_ablation" / kind / of_run / f"{dataset}.parquet"
                paths[kind].append(_write(path, kind, of_kind, "score_ablation"))
        found = compared_rows(compared, benchmarks[0])
        for kind, of_kind in zip(("comparisons", "selectivity"), found, strict=True):
            path = folder / "measure_selectivity" / kind / f"{of_run}.parquet"
            paths[kind].append(_write(path, kind, of_kind, "measure_selectivity"))
        verdicts += verdict_rows(found[1], {"model": model, "selection": selection, "intervention": "zero"})
    judged = folder / "judge_sets" / "verdicts.parquet"
    return {**paths, "verdicts": [_write(judged, "verdicts", verdicts, "judge_sets")]}


def write_scoreboard(folder: Path) -> str:
    """Three selections at two strengths, in three modalities and over all of them."""
    rng = np.random.default_rng(3)
    rows = [
        {
            "selection": name, "site": "lm_gate", "strength": strength, "group": modality, "measure": measure,
            "num_seeds": 5, "mean": mean, "low": 0.9 * mean, "high": min(1.0, 1.1 * mean),
        }
        for name in ("miner", "lape", "random")
        for strength in (6.0, 0.5)
        for modality in ("text", "special", "image", "all")
        for measure in MEASURES
        for mean in [float(rng.random())]
    ]  # fmt: skip
    return _write(folder / "compare_selectors" / "scoreboard.parquet", "scoreboard", rows, "compare_selectors")


def write_retests(folder: Path) -> list[str]:
    """Two selections again from one to four shards, and from halves; one set is empty in a part."""
    paths = []
    for selection in ("miner", "lape"):
        parts = [("first", 10 * n, 1 - 0.9 ** (n + 3), None) for n in (1, 2, 3, 4)] + [("half", 20, 0.4, 0.6)]
        rows = [
            {
                "set_name": name, "part": part, "num_samples": size, "num_neurons": 5 * place,
                "site": "lm_gate", "jaccard": jaccard if place else float("nan"), "chance_jaccard": 0.01,
                "rank_correlation": 0.7, "reliability": reliability,
            }
            for place, name in enumerate(("text", "special", "image"))
            for part, size, jaccard, reliability in parts
        ]  # fmt: skip
        path = folder / "retest_selections" / "tiny" / f"{selection}.parquet"
        paths.append(_write(path, "retests", rows, "retest_selections"))
    return paths


def write_datasets(folder: Path, names: tuple[str, ...]) -> list[str]:
    """Two samples mined and 40 reported a dataset, two in a cluster, with hostile text."""
    paths = []
    for name in names:
        rows = [
            {
                "sample_id": f"{name}-{i}", "cluster_id": f"c{i // 2}", "split": "mine" if i < 2 else "test",
                "prompt": HOSTILE, "media": [{"kind": "image", "bytes": b"x", "mime": "image/png"}],
                "answers": ["<i>yes</i>"], "choices": [], "answer_index": -1, "meta": "{}",
            }
            for i in range(42)
        ]  # fmt: skip
        config = {"dataset": {"name": name, "plugin": name, "options": {"look": HOSTILE}}}
        data = {"options": {"voice": "formant", "look": HOSTILE}, "held_out": "clusters"}
        place = folder / "prepare_dataset" / f"{name}.parquet"
        paths.append(_write(place, "dataset", rows, "prepare_dataset", config=config, data=data))
    return paths


def write_manifest(folder: Path) -> str:
    """The manifest of one bundled model."""
    path = folder / "download_model" / "tiny_qwen2_vl" / "manifest.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    files = [{"name": "model.safetensors", "size": 1234567, "sha256": "ab" * 32}]
    facts = {"name": "tiny_qwen2_vl", "source": "resources/models/tiny_qwen2_vl", "revision": None}
    path.write_text(json.dumps({**facts, "folder": str(folder / "secret"), "files": files}))
    return str(path)
