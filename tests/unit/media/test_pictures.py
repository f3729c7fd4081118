"""A decoded image is what a viewer shows: upright, scaled to 8 bits, on white."""

import struct
from io import BytesIO
from typing import Any

import numpy as np
import pytest
from PIL import Image

from lode.engine.errors import UserError
from lode.media import Medium, Sampling, decode, decode_image

#: Greys of a picture of 8 bits, two rows of three.
GREYS = np.array([[0, 10, 100], [128, 200, 255]], dtype=np.uint8)


def file_of(image: Image.Image, form: str = "PNG", **options: Any) -> bytes:
    buffer = BytesIO()
    image.save(buffer, form, **options)
    return buffer.getvalue()


def shown(data: bytes) -> np.ndarray:
    image = decode_image(data, Sampling())
    assert image.mode == "RGB"
    return np.asarray(image)


def grey_of(data: bytes) -> list[list[int]]:
    """The greys shown, where all colours are grey."""
    pixels = shown(data)
    assert (pixels == pixels[..., :1]).all()
    return pixels[..., 0].tolist()


@pytest.mark.parametrize("form", ["PNG", "TIFF"])
def test_16_bits(form: str) -> None:
    """257 * 255 = 65535: the same picture."""
    assert grey_of(file_of(Image.fromarray(GREYS.astype(np.uint16) * 257), form)) == GREYS.tolist()


def test_16_bits_of_the_other_byte_order() -> None:
    image = Image.frombytes("I;16B", (3, 2), (GREYS.astype(">u2") * 257).tobytes())
    assert grey_of(file_of(image, "TIFF")) == GREYS.tolist()


def test_12_bits_stored_as_16() -> None:
    """White is 4095: 2048 / 4095 * 255 = 127.53, 1000 / 4095 * 255 = 62.27."""
    held = np.array([[0, 1000, 2048, 4095]], dtype=np.uint16)
    assert grey_of(file_of(Image.fromarray(held))) == [[0, 62, 128, 255]]


def test_a_dark_16_bit_picture_stays_dark() -> None:
    """Largest 300 needs 10 bits (9 is odd): white is 1023, and 300 / 1023 * 255 = 74.8."""
    assert grey_of(file_of(Image.fromarray(np.array([[0, 300]], dtype=np.uint16)))) == [[0, 75]]
    assert grey_of(file_of(Image.fromarray(np.array([[0, 3]], dtype=np.uint16)))) == [[0, 3]]


def test_32_bit_integers() -> None:
    assert grey_of(file_of(Image.fromarray(GREYS.astype(np.int32)), "TIFF")) == GREYS.tolist()
    assert grey_of(file_of(Image.fromarray(GREYS.astype(np.int32) * 257), "TIFF")) == GREYS.tolist()


def test_floating_point() -> None:
    """Shares of white; where a value is above 1, greys as integers are."""
    assert grey_of(file_of(Image.fromarray((GREYS / 255).astype(np.float32)), "TIFF")) == GREYS.tolist()
    assert grey_of(file_of(Image.fromarray(GREYS.astype(np.float32)), "TIFF")) == GREYS.tolist()
    assert grey_of(file_of(Image.fromarray(np.array([[0, 0.5]], dtype=np.float32)), "TIFF")) == [[0, 128]]
    overshot = np.array([[0, 0.5, 1.004, 1.9]], dtype=np.float32)  # as a sharpening filter leaves a picture of shares
    assert grey_of(file_of(Image.fromarray(overshot), "TIFF")) == [[0, 128, 255, 255]]
    assert grey_of(file_of(Image.fromarray(np.array([[0, 1.5, 2]], dtype=np.float32)), "TIFF")) == [[0, 2, 2]]


@pytest.mark.parametrize(
    ("greys", "says"),
    [
        (np.array([[-1000, 400]], dtype=np.int32), "greys down to -1000, below black; choose a window"),
        (np.array([[-0.5, 0.5]], dtype=np.float32), "greys down to -0.5, below black"),
        (np.array([[np.nan, 0.5]], dtype=np.float32), "greys that are not finite"),
    ],
)
def test_greys_without_a_black(greys: np.ndarray, says: str) -> None:
    data = file_of(Image.fromarray(greys), "TIFF")
    with pytest.raises(UserError, match=rf"sample s: its image .*{says}"):
        decode("s", Medium("image", data, "image/tiff"), Sampling())


