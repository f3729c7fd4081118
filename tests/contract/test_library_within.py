"""`lode.answer`, `lode.lens` and `lode.flow` within `lode.cut` and every intervention: one and the same model."""

from typing import Any

import pyarrow as pa
import pytest
from PIL import Image

import lode
from lode.library.opening import Model
from lode.study import STUDY
from tests.dense_tables import captured_importance
from tests.notebook import PROMPT, SOME, restored
from tests.tiny_model import NUM_LAYERS, NUM_NEURONS

GOLD = "abc"
#: What comes from another sample of a benchmark: of one prompt there is none.
REFUSED = {"resample"}
INTERVENTIONS = sorted({path.stem for path in (STUDY.config_dir / "intervention").glob("*.yaml")} - REFUSED)


def given(intervention: str) -> dict[str, Any]:
    """What the interventions with values of a table take besides."""
    table = captured_importance(num_layers=NUM_LAYERS, num_neurons=NUM_NEURONS)
    means = intervention in ("class_mean", "other_mean", "steering")
    return {"group": "image", **({"importance": table} if means else {})}


def check_all(model: Model, picture: Image.Image) -> float:
    """The lens at the last layer is what the answer says, and shares sum to one; what the gold answer is worth."""
    content = lode.answer(model, PROMPT, picture, gold=GOLD, max_new_tokens=2).content
    assert content is not None
    lens = lode.lens(model, PROMPT, picture, gold=GOLD).to_pylist()
    last = [row["gold_logp"] for row in lens if (row["group"], row["layer"]) == ("last", NUM_LAYERS)]
    assert last == [pytest.approx(content, abs=1e-4)]
    rows = lode.flow(model, PROMPT, picture).to_pylist()
    for layer in range(NUM_LAYERS):
        assert sum(row["share"] for row in rows if row["layer"] == layer) == pytest.approx(1, abs=1e-5)
    return content


@pytest.mark.parametrize("pair", [("image", "last"), ("media", "text"), ("before", "last"), ("text", "text")])
@pytest.mark.parametrize("layers", [None, [1]])
def test_within_a_cut(model: Model, picture: Image.Image, pair: tuple[str, str], layers: list[int] | None) -> None:
    with restored(model), lode.cut(model, *pair, layers=layers):
        check_all(model, picture)


@pytest.mark.parametrize("intervention", INTERVENTIONS)
def test_within_every_intervention(model: Model, picture: Image.Image, intervention: str) -> None:
    """And within a cut besides, which changes the answer once more."""
    options = given(intervention)
    clean = check_all(model, picture)
    with restored(model):
        with lode.switched(model, SOME, intervention, **options):
            switched = check_all(model, picture)
            with lode.cut(model, "image"):
                assert check_all(model, picture) != switched
        with lode.cut(model, "image"), lode.switched(model, SOME, intervention, **options):
            assert check_all(model, picture) != switched
    assert switched != clean


@pytest.mark.parametrize("site", ["vision_tower", "projector"])
@pytest.mark.parametrize("intervention", ["zero", "constant"])
def test_within_a_switch_of_an_encoder(model: Model, picture: Image.Image, site: str, intervention: str) -> None:
    places = pa.table({"site": [site] * 2, "layer": [0, 0], "neuron": [3, 5]})
    with restored(model), lode.switched(model, places, intervention):
        check_all(model, picture)


def test_the_lens_is_proved_once_and_wherever_it_is_first_asked(
    model: Model, picture: Image.Image, monkeypatch: pytest.MonkeyPatch
) -> None:
    proofs: list[Any] = []
    monkeypatch.setattr("lode.library.tracing.prove_lens", proofs.append)
    monkeypatch.setattr(model, "lens_proved", False)
    with lode.cut(model, "image"):
        lode.lens(model, PROMPT, picture)
        lode.lens(model, PROMPT, picture)
        assert not model.tokens_known
    assert proofs == [model.adapter]
