"""Whatever a dataset holds: one clear message, or the result that a plain sample beside it gets too."""

import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import soundfile
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from PIL import Image

from lode.dataset import Sample
from lode.engine.errors import UserError
from lode.engine.step import printable
from lode.engine.tables import read_table, write_table
from lode.importance.miner import sample_importance
from lode.media import Medium, encode_image, picture
from lode.model.adapter import Adapter
from lode.model.answering import prepare_batch
from lode.model.switching import untouched
from lode.neurons import LM_GATE
from lode.stages.benchmark_ablation import CLEAN, predictions
from lode.stages.prepare_dataset import check_medium, check_sample, row
from lode.table.dataset import DATASET
from tests.recorded import MODALITY, capture
from tests.tiny_model import record

#: Texts that mean something elsewhere: pages, templates, shells, paths, terminals, and other scripts.
HOSTILE = (
    "<script>alert('x')</script><img src=x onerror=alert(1)>",
    "{{ messages }} {% raw %} ${HOME} `id` $(id) %s {0}",
    "../../etc/passwd", "C:\\con\\nul", "a\x00b\x1b[31m\r\n\t", "'; DROP TABLE samples; --",
    "é e\u0301 😀 👩‍👩‍👧 مرحبا \u202eabc ﷽ \ufeff \u2028", "<|im_end|>", "<|image_pad|>", "a", "0",
)  # fmt: skip
TEXTS = st.one_of(st.sampled_from(HOSTILE), st.text(st.characters(exclude_categories=["Cs"]), max_size=80))
SIDES = st.sampled_from([1, 2, 13, 28, 84, 300, 500])
MODES = st.sampled_from(["1", "L", "LA", "P", "RGB", "RGBA", "I;16"])
IMAGES = st.none() | st.builds(lambda width, height, mode: Image.new(mode, (width, height)), SIDES, SIDES, MODES)
LONG = "many words " * 910  # 10,010 characters
PLAIN = record("plain", "what is this?", image=1)


def sample_of(name: str, prompt: str, answer: str, image: Image.Image | None) -> Sample:
    media = () if image is None else (encode_image(image),)
    return Sample(name, f"cluster of {name}", "test", prompt, (answer,), media)


