"""What a notebook shows a model, encoded as a sample of a dataset holds it."""

from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from PIL import Image

from lode.engine.errors import UserError
from lode.media import Medium, encode_audio, encode_image, encode_video

#: A picture, a file, or (sound or frames, rate in Hz).
Shown: TypeAlias = Image.Image | str | Path | tuple[Any, int | float]
#: What a file is, by its suffix.
FILES = {
    "image": (".bmp", ".gif", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp"),
    "audio": (".aac", ".flac", ".m4a", ".mp3", ".oga", ".ogg", ".opus", ".wav"),
    "video": (".avi", ".m4v", ".mkv", ".mov", ".mp4", ".webm"),
}
KINDS = {suffix: kind for kind, suffixes in FILES.items() for suffix in suffixes}
_EXPECTED = "expected a PIL image, the path of a file, (mono samples in [-1, 1], rate), or (list of PIL images, rate)"


def media_of(shown: Shown | list[Shown]) -> list[Medium]:
    """The media of one prompt, in order; a list holds several.

    Raises:
        UserError: what is shown is none of these, or cannot be encoded.
    """
    return [medium_of(one) for one in (shown if isinstance(shown, list) else [shown])]


def medium_of(shown: Shown) -> Medium:
    """One image, sound or video; a file is taken byte for byte."""
    try:
        if isinstance(shown, Image.Image):
            return encode_image(shown)
        if isinstance(shown, str | Path):
            return read_medium(Path(shown).expanduser())
        return of_samples(*shown)
    except OSError as error:
        raise UserError(f"{error}; {_EXPECTED}") from error


def read_medium(path: Path) -> Medium:
    """The file of a medium."""
    kind = KINDS.get(path.suffix.lower())
    if kind is None:
        raise UserError(f"{path}: neither image, sound nor video by its name; expected one of {', '.join(KINDS)}")
    return Medium(kind, path.read_bytes(), f"{kind}/{path.suffix[1:].lower()}")


def of_samples(content: Any, rate: int | float) -> Medium:
    """A sound of one channel, or the frames of a video."""
    if rate <= 0 or rate != int(rate):
        raise UserError(f"rate = {rate}: expected whole samples or frames per second, such as 16000 or 2")
    if isinstance(content, np.ndarray) and content.ndim == 1 and np.issubdtype(content.dtype, np.floating):
        return encode_audio(content, int(rate))
    if isinstance(content, list) and content and all(isinstance(frame, Image.Image) for frame in content):
        return encode_video(content, int(rate))
    raise UserError(f"{type(content).__name__} with a rate: neither a sound nor frames; {_EXPECTED}")
