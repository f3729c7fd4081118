"""The measure stage on tables small enough to work by hand: own benchmarks, selectivity, ranks, Holm's families."""

import random

import pytest
from omegaconf import OmegaConf

from lode.artifacts import SCHEMAS, read_table, write_table
from lode.errors import UserError
from lode.stages.measure import corrected, own_benchmarks, run

MODALITIES = {"picture": ["text", "special", "image"], "words": ["text", "special"]}
#: Samples right on (picture, words): two clusters of two samples each. Clean has all.
RIGHT = {
    "none": ("1111", "1111"),
    "image": ("0001", "1110"),
    "image-0": ("0101", "1111"),
    "image-1": ("0111", "0111"),
    "text": ("1111", "0101"),
    "text-0": ("1111", "1111"),
    "text-1": ("0011", "1111"),
    "all": ("0000", "0000"),
}


def key_of(name):
    of, _, draw = name.partition("-")
    kind = "clean" if name == "none" else "control" if draw else "method"
    return {
        "set_name": name, "kind": kind, "control_of": of if draw else "", "num_neurons": 5,
        "control_kind": "layer_matched" if draw else "", "control_draw": int(draw) if draw else -1,
    }  # fmt: skip


def sample_rows(place, benchmark):
    return [
        {
            **{"dataset": benchmark, "score_name": score, "sample_id": f"s{i}", "cluster_id": f"c{i // 2}"},
            **{**key_of(name), "value": float(digits[place][i]) if score == "first" else 0.5},
        }
        for score in ("first", "second")
        for name, digits in RIGHT.items()
        for i in range(4)
    ]


def effect_rows(benchmark, p_values, mcnemar=(0.01, 0.04, None)):
    rows = []
    for score in ("first", "second"):
        for name, p, test in zip(("image", "text", "all"), p_values, mcnemar, strict=True):
            row = {field.name: 0.25 for field in SCHEMAS["effects"]}
            row |= {"dataset": benchmark, "score_name": score, "set_name": name, "control_kind": "layer_matched"}
            row |= {"num_neurons": 5, "num_controls": 2, "p_value": p if score == "first" else 1.0, "mcnemar_p": test}
            rows.append(row)
    return rows


@pytest.fixture
def stage(tmp_path):
    """A function that writes the inputs, runs the stage, and returns (comparisons, selectivity) as lists of rows."""

    def execute(samples=None, effects=None, modalities=MODALITIES, confidence_level=0.95, seed=1):
        samples = samples or {name: sample_rows(place, name) for place, name in enumerate(MODALITIES)}
        effects = effects or {
            "picture": effect_rows("picture", (0.01, 0.5, 0.02)),
            "words": effect_rows("words", (0.03, 0.04, 0.9)),
        }
        tables = {"effects": effects, "sample_scores": samples}
        paths = {kind: [str(tmp_path / f"{name}.{kind}.parquet") for name in of] for kind, of in tables.items()}
        for kind, of in tables.items():
            for path, rows in zip(paths[kind], of.values(), strict=True):
                write_table(path, kind, rows, {})
        outputs = {name: str(tmp_path / f"{name}.parquet") for name in ("comparisons", "selectivity")}
        scoring = {"num_resamples": 4000, "confidence_level": confidence_level}
        config = {"seed": seed, "scoring": scoring, "benchmark_modalities": modalities}
        run(OmegaConf.create(config | {"io": {"tables": paths, **outputs}}), {})
        execute.bytes = [(tmp_path / f"{name}.parquet").read_bytes() for name in outputs]
        return [read_table(path, name).to_pylist() for name, path in outputs.items()]

    return execute


def test_own_benchmarks():
    assert own_benchmarks("image", MODALITIES) == {"picture": True, "words": False}
    for name in ("text", "special", "special_text"):
        assert own_benchmarks(name, MODALITIES) == {"picture": False, "words": True}
    for name in ("all", "prompt", "audio"):
        assert own_benchmarks(name, MODALITIES) is None
    only_pictures = {"a": ["text", "image"], "b": ["text", "image"]}
    assert own_benchmarks("image", only_pictures) is None, "there is no other benchmark"
    assert own_benchmarks("text", only_pictures) is None, "there is no benchmark without a medium"
    mixed = {"a": ["text", "image"], "b": ["text", "video"], "c": ["text"]}
    assert own_benchmarks("video", mixed) == {"a": False, "b": True, "c": False}


def test_selectivity_by_hand(stage):
    _, rows = stage()
    found = {row["set_name"]: row for row in rows}
    image, text = found["image"], found["text"]
    assert (image["own"], image["others"]) == (["picture"], ["words"])
    assert (text["own"], text["others"]) == (["words"], ["picture"])
    # Image drops 3/4 on pictures and 1/4 on words; P = 0.75 / 1, R = 0.75 / 1.
    assert (image["drop_own"], image["drop_others"], image["selectivity"]) == pytest.approx((0.75, 0.25, 0.5))
    assert image["specificity_f"] == pytest.approx(0.75)
    # Its controls drop (1/2, 0), as selective as the set, and (1/4, 1/4).
    assert (image["control_mean"], image["control_max"], image["num_controls"]) == pytest.approx((0.25, 0.5, 2))
    assert image["p_value"] == pytest.approx(2 / 3)
    # Text drops 0 and 1/2: P = 1, R = 1/2. Its controls are (0, 0) and (1/2, 0): selectivity 0 and -1/2.
    assert text["selectivity"] == pytest.approx(0.5)
    assert text["specificity_f"] == pytest.approx(2 / 3)
    assert text["p_value"] == pytest.approx(1 / 3)
    # Holm over two masks: 2 * 1/3, and 2/3 after it.
    assert (text["p_holm"], image["p_holm"]) == pytest.approx((2 / 3, 2 / 3))


