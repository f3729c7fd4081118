"""Images in and out, by Pillow: a decoded image is what a viewer shows.

- It stands as its EXIF orientation says.
- Greys of more than 8 bits: integers are scaled so that white is 2^b - 1, where b is the smallest even number of bits,
  at least 8, that holds the image's largest value (so 12 bits stored as 16 are seen); floating-point greys
  with no value above 1 are shares of white, and so are fractions below 2, where what a filter pushed above 1 is white;
  others are taken as integers are. Greys below 0 are refused: where black is would be a guess.
- What is transparent is white, as on a page.
- Of an animation (GIF), the first frame.
"""

import warnings
from io import BytesIO

import numpy as np
from jaxtyping import Float, UInt8
from PIL import ExifTags, Image

from lode.media.medium import Medium, Sampling

#: No side is longer than this many times the other; vision models refuse more (Qwen2-VL does by name).
MAX_ASPECT = 200

#: How to turn an image upright, by its EXIF orientation; 1: it is.
TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def encode_image(image: Image.Image) -> Medium:
    """Encode an image losslessly."""
    buffer = BytesIO()
    image.save(buffer, format="PNG")
    return Medium("image", buffer.getvalue(), "image/png")


def upright(image: Image.Image) -> Image.Image:
    """An image as its orientation says; unlike Pillow's `exif_transpose`, it needs no other tag to be whole."""
    turn = TURNS.get(image.getexif().get(ExifTags.Base.Orientation, 1))
    return image.copy() if turn is None else image.transpose(turn)


def on_white(image: Image.Image) -> Image.Image:
    """An image with transparency, on white."""
    shown = image.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", shown.size, "white"), shown).convert("RGB")


def white_of(greys: Float[np.ndarray, "height width"], whole: bool) -> float:
    """The grey that is shown as white.

    Args:
        greys: of the whole image.
        whole: whether the file holds integers.

    Raises:
        ValueError: greys that are negative or not finite.
    """
    if not np.isfinite(greys).all():
        raise ValueError("an image with greys that are not finite")
    if greys.min() < 0:
        raise ValueError(f"an image with greys down to {greys.min():g}, below black; choose a window and save 8 bits")
    largest = greys.max()
    if not whole and (largest <= 1 or (largest < 2 and not np.array_equal(greys, np.rint(greys)))):
        return 1.0
    num_bits = 8
    while 2.0**num_bits - 1 < largest:
        num_bits += 2
    return 2.0**num_bits - 1


def eight_bits(image: Image.Image) -> Image.Image:
    """A grey image of more than 8 bits, as RGB; its transparent grey, if it has one, is white."""
    greys = np.asarray(image).astype(np.float64)
    shown = np.rint(np.minimum(greys * (255 / white_of(greys, image.mode != "F")), 255)).astype(np.uint8)
    if "transparency" in image.info:
        shown[greys == image.info["transparency"]] = 255
    return Image.fromarray(shown).convert("RGB")


def decode_image(data: bytes, sampling: Sampling) -> Image.Image:
    """Every pixel of an image, as RGB."""
    del sampling
    with warnings.catch_warnings():
        warnings.simplefilter("error", Image.DecompressionBombWarning)  # too many pixels
        with Image.open(BytesIO(data)) as opened:
            opened.load()
            image = upright(opened)
    if max(image.size) > MAX_ASPECT * min(image.size):
        raise ValueError(
            f"{image.width} x {image.height} pixels; expected no side longer than {MAX_ASPECT} times the other"
        )
    if image.mode == "F" or image.mode.startswith("I"):
        return eight_bits(image)
    if image.has_transparency_data:
        return on_white(image)
    return image.convert("RGB")


def blank_image(data: bytes) -> Medium:
    """A black image of the same size."""
    return encode_image(Image.new("RGB", decode_image(data, Sampling()).size))


def opaque(pixels: UInt8[np.ndarray, "height width 4"]) -> UInt8[np.ndarray, "height width 3"]:
    """Pixels with transparency, on white."""
    return np.asarray(on_white(Image.fromarray(pixels)))