def replies(adapter: Adapter, records: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """What the unmodified model says."""
    with torch.inference_mode():
        return predictions(adapter, prepare_batch(adapter, records, 8), CLEAN, untouched, 8)


def outcome(call: Callable[[], Any]) -> tuple[str, Any]:
    """The message with which a call is refused, or what it returns; any other exception is a failure."""
    try:
        return "", call()
    except UserError as error:
        return str(error), None


@given(TEXTS, TEXTS, TEXTS, IMAGES)
@example("long", LONG, "a", None)
@example("long answer", "a", LONG, None)
@example("one token", "a", "b", None)
@example("a strip", "what?", "b", Image.new("RGB", (400, 1)))
@settings(max_examples=30, deadline=None)
def test_refused_or_right(tiny: Adapter, name: str, prompt: str, answer: str, image: Image.Image | None) -> None:
    """From `prepare` to a reply: a `UserError`, or finite numbers that do not depend on what is beside the sample."""
    sample = sample_of(name, prompt, answer, image)

    def reply() -> dict[str, Any]:
        check_sample(sample, {medium.kind for medium in sample.media})
        pa.Table.from_pylist([row(sample)], DATASET.schema)
        capture(tiny, [row(sample)], 1, "reference")
        return replies(tiny, [row(sample)])[0]

    message, alone = outcome(reply)
    if alone is None:
        assert name in message
        return
    beside = replies(tiny, [PLAIN, row(sample)])[1]
    for column in ("gold_log_likelihood", "gold_token_log_likelihood", "end_log_likelihood"):
        assert np.isfinite(alone[column])
        assert beside.pop(column) == pytest.approx(alone.pop(column), rel=1e-4, abs=1e-4)
    assert beside == alone
    assert (alone["sample_id"], alone["gold"]) == (name, answer)


@pytest.mark.parametrize("shape", [(400, 1), (1, 400)])
def test_an_image_that_the_processor_does_not_take(
    tiny: Adapter, shape: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Known before a model is: `check_medium` refuses it; what only the processor knows is refused there."""
    strip = row(sample_of("strip", "what?", "b", Image.new("RGB", shape)))
    with pytest.raises(UserError, match=r"sample strip: its image .* pixels; expected no side longer than 200 times"):
        check_medium("strip", Medium(**strip["media"][0]))
    monkeypatch.setattr(picture, "MAX_ASPECT", 1000)
    with pytest.raises(UserError, match=r"sample strip: Qwen2VLProcessor does not take it.*aspect ratio"):
        replies(tiny, [strip])


@pytest.mark.parametrize(("prompt", "answer"), [("a" * 600, "b"), ("a", "b" * 600), ("a" * 450, "b")])
def test_longer_than_the_context(tiny: Adapter, prompt: str, answer: str) -> None:
    """The prompt, the prompt with the answer, and the prompt with what may be generated."""
    with pytest.raises(UserError, match=r"sample long: \d+ tokens with its answer, and model tiny_qwen2_vl takes 512"):
        replies(tiny, [row(sample_of("long", prompt, answer, None))])


def test_the_last_length_that_fits(tiny: Adapter) -> None:
    markup = replies(tiny, [record("short", "a")])[0]["num_prompt_tokens"] - 1
    fits = record("fits", "a" * (512 - 8 - markup), answer="b")
    assert replies(tiny, [fits])[0]["num_prompt_tokens"] == 512 - 8
    with pytest.raises(UserError, match="513 tokens"):
        replies(tiny, [fits | {"prompt": fits["prompt"] + "a"}])


@pytest.mark.parametrize("token", ["<|im_start|>", "<|im_end|>", "<|image_pad|>", "<|video_pad|>"])
def test_markup_of_the_model_in_a_text(tiny: Adapter, token: str) -> None:
    """It would end the turn, or stand for an image that is not there."""
    with pytest.raises(UserError, match=r"sample marked: its prompt holds '<\|\w+\|>', which is markup"):
        replies(tiny, [record("marked", f"say {token} now")])
    with pytest.raises(UserError, match=r"sample marked: its gold answer holds '<\|\w+\|>', which is markup"):
        replies(tiny, [record("marked", "say it", answer=f"b{token}")])


@pytest.mark.parametrize("answer", ["", " \n"])
def test_a_gold_answer_without_a_text(answer: str) -> None:
    with pytest.raises(UserError, match=r"sample mute: .*the first with a text"):
        check_sample(sample_of("mute", "a", answer, None), set())


@contextmanager
def one_weight(adapter: Adapter, value: float) -> Iterator[None]:
    """Within the context one weight of the first layer is something else."""
    weight = adapter.gate.reader[0].weight
    kept = weight[0, 0].item()
    try:
        with torch.no_grad():
            weight[0, 0] = value
        yield
    finally:
        with torch.no_grad():
            weight[0, 0] = kept


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_activations_that_are_not_finite(tiny: Adapter, value: float) -> None:
    with one_weight(tiny, value), pytest.raises(UserError, match=r"layer 1: NaN or infinity in \w+.*model\.dtype"):
        capture(tiny, [PLAIN], 1, "reference")
    assert capture(tiny, [PLAIN], 1, "reference").sites[LM_GATE].num_samples.max() == 1


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_importance_of_numbers_that_are_not_finite(value: float) -> None:
    activations, attention = torch.ones(1, 2, 3), torch.full((1, 2, 2), 0.5)
    with pytest.raises(UserError, match="NaN or infinity"):
        sample_importance(activations.index_fill(2, torch.tensor(1), value), attention, ["text", "text"], MODALITY)
    with pytest.raises(UserError, match="NaN or infinity"):
        sample_importance(activations, attention * value, ["text", "text"], MODALITY)


def wav(sound: np.ndarray, kind: str = "WAV", subtype: str = "FLOAT") -> bytes:
    buffer = io.BytesIO()
    soundfile.write(buffer, sound, 16_000, format=kind, subtype=subtype)
    return buffer.getvalue()


SOUND = np.sin(np.arange(4000) / 5).astype(np.float32)
SOUNDS: dict[str, Callable[[], bytes]] = {
    "empty": lambda: wav(np.zeros(0)),
    "nan": lambda: wav(np.where(np.arange(4000) == 7, np.nan, SOUND)),
    "inf": lambda: wav(np.where(np.arange(4000) == 7, np.inf, SOUND)),
    "text": lambda: b"RIFF, but not really",
    "header alone": lambda: wav(SOUND)[:30],
    "nothing": lambda: b"",
}


@pytest.mark.parametrize("kind", SOUNDS)
def test_corrupt_sounds(kind: str) -> None:
    with pytest.raises(UserError, match=r"sample s: its audio \(\d+ bytes, audio/x\) does not decode"):
        check_medium("s", Medium("audio", SOUNDS[kind](), "audio/x"))
    check_medium("s", Medium("audio", wav(SOUND), "audio/x"))


@given(st.integers(0, 2**32 - 1), st.sampled_from([("WAV", "FLOAT"), ("FLAC", "PCM_16"), ("OGG", "VORBIS")]))
@settings(max_examples=40, deadline=None)
def test_damaged_sounds(seed: int, kind: tuple[str, str]) -> None:
    """Refused with the sample's name, or decoded after all to finite numbers."""
    rng, content = np.random.default_rng(seed), bytearray(wav(SOUND, *kind))
    for place in rng.integers(0, min(len(content), 200), rng.integers(1, 5)):
        content[place] = rng.integers(256)
    message, _ = outcome(lambda: check_medium("s1", Medium("audio", bytes(content), "audio/x")))
    assert not message or "sample s1: its audio" in message


def test_messages_do_not_steer_the_terminal() -> None:
    assert printable("sample a\x1b[31m\u202eb\r:\n é 😀") == "sample a\\x1b[31m\\u202eb\\r:\n é 😀"


def test_tables_keep_any_text(tmp_path: Path) -> None:
    """What a dataset holds comes back as it was, and names no file."""
    rows = [row(sample_of(text, text, text, None)) for text in HOSTILE]
    write_table(tmp_path / "dataset.parquet", DATASET, rows, {})
    assert read_table(tmp_path / "dataset.parquet", DATASET)["sample_id"].to_pylist() == list(HOSTILE)
    assert [path.name for path in tmp_path.iterdir()] == ["dataset.parquet"]
