"""The stage that judges all sets of a report: tables in, verdicts out, by hand."""

from typing import Any

import pytest
from omegaconf import OmegaConf

from lode.engine.tables import read_table, write_table
from lode.scoring import COMPARED
from lode.stages.judge_sets import run
from lode.table.neurons import NEURONS
from lode.table.selectivity import SELECTIVITY
from lode.table.verdicts import VERDICTS

#: Of 25 controls, of which the first 20 wrote replies.
RATIOS = [*[0.96, 0.98] * 10, *[1.0] * 5]
ALIKE = {
    "magnitude_ratios": {"magnitude_matched": {"image": RATIOS}},
    "site_magnitude_ratios": {"magnitude_matched": {"image": [[1.0] * 25, RATIOS]}},
    "shared_frac": {"magnitude_matched": {"image": 0.2}},
    "num_different": {"magnitude_matched": {"image": 25}},
}
CONTROLS = {outcome: [0.01 * (-1) ** i for i in range(20 if outcome == "score" else 25)] for outcome in COMPARED}


def selectivity(set_name: str, outcome: str, selected: float, control_kind: str) -> dict[str, Any]:
    """A set whose interval is 0.1 to each side."""
    ends = {"interval_low": selected - 0.1, "interval_high": selected + 0.1}
    wide = {"wide_low": selected - 0.2, "wide_high": selected + 0.2}
    shares = {"share_own": selected, "share_own_low": selected - 0.1, "share_others": 0.0, "selectivity": selected}
    return {
        "set_name": set_name, "num_neurons": 9, "outcome": outcome, "own": ["vqa"], "others": ["mmlu"],
        "unmeasurable": [], "control_kind": control_kind, "num_controls": len(CONTROLS[outcome]),
        "control_values": CONTROLS[outcome],
        "effective_clusters": 80.0, **shares, **ends, **wide,
    }  # fmt: skip


@pytest.fixture(scope="module")
def verdicts(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    folder = tmp_path_factory.mktemp("judged")
    neurons = [str(folder / f"neurons/m/{name}.parquet") for name in ("s", "t")]
    counted = {"num_unique": {"image": 9, "text": 9, "video": 0, "all": 18}}
    write_table(neurons[0], NEURONS, [], {**counted, **ALIKE})
    write_table(neurons[1], NEURONS, [], {"num_unique": {"image": 9, "text": 9, "video": 9, "all": 18}})
    tables = []
    for name, image in (("s", 0.5), ("t", 0.0)):
        of_sets = (("image", image, "magnitude_matched"), ("image", 0.9, "uniform"), ("text", 0.0, "magnitude_matched"))
        rows = [selectivity(of, outcome, value, kind) for outcome in COMPARED for of, value, kind in of_sets]
        tables.append(str(folder / f"selectivity/m/{name}/zero.parquet"))
        write_table(tables[-1], SELECTIVITY, rows, {})
    output = str(folder / "verdicts.parquet")
    run(OmegaConf.create({"io": {"neurons": neurons, "selectivity": tables, "verdicts": output}}), {})
    return read_table(output, VERDICTS).to_pylist()


def of(verdicts: list[dict[str, Any]], selection: str, set_name: str, outcome: str = "content") -> dict[str, Any]:
    keys = {"selection": selection, "set_name": set_name, "outcome": outcome}
    (row,) = [row for row in verdicts if keys.items() <= row.items()]
    return row


def test_a_set_is_judged_once_an_outcome_by_its_headline_controls(verdicts: list[dict[str, Any]]) -> None:
    image = of(verdicts, "s", "image")
    assert (image["verdict"], image["control_kind"], image["selectivity"]) == ("specific", "magnitude_matched", 0.5)
    assert image["num_tests"] == 4  # image and text, of two selections
    assert image["num_at_stake"] == 4  # controls of 0.01 in each
    assert image["p_corrected"] == pytest.approx(1 / 26)
    assert (image["magnitude_ratio"], image["shared_frac"]) == (pytest.approx(0.976), 0.2)
    assert image["num_different"] == 25
    assert of(verdicts, "t", "image")["verdict"] == "not_specific"
    assert of(verdicts, "t", "image")["magnitude_ratio"] is of(verdicts, "t", "image")["shared_frac"] is None
    assert len(verdicts) == 5 * len(COMPARED)


def test_of_controls_that_wrote_no_reply_a_score_knows_nothing(verdicts: list[dict[str, Any]]) -> None:
    """The first 20 of 25 wrote replies: their magnitudes count, and no other's."""
    image = of(verdicts, "s", "image", "score")
    assert (image["verdict"], image["num_different"]) == ("specific", 20)
    assert image["magnitude_ratio"] == pytest.approx(0.97)
    assert image["control_magnitudes"] == [0.96, 0.98] * 10


def test_a_set_without_a_neuron_is_named_and_is_no_test(verdicts: list[dict[str, Any]]) -> None:
    for outcome in COMPARED:
        video = of(verdicts, "s", "video", outcome)
        assert (video["verdict"], video["reason"]) == ("cannot_be_told", "the selector chose no neuron for it")
        assert video["p_value"] is video["selectivity"] is None
