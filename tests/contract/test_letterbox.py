"""Rows of a letterbox are not counted at the sites of models that show pictures in tiles; bad facts are refused."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from lode.checks.model import MASK_KINDS, check_model
from lode.engine.errors import UserError
from lode.media import encode_image
from lode.model.adapter import Adapter
from lode.model.encoding import encode
from lode.model.masks import MASKS
from lode.neurons import LM_GATE
from lode.recording import record
from lode.recording.activations import recording
from lode.study import compose
from lode.table._dense import dense, of_site
from tests.contract.test_site_capture import num_newlines, table_of
from tests.families import BUILDERS, load_family, save
from tests.families.llava import GRID
from tests.letterbox import slow_rows
from tests.recorded import MODALITY

#: The families with such a site, and of each whether its tower has a class row.
TILED = {"llava_next_vicuna_7b": True, "llava_onevision_7b": False}
SITES = ("vision_tower", "projector")
#: Heights and widths [pixels], and how many of the 16 patches of tiles are of the letterbox; of the last there are 8.
WIDE, TALL, SQUARE, FLAT = (50, 80), (80, 50), (56, 56), (28, 100)
LOST = {WIDE: 8, TALL: 8, SQUARE: 0, FLAT: 0}


@pytest.fixture(scope="module", params=TILED)
def family(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Adapter:
    name = request.param
    return load_family(name, save(name, tmp_path_factory.mktemp(name)), "model.dtype=float32")


def shown(*sizes: tuple[int, int]) -> dict[str, Any]:
    """A sample with pictures of noise."""
    rng = np.random.default_rng(0)
    pictures = [Image.fromarray(rng.integers(0, 256, (*size, 3), dtype=np.uint8)) for size in sizes]
    media = [vars(encode_image(picture)) for picture in pictures]
    return {"sample_id": "s", "cluster_id": "s", "prompt": "what?", "media": media, "answers": ["it"], "choices": [],
            "answer_index": -1}  # fmt: skip


def counted(table: pa.Table, site: str, column: str = "num_tokens") -> np.ndarray:
    """A column of the rows of pictures (layer, neuron)."""
    groups, (values,) = dense(of_site(table, site), (column,))
    found: np.ndarray = values[groups.index("image")]
    return found


def rows_of(family: Adapter, size: tuple[int, int], site: str) -> list[bool]:
    return slow_rows(size, GRID, 28, 14, class_row=site == "vision_tower" and TILED[family.config.name])


def test_these_are_the_families_with_tiles() -> None:
    of_yaml = {name: [site.mask_kind for site in compose([f"model={name}"]).model.sites.values()] for name in BUILDERS}
    assert {name for name, kinds in of_yaml.items() if "anyres" in kinds} == set(TILED)
    tiny = compose(["model=tiny_llava_next"]).model.sites
    for name in SITES:
        assert (tiny[name].mask, tiny[name].mask_kind) == ("image_sizes", "anyres")
    assert set(MASKS) == set(MASK_KINDS)


@pytest.mark.parametrize("sizes", [(WIDE,), (TALL,), (SQUARE,), (FLAT,), (WIDE, TALL)], ids=str)
def test_rows_that_count_are_the_tokens_but_newlines(family: Adapter, sizes: Sequence[tuple[int, int]]) -> None:
    """Of one picture or two, which LLaVA-OneVision does not cut into tiles then; a row of the class aside."""
    sample = shown(*sizes)
    table = table_of(family, [sample], MODALITY)
    tokens = counted(table, LM_GATE)[0, 0] - num_newlines(family, [sample])
    assert set(counted(table, "projector").flat) == {tokens}
    whole = len(sizes) > 1 and not TILED[family.config.name]
    expected = {
        site: [r for size in sizes for r in rows_of(family, size, site)[: 4 if whole else None]] for site in SITES
    }
    for site, rows in expected.items():
        assert set(counted(table, site).flat) == {sum(rows)}, site
    assert expected["projector"].count(False) == (0 if whole else sum(LOST[size] for size in sizes))


@pytest.mark.parametrize("size", [WIDE, TALL], ids=str)
@pytest.mark.parametrize("site", SITES)
def test_the_mean_is_that_over_real_rows(family: Adapter, site: str, size: tuple[int, int]) -> None:
    """By brute force; over all rows it is another."""
    sample, seen = shown(size), []
    module = family.sites[site].activation[0]
    hook = module.register_forward_hook(lambda _m, _i, output: seen.append(output.flatten(0, -2).double().numpy()))
    with torch.inference_mode():
        family.model(**encode(family, [sample]).inputs, use_cache=False)
    hook.remove()
    real = rows_of(family, size, site)
    table = table_of(family, [sample], MODALITY)
    for column, of in (("mean_sum", np.mean), ("max_sum", np.max)):
        found = counted(table, site, column)[0]
        np.testing.assert_allclose(found, of(seen[0][real], axis=0), rtol=1e-5, atol=1e-6)
        assert not np.allclose(found, of(seen[0], axis=0), rtol=1e-2, atol=1e-2)
    np.testing.assert_array_equal(counted(table, site, "positive_count")[0], (seen[0][real] > 0).sum(0))


@contextmanager
def loud(module: nn.Module, rows: Sequence[bool]) -> Iterator[None]:
    """Within the context some rows of what a module gives are huge."""

    def shout(_module: Any, _inputs: Any, output: Tensor) -> Tensor:
        changed = output.clone()
        changed.view(-1, output.shape[-1])[torch.tensor(rows)] = 1e3
        return changed

    hook = module.register_forward_hook(shout)
    yield
    hook.remove()


def test_nothing_counted_depends_on_the_letterbox(family: Adapter) -> None:
    """With its rows huge in the last layer that matters every column of every site is the same; not with a real one."""
    model, sample = family.model.model, shown(WIDE)
    layer = max(set(range(2)) - set(family.sites["vision_tower"].dead))
    firsts = {
        "vision_tower": model.vision_tower.encoder.layers[layer].mlp.fc1,
        "projector": model.multi_modal_projector.linear_1,
    }
    clean = table_of(family, [sample], MODALITY)
    for site, first in firsts.items():
        real = rows_of(family, WIDE, site)
        with loud(first, [not row for row in real]):
            assert table_of(family, [sample], MODALITY).equals(clean), site
        with loud(first, [place == real.index(True) for place in range(len(real))]):
            assert not of_site(table_of(family, [sample], MODALITY), site).equals(of_site(clean, site)), site


def test_a_quota_is_drawn_from_real_rows(family: Adapter) -> None:
    """Of 12 rows of the projector; the letterbox is neither drawn nor held."""
    for quota, missing in ((5, 0), (20, 8)):
        kept = recording(family, MODALITY, sites=["projector"], quota=quota)
        record(family, [shown(WIDE)], 1, [kept], MODALITY)
        facts: Any = kept.facts()
        drawn = facts["drawn"]["projector"]["image"]
        assert (drawn["num_tokens"], drawn["num_held"]) == (min(quota, 12), 12)
        assert facts["num_missing"] == {"projector": missing}


# --- facts that do not hold -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("facts", "message"),
    [
        (["mask_kind=tiles"], "unknown model.sites.projector.mask_kind 'tiles'; expected one of anyres, entries"),
        (["mask=null"], "model.sites.projector: mask_kind = anyres, mask_first = 0 and no mask; expected the model's"),
        (["mask=null", "mask_kind=entries", "mask_first=1"], "mask_kind = entries, mask_first = 1 and no mask"),
        (["mask_first=2"], "model.sites.projector.mask_first = 2 with mask_kind: anyres"),
    ],
)
def test_bad_facts_are_refused_before_any_job(facts: list[str], message: str) -> None:
    check_model(compose(["model=tiny_llava_next"]))
    with pytest.raises(UserError, match=message):
        check_model(compose(["model=tiny_llava_next", *(f"model.sites.projector.{fact}" for fact in facts)]))


@pytest.mark.parametrize(
    ("facts", "message"),
    [
        (
            ["mask=sizes"],
            r"model.sites.projector.mask = 'sizes': it is no input of the model, which takes input_ids, .*",
        ),
        (["mask=pixel_values"], r"mask = 'pixel_values': of shape \(1, 5, 3, 28, 28\); expected \(picture, 2\)"),
        (["mask_kind=entries"], r"mask = 'image_sizes': 2 entries, and the site has 20 rows; expected as many"),
    ],
)
def test_a_mask_that_does_not_fit_is_refused_on_loading(tmp_path: Path, facts: list[str], message: str) -> None:
    manifest = save("llava_next_vicuna_7b", tmp_path / "m")
    with pytest.raises(UserError, match=message):
        load_family("llava_next_vicuna_7b", manifest, *(f"model.sites.projector.{fact}" for fact in facts))


def test_a_model_without_tiles_has_no_such_mask(tmp_path: Path) -> None:
    manifest = save("llava_1_5_7b", tmp_path / "m")
    with pytest.raises(
        UserError, match=r"mask_kind: anyres: the config of this model has no image_grid_pinpoints; exp"
    ):
        load_family(
            "llava_1_5_7b",
            manifest,
            "model.sites.projector.mask=pixel_values",
            "model.sites.projector.mask_kind=anyres",
        )