def test_interval_of_selectivity_by_hand(stage):
    """Image: a draw drops 1/2, 3/4 or 1 on pictures (1/4, 1/2, 1/4), and on words 0, 1/4 or 1/2 independently.

    So selectivity is 0 in 1/16 of the draws, 1/4 in 4/16, 1/2 in 6/16, 3/4 in 4/16 and 1 in 1/16.
    """
    for level, ends in ((0.95, (0, 1)), (0.8, (0.25, 0.75)), (0.3, (0.5, 0.5))):
        image = next(row for row in stage(confidence_level=level)[1] if row["set_name"] == "image")
        assert (image["interval_low"], image["interval_high"]) == pytest.approx(ends)


def test_a_mask_without_a_benchmark_of_its_own_has_no_selectivity(stage):
    _, rows = stage()
    row = next(row for row in rows if row["set_name"] == "all")
    assert row["own"] == []
    assert row["others"] == ["picture", "words"]
    for name in ("selectivity", "interval_low", "specificity_f", "p_value", "p_holm", "drop_own"):
        assert row[name] is None


def test_comparisons_by_hand(stage):
    rows, _ = stage()
    assert [(row["dataset"], row["set_name"]) for row in rows] == [
        (name, mask) for name in MODALITIES for mask in ("image", "text", "all")
    ]
    assert {row["score_name"] for row in rows} == {"first"}
    assert [row["own"] for row in rows] == [True, False, None, False, True, None]
    # p = .01 .5 .02 | .03 .04 .9, six tests: 6 * .01; 5 * .02; 4 * .03; 3 * .04; 2 * .5 capped; 1.
    assert [row["p_holm"] for row in rows] == pytest.approx([0.06, 1, 0.1, 0.12, 0.12, 1])
    assert {row["num_tests"] for row in rows} == {6}
    # McNemar: .01 .04 and none, twice: four tests. 4 * .01, 3 * .01 raised, 2 * .04, .04 raised.
    assert [row["mcnemar_p_holm"] for row in rows] == pytest.approx([0.04, 0.08, None, 0.04, 0.08, None])


def test_each_kind_of_control_is_a_family_of_its_own(stage):
    kinds = {
        name: [row | {"control_kind": kind, "p_value": row["p_value"] / share}
               for row in effect_rows(name, (0.01, 0.5, 0.02))
               for kind, share in (("layer_matched", 1), ("uniform", 2))]
        for name in MODALITIES
    }  # fmt: skip
    rows, _ = stage(effects=kinds)
    plain, _ = stage(effects={name: effect_rows(name, (0.01, 0.5, 0.02)) for name in MODALITIES})
    assert [row for row in rows if row["control_kind"] == "layer_matched"] == plain
    halved = [row["p_holm"] for row in rows if row["control_kind"] == "uniform"]
    assert halved[0] == pytest.approx(plain[0]["p_holm"] / 2)


def test_holm_needs_a_p_value():
    rows = [{"p": 0.02, "of": "a"}, {"p": None, "of": "a"}, {"p": 0.03, "of": "b"}]
    assert corrected(rows, "p", ()) == pytest.approx([0.04, None, 0.04])
    assert corrected(rows, "p", ("of",)) == [0.02, None, 0.03]


def test_the_order_of_samples_does_not_matter_and_the_seed_does(stage):
    stage()
    first = stage.bytes
    samples = {name: sample_rows(place, name) for place, name in enumerate(MODALITIES)}
    for rows in samples.values():
        head, tail = rows[: len(rows) // 2], rows[len(rows) // 2 :]  # the headline score stays first
        random.Random(0).shuffle(head)
        rows[:] = head + tail
    stage(samples)
    assert stage.bytes == first


def test_one_benchmark_alone_can_be_measured(stage):
    rows, selectivity = stage(
        {"words": sample_rows(1, "words")}, {"words": effect_rows("words", (0.1, 0.2, 0.3))}, {"words": ["text"]}
    )
    assert [row["p_holm"] for row in rows] == pytest.approx([0.3, 0.4, 0.4])
    assert all(row["selectivity"] is None for row in selectivity)


def test_tables_that_do_not_fit_are_refused(stage):
    with pytest.raises(UserError, match=r"effects of picture, words; benchmark_modalities names picture, sound"):
        stage(modalities={"picture": ["image"], "sound": ["audio"]})
    samples = {name: sample_rows(place, name) for place, name in enumerate(MODALITIES)}
    fewer = {**samples, "words": [row for row in samples["words"] if row["set_name"] != "text-1"]}
    with pytest.raises(UserError, match="differ in their neuron sets"):
        stage(fewer)
    lacking = {**samples, "words": [row for row in samples["words"] if row["set_name"] != "none"]}
    with pytest.raises(UserError, match=r"words: .*the clean one is missing"):
        stage(lacking)
    uneven = {**samples, "words": samples["words"][1:]}
    with pytest.raises(UserError, match="sets differ in their samples"):
        stage(uneven)
