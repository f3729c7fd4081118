"""The measure stage on tables small enough to work by hand: own benchmarks, selectivity, ranks, Holm's families."""

import random

import pytest
from omegaconf import OmegaConf

from lode.engine.errors import UserError
from lode.engine.tables import read_table, write_table
from lode.stages.measure_selectivity import corrected, own_of, run
from lode.table import table_of
from lode.table.effects import EFFECTS
from tests.tables import GROUPING

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


#: What is compared.
MODALITY = OmegaConf.create(GROUPING)


def key_of(name):
    of, _, draw = name.partition("-")
    kind = "clean" if name == "none" else "control" if draw else "method"
    return {
        "set_name": name, "kind": kind, "control_of": of if draw else "", "num_neurons": 5,
        "control_kind": "layer_matched" if draw else "", "control_draw": int(draw) if draw else -1,
    }  # fmt: skip


#: By outcome what its values are; nothing is lost in stopping.
UNIT = {"content": "nats", "stopping": "nats", "score": "score in [0, 1]", "beside": "score in [0, 1]"}
#: What the unmodified model has above chance, by benchmark: half of what is lost on pictures was chance.
CHANCE = {"picture": 0.5, "words": 0.0}


def sample_rows(place, benchmark):
    return [
        {
            **{"dataset": benchmark, "score_name": outcome, "outcome": outcome, "unit": UNIT[outcome]},
            **{"sample_id": f"s{i}", "cluster_id": f"{benchmark}{i // 2}", **key_of(name)},
            "value": 1.0 if outcome == "stopping" else float(digits[place][i]),
        }
        for outcome in UNIT
        for name, digits in RIGHT.items()
        for i in range(4)
    ]


def effect_rows(benchmark, p_values, mcnemar=(0.01, 0.04, None), measurable=True):
    rows = []
    for outcome in UNIT:
        for name, p, test in zip(("image", "text", "all"), p_values, mcnemar, strict=True):
            row = {field.name: 0.25 for field in EFFECTS.schema}
            row |= {"dataset": benchmark, "score_name": outcome, "outcome": outcome, "unit": UNIT[outcome]}
            row |= {"set_name": name, "control_kind": "layer_matched", "num_neurons": 5, "num_controls": 2}
            row |= {"clean": 1.0, "chance": CHANCE.get(benchmark, 0.0), "measurable": measurable, "equivalent": None}
            rows.append(row | {"p_value": p if outcome == "content" else 1.0, "mcnemar_p": test})
    return rows


@pytest.fixture
def stage(tmp_path):
    """A function that writes the inputs, runs the stage, and returns (comparisons, selectivity) as lists of rows."""

    def execute(samples=None, effects=None, parts=MODALITIES):
        samples = samples or {name: sample_rows(place, name) for place, name in enumerate(MODALITIES)}
        effects = effects or {
            "picture": effect_rows("picture", (0.01, 0.5, 0.02)),
            "words": effect_rows("words", (0.03, 0.04, 0.9)),
        }
        tables = {"effects": effects, "sample_scores": samples}
        paths = {kind: [str(tmp_path / f"{name}.{kind}.parquet") for name in of] for kind, of in tables.items()}
        for kind, of in tables.items():
            for path, rows in zip(paths[kind], of.values(), strict=True):
                write_table(path, table_of(kind), rows, {})
        outputs = {name: str(tmp_path / f"{name}.parquet") for name in ("comparisons", "selectivity")}
        config = {"benchmark_parts": parts, "grouping": GROUPING}
        run(OmegaConf.create(config | {"io": {**paths, **outputs}}), {})
        execute.bytes = [(tmp_path / f"{name}.parquet").read_bytes() for name in outputs]
        return [read_table(path, table_of(name)).to_pylist() for name, path in outputs.items()]

    return execute