#: What EXIF orientation 1 to 8 do to [[1, 2, 3], [4, 5, 6]].
TURNED = {
    1: [[1, 2, 3], [4, 5, 6]],
    2: [[3, 2, 1], [6, 5, 4]],
    3: [[6, 5, 4], [3, 2, 1]],
    4: [[4, 5, 6], [1, 2, 3]],
    5: [[1, 4], [2, 5], [3, 6]],
    6: [[4, 1], [5, 2], [6, 3]],
    7: [[6, 3], [5, 2], [4, 1]],
    8: [[3, 6], [2, 5], [1, 4]],
}


@pytest.mark.parametrize("form", ["PNG", "TIFF", "WEBP"])
@pytest.mark.parametrize("orientation", TURNED)
def test_exif_orientation(orientation: int, form: str) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    image = Image.fromarray(np.array([[1, 2, 3], [4, 5, 6]], dtype=np.uint8) * 40).convert("RGB")
    data = file_of(image, form, exif=exif, **({"lossless": True} if form == "WEBP" else {}))
    assert (shown(data)[..., 0] // 40).tolist() == TURNED[orientation]


def test_a_phone_photo_is_upright() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    photo = Image.new("RGB", (64, 43))
    photo.paste("white", (0, 0, 64, 20))  # the upper half in the file is the right half for the eye
    pixels = shown(file_of(photo, "JPEG", exif=exif))
    assert pixels.shape == (64, 43, 3)
    assert pixels[:, -15:].min() > 200
    assert pixels[:, :15].max() < 50


def text_on_nothing(mode: str) -> Image.Image:
    """Black, seen at one pixel of three and half seen at another; what is not seen is black too."""
    alpha = Image.fromarray(np.array([[0, 255, 128]], dtype=np.uint8))
    image = Image.new("RGBA", (3, 1), "black")
    image.putalpha(alpha)
    return image.convert(mode)


@pytest.mark.parametrize(("mode", "form"), [("RGBA", "PNG"), ("LA", "PNG"), ("RGBA", "TIFF")])
def test_transparent_is_white(mode: str, form: str) -> None:
    """Half of black on white: 255 * (1 - 128 / 255) = 127."""
    assert grey_of(file_of(text_on_nothing(mode), form)) == [[255, 0, 127]]


@pytest.mark.parametrize("form", ["PNG", "GIF"])
def test_a_transparent_colour_of_a_palette_is_white(form: str) -> None:
    image = Image.fromarray(np.array([[0, 1, 2]], dtype=np.uint8)).convert("P")
    image.putpalette([200, 0, 0, 0, 0, 0, 0, 0, 255])
    assert shown(file_of(image, form, transparency=0)).tolist() == [[[255, 255, 255], [0, 0, 0], [0, 0, 255]]]


@pytest.mark.parametrize(
    ("greys", "transparent", "expected"),
    [
        (np.array([[0, 7, 255]], np.uint8), 7, [[0, 255, 255]]),
        (np.array([[0, 7, 65535]], np.uint16), 0, [[255, 0, 255]]),
    ],
)
def test_a_transparent_grey_is_white(greys: np.ndarray, transparent: int, expected: list[list[int]]) -> None:
    assert grey_of(file_of(Image.fromarray(greys), transparency=transparent)) == expected


def test_of_a_gif_the_first_frame() -> None:
    frames = [Image.new("P", (4, 4), colour) for colour in (1, 2)]
    for frame in frames:
        frame.putpalette([0, 0, 0, 10, 20, 30, 200, 0, 0])
    data = file_of(frames[0], "GIF", save_all=True, append_images=frames[1:])
    assert (shown(data) == (10, 20, 30)).all()


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB", "CMYK"])
def test_what_was_right_stays(mode: str) -> None:
    image = Image.fromarray(np.tile(GREYS, (8, 8))).convert("RGB").convert(mode)
    data = file_of(image, "JPEG" if mode == "CMYK" else "PNG")
    assert (shown(data) == np.asarray(Image.open(BytesIO(data)).convert("RGB"))).all()


def test_shapes_that_no_model_takes() -> None:
    """Refused before they are decoded, or a model is known."""
    strip = Medium("image", file_of(Image.new("L", (201, 1))), "image/png")
    with pytest.raises(
        UserError, match=r"sample s: .*201 x 1 pixels; expected no side longer than 200 times the other"
    ):
        decode("s", strip, Sampling())
    assert shown(file_of(Image.new("L", (1, 200)))).shape == (200, 1, 3)
    large = bytearray(file_of(Image.new("P", (1, 1)), "GIF"))
    large[6:10] = struct.pack("<HH", 12_000, 9_000)
    with pytest.raises(UserError, match=r"sample s: its image .*108000000 pixels.* exceeds limit"):
        decode("s", Medium("image", bytes(large), "image/gif"), Sampling())
