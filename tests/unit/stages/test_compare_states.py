"""Groups of tokens compared over layers, on states of known truth."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lode.engine.errors import UserError
from lode.engine.tables import read_provenance
from lode.stages.compare_states import RAW, UNIT
from tests.states_run import APART, compared, of_state, states_rows, token_rows

Row = dict[str, Any]
FEW = ("compare_states.num_permutations=39", "compare_states.num_draws=99")


def only(rows: Iterable[Row], **said: Any) -> list[Row]:
    """The rows of some values."""
    return [row for row in rows if all(row[name] == value for name, value in said.items())]


def verdicts(rows: Iterable[Row]) -> dict[tuple[str, str, str, str], tuple[str, int | None]]:
    """By variant, space and groups."""
    keys = ("variant", "space", "group_a", "group_b")
    return {tuple(row[key] for key in keys): (row["verdict"], row["verdict_layer"]) for row in rows}  # type: ignore[misc]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[Row], list[Row], Path]:
    return compared(tmp_path_factory.mktemp("states"), states_rows(), *FEW)


def test_groups_that_approach_are_found_and_others_are_not(run: tuple[list[Row], list[Row], Path]) -> None:
    """Images approach from the second layer on, in both spaces; under no null; and words do not approach words."""
    said = verdicts(run[0])
    for space in (RAW, UNIT):
        for group in ("text", "special"):
            assert said["clean", space, group, "image"] == ("converge", 2)
            for variant in ("blank", "permuted_weights"):
                assert said[variant, space, group, "image"][0] not in ("converge", "diverge")
        assert said["clean", space, "text", "special"][0] not in ("converge", "diverge")
        for group in APART:
            assert said["clean", space, group, group][0] not in ("converge", "diverge"), "halves"
    halves = [key for key in said if key[2] == key[3]]
    assert {key[0] for key in halves} == {"clean"}
    assert len(halves) == 2 * len(APART)


def test_values_stand_beside_labels_that_mean_nothing(run: tuple[list[Row], list[Row], Path]) -> None:
    """Groups far from each other are outside the range of permuted labels by every measure, equal ones seldom."""
    at_input = only(run[0], variant="clean", space=RAW, layer=0)
    far = {row["measure"]: row for row in only(at_input, group_a="text", group_b="image")}
    assert far["cosine"]["value"] < far["cosine"]["null_low"]
    assert far["energy"]["value"] > far["energy"]["null_high"]
    assert far["probe"]["value"] > far["probe"]["null_high"]
    assert far["neighbours"]["value"] < far["neighbours"]["null_low"]
    assert far["probe"]["position_probe"] == pytest.approx(0.5, abs=0.1)
    same = only(run[0], variant="clean", space=RAW, group_a="text", group_b="special")
    assert np.mean([row["null_low"] <= row["value"] <= row["null_high"] for row in same]) > 0.7
    assert {row["num_shared"] for row in same} == {24}
    halves = only(at_input, group_a="image", group_b="image")
    assert {row["num_shared"] for row in halves} == {0}
    assert {row["null_low"] for row in halves} == {None}, "halves share no cluster: no label can be permuted"
    assert {row["position_probe"] for row in run[0] if row["measure"] != "probe"} == {None}


def test_states_of_length_one(run: tuple[list[Row], list[Row], Path], tmp_path: Path) -> None:
    """Lengths change raw states alone."""
    rows = states_rows()
    for row in rows:
        if row["group"] == "image":
            row |= of_state(3 * np.array(row["state"]))
    longer = compared(tmp_path, rows, *FEW)[0]
    for space, same in ((UNIT, True), (RAW, False)):
        both = [only(each, variant="clean", space=space, measure="energy", layer=1) for each in (longer, run[0])]
        values = [[row["value"] for row in only(each, group_a="text", group_b="image")] for each in both]
        assert (values[0] == pytest.approx(values[1], abs=1e-5)) == same


def test_sinks_and_first_tokens_are_dropped_and_counted(tmp_path: Path) -> None:
    """What is dropped changes nothing, however long; under every variant the same tokens are compared."""
    rows = [row for row in states_rows() if row["sample_id"] != "s00"]
    before = compared(tmp_path / "1", rows, *FEW)[0]
    further = [row for row in states_rows() if row["sample_id"] == "s00" and row["group"] == "image"]
    for row in further:
        if row["variant"] == "clean":
            row |= of_state(100 * np.array(row["state"]))
    first = [
        {**row, "position": 0} for row in states_rows(seed=1) if row["sample_id"] == "s01" and row["group"] != "last"
    ]
    order = {name: at for at, name in enumerate((*APART, "last"))}
    mixed = sorted([*rows, *further, *first], key=lambda row: order[row["group"]])
    after, _, place = compared(tmp_path / "2", mixed, *FEW)
    assert read_provenance(place / "toy_textvqa.parquet")["dropped"] == {"first": 8, "sinks": 3}
    assert [row["value"] for row in after] == pytest.approx([row["value"] for row in before])


def test_as_many_tokens_of_one_group_as_of_the_other(tmp_path: Path) -> None:
    """Nine tokens of one group beside one of another leave neighbours at 1 where the groups are alike."""
    apart = dict.fromkeys(("text", "image"), (0.0, 0.0))
    rows = token_rows("clean", apart, {"text": 9, "image": 1})
    found = only(compared(tmp_path, rows, *FEW)[0], group_a="text", group_b="image", measure="neighbours", space=RAW)
    assert {row["num_tokens"] for row in found} == {24}
    assert {row["num_clusters"] for row in found} == {24}
    for row in found:
        assert row["value"] == pytest.approx(1, abs=0.12)
        assert row["interval_low"] < 1 < row["interval_high"]


def test_groups_of_few_tokens_are_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = [row for row in states_rows() if row["group"] != "image" or int(row["sample_id"][1:]) < 5]
    found, phenomena, place = compared(tmp_path, rows, *FEW)
    assert {(row["group_a"], row["group_b"]) for row in found} == {
        ("text", "text"), ("text", "special"), ("special", "special"),
    }  # fmt: skip
    assert {row["group"] for row in phenomena} == {"text", "special"}
    (left,) = read_provenance(place / "toy_textvqa.parquet")["left_out"]
    assert left.startswith("image: 15 tokens of 5 clusters")
    assert f"not compared: {left}" in capsys.readouterr().out


def test_variants_must_be_of_the_same_tokens(tmp_path: Path) -> None:
    rows = [row for row in states_rows() if row["variant"] != "blank" or row["sample_id"] != "s03"]
    with pytest.raises(UserError, match="variant blank: its tokens are not those of `clean`"):
        compared(tmp_path, rows, *FEW)
    with pytest.raises(UserError, match="expected `clean` among them"):
        compared(tmp_path, [row for row in rows if row["variant"] == "permuted_weights"], *FEW)
    with pytest.raises(UserError, match="variant clean: expected states at every layer"):
        compared(tmp_path, rows[1:], *FEW)


def slow_reach(rows: Iterable[Row], group: str, layer: int) -> float:
    """The mean over tokens of the largest cosine to a word of another cluster and another id."""
    at = only(rows, variant="clean", layer=layer)
    best = []
    for row in only(at, group=group):
        others = [
            other
            for other in only(at, group="text")
            if other["cluster_id"] != row["cluster_id"]
            and (row["token_id"] < 0 or other["token_id"] != row["token_id"])
        ]
        a = np.array(row["state"])
        best.append(max(a @ b / np.linalg.norm(a) / np.linalg.norm(b) for b in (np.array(o["state"]) for o in others)))
    return float(np.mean(best))


def test_phenomena_by_a_slow_version(run: tuple[list[Row], list[Row], Path]) -> None:
    rows = states_rows()
    for group in ("special", "image"):
        for layer in (0, 2):
            reached, words = slow_reach(rows, group, layer), slow_reach(rows, "text", layer)
            cells = {row["phenomenon"]: row for row in only(run[1], variant="clean", group=group, layer=layer)}
            assert cells["probing"]["reach"] == pytest.approx(reached, abs=1e-6)
            assert cells["probing"]["index"] == pytest.approx(reached - slow_reach(rows, group, 0), abs=1e-6)
            assert cells["telomere"]["baseline"] == pytest.approx(words, abs=1e-6)
            assert cells["telomere"]["index"] == pytest.approx(reached - words, abs=1e-6)


def test_images_probe_and_their_nulls_do_not_as_much(run: tuple[list[Row], list[Row], Path]) -> None:
    said = {row["group"]: row["persistence"] for row in only(run[1], variant="clean", phenomenon="probing")}
    assert said["image"] == 2
    assert said["text"] == said["special"] == 0
    last = only(run[1], variant="blank", phenomenon="probing", group="image", layer=3)[0]
    assert last["difference_low"] > 0
    clean = only(run[1], variant="clean", phenomenon="probing", group="image", layer=3)[0]
    assert last["difference"] == pytest.approx(clean["index"] - last["index"])
    assert {row["null_high"] for row in only(run[1], phenomenon="probing")} == {None}
    assert "text" not in {row["group"] for row in only(run[1], phenomenon="telomere")}


def nearer(rows: list[Row], share: float) -> list[Row]:
    """Special tokens moved towards the middle of the words."""
    middle: Mapping[str, np.ndarray] = {
        str(layer): np.mean([row["state"] for row in only(rows, variant="clean", group="text", layer=layer)], axis=0)
        for layer in range(4)
    }
    return [
        {**row, **of_state(share * middle[str(row["layer"])] + (1 - share) * np.array(row["state"]))}
        if row["group"] == "special" and row["layer"]
        else row
        for row in rows
    ]


def test_tokens_that_sit_nearer_to_words_than_words_do(tmp_path: Path) -> None:
    rows = compared(tmp_path, nearer(states_rows(), 0.8), *FEW)[1]
    found = only(rows, variant="clean", phenomenon="telomere", group="special")
    assert [row["p_value"] <= 0.05 for row in found] == [False, True, True, True]
    assert {row["persistence"] for row in found} == {3}
    assert all(row["interval_low"] > 0 for row in found[1:])
    under = only(rows, variant="blank", phenomenon="telomere", group="special")
    assert {(row["p_value"], row["null_high"], row["persistence"]) for row in under} == {(None, None, None)}


def test_a_telomere_of_too_few_ids_cannot_be_told(tmp_path: Path) -> None:
    """Of ten words and one id of markup labels can be dealt in eleven ways."""
    few = [{**row, "token_id": 99 if row["group"] == "special" else row["token_id"] % 10} for row in states_rows()]
    rows = only(compared(tmp_path, nearer(few, 0.8), *FEW)[1], variant="clean", phenomenon="telomere", group="special")
    assert {(row["p_value"], row["null_low"], row["persistence"]) for row in rows} == {(None, None, None)}
    assert rows[-1]["interval_low"] > 0


def test_without_a_bank_there_are_no_phenomena(tmp_path: Path) -> None:
    assert not compared(tmp_path, states_rows(), *FEW, "compare_states.bank=null")[1]


def test_the_most_tokens_of_a_group(tmp_path: Path) -> None:
    rows = compared(tmp_path, states_rows(), *FEW, "compare_states.max_tokens=20")[0]
    assert {row["num_tokens"] for row in rows} == {20}