def test_own_benchmarks():
    assert own_of(MODALITY, MODALITIES, "image") == {"picture": True, "words": False}
    for name in ("text", "special_text"):
        assert own_of(MODALITY, MODALITIES, name) == {"picture": False, "words": True}
    for name in ("all", "prompt", "audio"):
        assert own_of(MODALITY, MODALITIES, name) is None
    assert own_of(MODALITY, MODALITIES, "special") is None, "special tokens are in every benchmark"
    only_pictures = {"a": ["text", "image"], "b": ["text", "image"]}
    assert own_of(MODALITY, only_pictures, "image") == {"a": True, "b": True}, "there is no other benchmark"
    assert own_of(MODALITY, only_pictures, "text") is None, "there is no benchmark without a medium"
    mixed = {"a": ["text", "image"], "b": ["text", "video"], "c": ["text"]}
    assert own_of(MODALITY, mixed, "video") == {"a": False, "b": True, "c": False}


@pytest.mark.parametrize("outcome", ["content", "score"])
def test_selectivity_by_hand(stage, outcome):
    _, rows = stage()
    found = {row["set_name"]: row for row in rows if row["outcome"] == outcome}
    image, text = found["image"], found["text"]
    assert (image["own"], image["others"]) == (["picture"], ["words"])
    assert (text["own"], text["others"]) == (["words"], ["picture"])
    # Image drops 3/4 on pictures, where there is 1/2 to lose, and 1/4 of 1 on words: shares 3/2 and 1/4.
    assert (image["share_own"], image["share_others"], image["selectivity"]) == pytest.approx((1.5, 0.25, 1.25))
    # F: P = 3/2 / (3/2 + 1/4) = 6/7, R = 3/2.
    assert image["specificity_f"] == pytest.approx(2 * (6 / 7) * 1.5 / (6 / 7 + 1.5))
    # Its controls drop (1/2, 0) and (1/4, 1/4): shares (1, 0) and (1/2, 1/4).
    assert image["control_values"] == pytest.approx([1, 0.25])
    assert (image["control_mean"], image["control_max"], image["num_controls"]) == pytest.approx((0.625, 1, 2))
    # Text drops 0 and 1/2. Its controls drop (0, 0) and (1/2, 0): selectivity 0 and -1.
    assert text["selectivity"] == pytest.approx(0.5)
    assert text["control_values"] == pytest.approx([0, -1])
    assert image["interval_low"] < image["selectivity"] < image["interval_high"]
    assert image["wide_low"] < image["interval_low"]
    assert image["standard_error"] > text["standard_error"] == 0, "text loses one sample of each cluster, surely"
    assert (image["effective_clusters"], image["unmeasurable"]) == (2, [])


def test_what_is_lost_nowhere_is_selective_nowhere(stage):
    for row in stage()[1]:
        if row["outcome"] == "stopping" and row["selectivity"] is not None:
            assert row["selectivity"] == row["share_own"] == row["control_max"] == 0


def test_benchmarks_that_share_clusters_are_paired(stage):
    """FAULTS N10: the same content lost in both forms is no uncertainty of the difference."""
    samples = {name: sample_rows(place, name) for place, name in enumerate(MODALITIES)}
    apart = {row["set_name"]: row for row in stage(samples)[1] if row["outcome"] == "content"}["all"]
    assert apart["selectivity"] is None

    def error(shared):
        lost = {"none": "1111", "image": "1010"}
        for name, rows in samples.items():
            for row in rows:
                i = int(row["sample_id"][1:])
                row["cluster_id"] = f"c{i}" if shared else f"{name}{i}"
                row["value"] = float(lost.get(row["set_name"], "1111")[i])
        effects = {n: effect_rows(n, (1, 1, 1)) for n in MODALITIES}
        for row in (row for rows in effects.values() for row in rows):
            row["chance"] = 0.0
        rows = stage(samples, effects)[1]
        return next(r["standard_error"] for r in rows if (r["set_name"], r["outcome"]) == ("image", "content"))

    assert error(shared=True) == pytest.approx(0, abs=1e-12)
    assert error(shared=False) == pytest.approx((2 * 4 / 3 * 4 * (0.5 / 4) ** 2) ** 0.5)


def test_a_benchmark_at_chance_is_left_out(stage):
    """FAULTS U4: with nothing to lose there is no share; without another benchmark there is no selectivity."""
    effects = {n: effect_rows(n, (0.1, 0.1, 0.1), measurable=n != "picture") for n in MODALITIES}
    _, rows = stage(effects=effects)
    for row in rows:
        assert row["unmeasurable"] == ["picture"]
        assert sorted([*row["own"], *row["others"]]) == ["picture", "words"]
        assert row["selectivity"] is row["control_values"] is None


