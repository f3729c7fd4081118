"""What is at every place: labels by hand and against plain loops, the weighted loss, and a tower that learns it."""

import json
import math
from pathlib import Path

import pytest
import torch
from omegaconf import DictConfig
from torch import nn

from lode.training.loop import Encoded, Log
from lode.training.placing import NOTHING_COUNTS, accuracy, by_position, kinds_of, labels_of, loss_of, teach_places


def test_kinds_begin_with_nothing() -> None:
    assert kinds_of(["b..a", "..c."]) == ".abc"
    assert kinds_of(["...."]) == "."


def test_cells_are_those_within_a_position_by_hand() -> None:
    labels = labels_of(["abcdefghijklmnop"], ".abcdefghijklmnop")
    assert by_position(labels, [2, 2]).tolist() == [[[1, 2, 5, 6], [3, 4, 7, 8], [9, 10, 13, 14], [11, 12, 15, 16]]]
    assert by_position(labels, [4, 4]).tolist() == [[[n] for n in range(1, 17)]]


def test_cells_against_plain_loops() -> None:
    labels = torch.arange(2 * 36).view(2, 36)
    found = by_position(labels, [3, 3])
    for sample in range(2):
        for row in range(6):
            for column in range(6):
                position, part = (row // 2) * 3 + column // 2, (row % 2) * 2 + column % 2
                assert found[sample, position, part] == labels[sample, row * 6 + column]


def test_cells_of_a_sound_are_those_of_its_time() -> None:
    assert by_position(torch.arange(6).view(1, 6), [3]).tolist() == [[[0, 1], [2, 3], [4, 5]]]


@pytest.mark.parametrize(
    ("num_places", "shape", "says"), [(15, [3, 3], "3 x 3"), (36, [4, 4], "4 x 4"), (10, [4], "4 positions")]
)
def test_cells_that_do_not_divide_are_refused(num_places: int, shape: list[int], says: str) -> None:
    with pytest.raises(ValueError, match=f"{num_places} places cannot be divided among {says}"):
        by_position(torch.zeros(1, num_places, dtype=torch.long), shape)


def test_nothing_counts_little_by_hand() -> None:
    logits = torch.zeros(1, 1, 2, 2)
    logits[0, 0, 1] = torch.tensor([math.log(3.0), 0.0])  # 3/4 nothing where there is something
    labels = torch.tensor([[[0, 1]]])
    by_hand = (NOTHING_COUNTS * math.log(2) + math.log(4)) / (NOTHING_COUNTS + 1)
    assert loss_of(logits, labels).item() == pytest.approx(by_hand)


def test_accuracy_is_of_what_is_there() -> None:
    logits = torch.nn.functional.one_hot(torch.tensor([[[1, 0, 2, 1]]]), 3).float()
    assert accuracy(logits, torch.tensor([[[1, 0, 2, 2]]])) == pytest.approx(2 / 3)


def test_a_tower_learns_where_a_bright_place_is(tmp_path: Path) -> None:
    torch.manual_seed(0)
    bright = torch.rand(400, 4) < 0.5
    examples: list[Encoded] = [
        {
            "input_ids": torch.zeros(1, 1, dtype=torch.long),
            "pixel_values": one.float().view(1, 4),
            "places": one.long().view(1, 4, 1),
        }
        for one in bright
    ]
    tower = nn.Sequential(nn.Linear(1, 8), nn.ReLU())
    recipe = DictConfig(
        {
            "steps": 60,
            "batch_size": 20,
            "log_every": 30,
            "learning_rate": 0.02,
            "final_learning_rate": 0.01,
            "warmup_steps": 5,
            "weight_decay": 0.0,
            "datasets": {"x": {"share": 1.0}},
        }
    )
    log = Log(tmp_path / "log.jsonl")
    teach_places(
        tower,
        lambda batch: tower(batch["pixel_values"][..., None]),
        {"x": examples[:300]},
        examples[300:],
        recipe,
        0,
        log,
    )
    lines = [json.loads(line) for line in log.path.read_text().splitlines()]
    assert [line["step"] for line in lines] == [30, 60]
    assert lines[-1]["accuracy"] == 1.0
