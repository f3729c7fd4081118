"""`lode.lens` and `lode.flow`: the last layer is the answer, switches act, and nothing is left behind."""

import numpy as np
import pytest
from PIL import Image

import lode
from lode.engine.errors import UserError
from lode.library.opening import Model
from tests.notebook import PROMPT, SOME
from tests.tiny_model import NUM_LAYERS


def test_the_last_layer_is_the_answer(model: Model, picture: Image.Image) -> None:
    seen = lode.lens(model, PROMPT, picture, gold="abc").to_pylist()
    last = [row["gold_logp"] for row in seen if row["group"] == "last"]
    assert len(last) == NUM_LAYERS + 1
    assert last[-1] == pytest.approx(lode.answer(model, PROMPT, picture, gold="abc").content, abs=1e-4)
    assert {row["kl_final"] for row in seen if row["layer"] == NUM_LAYERS} == {0.0}
    assert {row["gold_logp"] for row in lode.lens(model, PROMPT, picture).to_pylist()} == {None}


def test_switches_act_and_leave_nothing(model: Model, picture: Image.Image) -> None:
    """On what comes after them alone: the attention of the first layer is before every neuron."""
    before = lode.lens(model, PROMPT, picture, gold="abc"), lode.flow(model, PROMPT, picture)
    with lode.switched(model, SOME, "zero"):
        during = lode.lens(model, PROMPT, picture, gold="abc"), lode.flow(model, PROMPT, picture)
    after = lode.lens(model, PROMPT, picture, gold="abc"), lode.flow(model, PROMPT, picture)
    for one, other, again in zip(before, during, after, strict=True):
        assert one.equals(again)
        assert not one.equals(other)
    first = [
        np.array([row["share"] for row in table.to_pylist() if row["layer"] == 0]) for _, table in (before, during)
    ]
    np.testing.assert_array_equal(*first)


def test_shares_sum_to_one_and_groups_can_be_others(model: Model, picture: Image.Image) -> None:
    rows = lode.flow(model, PROMPT, picture).to_pylist()
    for layer in range(NUM_LAYERS):
        assert sum(row["share"] for row in rows if row["layer"] == layer) == pytest.approx(1, abs=1e-5)
    with pytest.raises(UserError, match="modalty"):
        lode.flow(model, PROMPT, picture, grouping="modalty")


@pytest.mark.parametrize("count", [0, -1])
def test_fewer_than_one_token_is_refused(model: Model, count: int) -> None:
    with pytest.raises(UserError, match=f"tokens_per_group = {count}: expected a whole number of at least 1"):
        lode.lens(model, PROMPT, tokens_per_group=count)