def test_controls_without_a_score_everywhere_are_left_out(stage):
    """A control that wrote no reply has content in every benchmark, and a headline in those by likelihood alone."""
    samples = {name: sample_rows(place, name) for place, name in enumerate(MODALITIES)}
    samples["picture"] = [r for r in samples["picture"] if (r["set_name"], r["outcome"]) != ("image-1", "score")]
    counts = {r["outcome"]: r["num_controls"] for r in stage(samples)[1] if r["set_name"] == "image"}
    assert counts == {"content": 2, "stopping": 2, "score": 1}


def test_a_set_without_a_benchmark_of_its_own_has_no_selectivity(stage):
    _, rows = stage()
    row = next(row for row in rows if row["set_name"] == "all")
    assert row["own"] == []
    assert row["others"] == ["picture", "words"]
    for name in ("selectivity", "interval_low", "specificity_f", "control_values", "share_own"):
        assert row[name] is None


def test_comparisons_by_hand(stage):
    rows, _ = stage()
    assert [row["outcome"] for row in rows] == ["content"] * 3 + ["stopping"] * 3 + ["score"] * 3 + ["content"] * 3 + [
        "stopping"
    ] * 3 + ["score"] * 3
    rows = [row for row in rows if row["outcome"] == "content"]
    assert [(row["dataset"], row["set_name"]) for row in rows] == [
        (name, set_name) for name in MODALITIES for set_name in ("image", "text", "all")
    ]
    assert [row["own"] for row in rows] == [True, False, None, False, True, None]
    # p = .01 .5 .02 | .03 .04 .9, six tests: 6 * .01; 5 * .02; 4 * .03; 3 * .04; 2 * .5 capped; 1.
    assert [row["p_holm"] for row in rows] == pytest.approx([0.06, 1, 0.1, 0.12, 0.12, 1])
    assert {row["num_tests"] for row in rows} == {6}
    # McNemar: .01 .04 and none, twice: four tests. 4 * .01, 3 * .01 raised, 2 * .04, .04 raised.
    assert [row["mcnemar_p_holm"] for row in rows] == pytest.approx([0.04, 0.08, None, 0.04, 0.08, None])


def test_each_kind_of_control_is_a_family_of_its_own(stage):
    kinds = {
        name: [row | {"control_kind": kind, "p_value": min(1.0, row["p_value"] / share)}
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


def test_the_order_of_samples_does_not_matter(stage):
    stage()
    first = stage.bytes
    samples = {name: sample_rows(place, name) for place, name in enumerate(MODALITIES)}
    for rows in samples.values():
        random.Random(0).shuffle(rows)
    stage(samples)
    assert stage.bytes == first


def test_one_benchmark_alone_can_be_measured(stage):
    rows, selectivity = stage(
        {"words": sample_rows(1, "words")}, {"words": effect_rows("words", (0.1, 0.2, 0.3))}, {"words": ["text"]}
    )
    content = [row["p_holm"] for row in rows if row["outcome"] == "content"]
    assert content == pytest.approx([0.3, 0.4, 0.4])
    assert all(row["selectivity"] is None for row in selectivity)


def test_tables_that_do_not_fit_are_refused(stage):
    with pytest.raises(UserError, match=r"effects of picture, words; benchmark_parts names picture, sound"):
        stage(parts={"picture": ["image"], "sound": ["audio"]})
    samples = {name: sample_rows(place, name) for place, name in enumerate(MODALITIES)}
    fewer = {**samples, "words": [row for row in samples["words"] if row["set_name"] != "text"]}
    with pytest.raises(UserError, match="differ in their neuron sets"):
        stage(fewer)
    lacking = {**samples, "words": [row for row in samples["words"] if row["set_name"] != "none"]}
    with pytest.raises(UserError, match=r"words: .*the clean one is missing"):
        stage(lacking)
    uneven = {**samples, "words": samples["words"][1:]}
    with pytest.raises(UserError, match="sets differ in their samples"):
        stage(uneven)
