"""`lode.cut`: what is hidden has no share, answers change and come back, and names are checked."""

import pytest
import torch
from PIL import Image

import lode
from lode.engine.errors import UserError
from lode.library.opening import Model
from tests.notebook import PROMPT, SOME, ask, restored
from tests.tiny_model import NUM_LAYERS


def shares(model: Model, picture: Image.Image) -> list[list[float]]:
    """By layer the mass of image and of text."""
    rows = lode.flow(model, PROMPT, picture).to_pylist()
    mass = {(row["group"], row["layer"]): row["mass"] for row in rows}
    return [[mass[group, layer] for group in ("image", "text")] for layer in range(NUM_LAYERS)]


def test_what_is_hidden_has_no_share(model: Model, picture: Image.Image) -> None:
    with restored(model):
        with lode.cut(model, "image", layers=[1]):
            during = shares(model, picture)
        clean = shares(model, picture)
        assert during[1][0] == 0 < clean[1][0]
        assert during[1][1] > 0
        assert during[0] == clean[0]
        assert during[2][0] > 0


def test_answers_do_not_see_a_picture_that_is_cut(model: Model, picture: Image.Image) -> None:
    """Nor does it matter which one; within another switch it is cut as well."""
    other = Image.effect_noise(picture.size, 90).convert("RGB")
    with restored(model):
        assert ask(model, picture) != ask(model, other)
        with lode.cut(model, "media"), lode.cut(model, "media", "text"), lode.cut(model, "media", "special"):
            assert ask(model, picture).content == ask(model, other).content
            with lode.switched(model, SOME, "zero"):
                switched = ask(model, picture).content
                assert switched == ask(model, other).content
        with lode.switched(model, SOME, "zero"), lode.cut(model, "media"):
            assert ask(model, picture).content != ask(model, other).content, "text still carries it"


def test_what_is_wrong_is_refused(model: Model, picture: Image.Image) -> None:
    for given, said in (
        (("imge",), "imge"),
        (("image", "lst"), "lst"),
        (("image", "last", [NUM_LAYERS]), f"layers 0 to {NUM_LAYERS - 1}"),
    ):
        with pytest.raises(UserError, match=said), lode.cut(model, *given):  # type: ignore[arg-type]
            pass
    with lode.cut(model, "image"), pytest.raises(UserError, match="called directly"):
        model.adapter.model(input_ids=torch.tensor([[1]]))
    with restored(model):
        assert lode.answer(model, PROMPT, picture).text == ask(model, picture, None).text
