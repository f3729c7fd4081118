"""Whatever the bytes and numbers: a bad input is refused with a `UserError`, never with another exception."""

import math
import warnings
from collections.abc import Callable
from functools import partial
from io import BytesIO
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from omegaconf import DictConfig, OmegaConf
from PIL import Image

from lode.checks.experiment import validate_names
from lode.checks.model_folder import check_weights
from lode.checks.steps import validate
from lode.dataset.local_table import samples
from lode.engine.errors import UserError
from lode.media import Medium
from lode.selection.miner import MIXES, STRATEGIES, check_options
from lode.shapes import METRICS
from lode.stages.prepare_dataset import check_medium, check_samples, row
from lode.study import compose
from lode.table.dataset import DATASET
from tests.broken import COLUMNS, safetensors, sample_table

CONFIG = compose()
UNIT = {"allow_nan": False, "min_value": 0, "max_value": 1}


def refusal(call: Callable[[], object]) -> str:
    """The message with which a call is refused, empty where it passes; any other exception is a failure."""
    try:
        call()
    except UserError as error:
        return str(error)
    return ""


def changed(**values: object) -> DictConfig:
    """The composed config with other values; keys have two underscores for a dot."""
    return OmegaConf.merge(CONFIG, OmegaConf.from_dotlist([f"{k.replace('__', '.')}={v}" for k, v in values.items()]))


@given(st.floats())
@settings(max_examples=60, deadline=None)
def test_ratio(ratio: float) -> None:
    config = changed()
    config.selection.ratio = ratio
    if 0 < ratio <= 1:
        validate(config, "select_neurons")
    else:
        with pytest.raises(UserError, match=r"expected a share of all neurons in \(0, 1\]"):
            validate(config, "select_neurons")


@given(st.lists(st.floats(**UNIT), min_size=5, max_size=5).filter(lambda w: sum(w) > 1e-3))
@settings(max_examples=60, deadline=None)
def test_weights_that_sum_to_one_pass(weights: list[float]) -> None:
    exact = [weight / sum(weights) for weight in weights]
    check_options(mix=exact)
    check_options(mix=dict(zip(METRICS, exact, strict=True)))


@given(st.lists(st.floats(), max_size=7))
@settings(max_examples=150, deadline=None)
def test_other_weights_are_refused(weights: list[float]) -> None:
    total = sum(weights)
    if len(weights) == 5 and math.isfinite(total) and min(weights) >= 0 and abs(total - 1) <= 1e-6:
        check_options(mix=weights)
    else:
        with pytest.raises(UserError, match="mix"):
            check_options(mix=weights)


@given(st.text(max_size=12))
@settings(max_examples=60, deadline=None)
def test_names(name: str) -> None:
    assert name in STRATEGIES or repr(name) in refusal(lambda: check_options(strategy=name))
    assert name in MIXES or repr(name) in refusal(lambda: check_options(mix=name))


@pytest.mark.parametrize("name", ["a b", "a/b", "a%", "", "ü"])
def test_names_that_are_no_folder(name: str) -> None:
    config = changed()
    config.selections = {name: ["selection=miner"]}
    with pytest.raises(UserError, match="may hold letters, digits"):
        validate_names(config)


def encoded(kind: str) -> bytes:
    buffer = BytesIO()
    noise = np.random.default_rng(0).integers(0, 255, (20, 20, 3), dtype=np.uint8)
    Image.fromarray(noise).save(buffer, kind)
    return buffer.getvalue()


ENCODED = {kind: encoded(kind) for kind in ("PNG", "JPEG", "GIF", "WEBP", "BMP", "TIFF")}


@pytest.mark.parametrize("kind", ENCODED)
@pytest.mark.parametrize("seed", range(3))
def test_damaged_images(kind: str, seed: int) -> None:
    """Damage of 150 kinds: refused with the sample's id, or decoded after all; the pristine file passes."""
    check_medium("a", Medium("image", ENCODED[kind], f"image/{kind.lower()}"))
    rng = np.random.default_rng(seed)
    num_refused = 0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow warns of some damage before it fails
        for _ in range(150):
            content = bytearray(ENCODED[kind])
            reach = len(content) if rng.random() < 0.5 else 60
            for place in rng.integers(0, reach, rng.integers(1, 5)):
                content[place] = rng.integers(256)
            if rng.random() < 0.3:
                del content[int(rng.integers(len(content))) :]
            message = refusal(partial(check_medium, "a1", Medium("image", bytes(content), "image/x")))
            num_refused += bool(message)
            assert not message or "sample a1" in message
    assert num_refused > 20


def check_table(path: Path) -> None:
    """Read a table as `prepare` does; what passes can be written."""
    drawn = [sample for split in ("mine", "test") for sample in samples(split, 5, 0, path=str(path))]
    check_samples(drawn, ["text", "image"])
    pa.Table.from_pylist([row(sample) for sample in drawn], DATASET.schema).validate(full=True)


@pytest.mark.parametrize("seed", range(3))
def test_damaged_tables(tmp_path: Path, seed: int) -> None:
    """A table with flipped or cut bytes: refused, or read as records that pass or fail the checks of `prepare`."""
    path = tmp_path / "table.parquet"
    pq.write_table(sample_table(), path)
    good = path.read_bytes()
    rng = np.random.default_rng(seed)
    num_refused = 0
    for _ in range(60):
        content = bytearray(good)
        for place in rng.integers(0, len(content), rng.integers(1, 6)):
            content[place] = rng.integers(256)
        if rng.random() < 0.2:
            del content[int(rng.integers(len(content))) :]
        path.write_bytes(content)
        num_refused += bool(refusal(partial(check_table, path)))
    assert num_refused > 10


VALUES = [1, 2.5, None, "x", b"\xff", [], ["x"], [None], [[1]], {"a": 1}, [{"kind": "image"}], True]


@pytest.mark.parametrize("column", DATASET.schema.names)
@pytest.mark.parametrize("value", VALUES, ids=repr)
def test_columns_of_any_type(tmp_path: Path, column: str, value: object) -> None:
    path = tmp_path / "table.parquet"
    pq.write_table(pa.table({**sample_table().to_pydict(), column: [value] * 4}), path)
    message = refusal(lambda: check_table(path))
    assert not message or str(path) in message or "sample" in message


@given(st.binary(max_size=40), st.integers(0, 80))
@settings(max_examples=80, deadline=None)
def test_damaged_weights(tmp_path_factory: pytest.TempPathFactory, noise: bytes, place: int) -> None:
    """Only the length that the header promises passes."""
    path = tmp_path_factory.getbasetemp() / "model.safetensors"
    good = safetensors()
    path.write_bytes(good)
    check_weights(path)
    for content in (noise, good + noise + b"x", good[: min(place, len(good) - 1)]):
        path.write_bytes(content)
        with pytest.raises(UserError, match=r"model\.safetensors: .*expected complete weights"):
            check_weights(path)


def test_good_columns_are_good() -> None:
    """What the damaged cases start from is sound."""
    assert set(COLUMNS) == set(DATASET.schema.names)
