"""Real handwritten digits: scikit-learn's 1,797 scans (UCI Optical Recognition of Handwritten Digits).

Each 8 x 8 scan belongs to one split for good. Training draws each scan many times, shifted, turned and
scaled; `mine` and `test` show each scan once, centred and upright.
"""

import random
from collections.abc import Iterator

import numpy as np
from PIL import Image

from lode.dataset import Sample, only_split
from lode.dataset._splits import split_of, word_of
from lode.media import encode_image

HELD_OUT = "clusters"
SIDE = 84
QUESTIONS = ("which digit is this?", "what number is written by hand?")


def render(scan: np.ndarray, rng: random.Random | None) -> Image.Image:
    """Enlarge an 8 x 8 scan (values 0-16) to 84 x 84 pixels; with `rng`, shift, turn and scale it."""
    small = Image.fromarray(np.round(scan * (255 / 16)).astype(np.uint8))
    side = 72 if rng is None else rng.randint(58, 82)
    page = Image.new("L", (SIDE, SIDE), 0)
    slack = SIDE - side
    x, y = (slack // 2, slack // 2) if rng is None else (rng.randint(0, slack), rng.randint(0, slack))
    page.paste(small.resize((side, side), Image.Resampling.BICUBIC), (x, y))
    if rng is not None:
        page = page.rotate(rng.uniform(-14, 14), resample=Image.Resampling.BILINEAR)
    return page.convert("RGB")


def _candidates(split: str, seed: int) -> Iterator[tuple[str, Sample]]:
    from sklearn.datasets import load_digits  # heavy: not while the job graph is built

    scans, labels = load_digits(return_X_y=True)
    mine = [i for i in range(len(labels)) if split_of(f"digit|{i}", seed) == split]
    rng = random.Random(f"digits_vqa|{seed}|{word_of(split)}")
    rng.shuffle(mine)
    repeats = 12 if split == "train" else 1
    for repeat in range(repeats):
        for i in mine:
            image = encode_image(render(scans[i].reshape(8, 8), rng if split == "train" else None))
            name = f"digits_vqa-{i:04d}-{repeat}"
            sample = Sample(name, f"digit-{i:04d}", split, rng.choice(QUESTIONS), (str(labels[i]),) * 10, (image,))
            yield f"digit|{i}", sample


def samples(split: str, num_samples: int, seed: int) -> Iterator[Sample]:
    """Yield samples of the split, at most one a scan (twelve when training); fewer when the scans run out."""
    if split == "train":
        return (sample for _, (_, sample) in zip(range(num_samples), _candidates(split, seed), strict=False))
    return only_split(_candidates(split, seed), split, num_samples, seed)
