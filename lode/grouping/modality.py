"""Modality: what a token stands for: words, markup of the model, or a patch, frame or moment of a medium.

`special_text` and `prompt` are unions of others. Which benchmarks are a group's own, and how it looks, says
`config/grouping/modality.yaml`.
Source: MINER (arXiv 2410.04819), section 3; docs/methods.md 1.3.

What it does not tell: whether a neuron serves the medium or what stands before and after it in a prompt.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from lode.grouping import PROMPT, Grouping
from lode.model.tokens import MEDIA, TOKEN_KINDS

GROUPS = {
    "text": ("text",),
    "special": ("special",),
    "special_text": ("text", "special"),
    "image": ("image",),
    "video": ("video",),
    "audio": ("audio",),
    PROMPT: TOKEN_KINDS,
}
SPLITS = {
    "prompt": (PROMPT,),
    "special_text_as_one": ("special_text", *MEDIA),
    "special_text_separate": ("text", "special", *MEDIA),
}


def grouping() -> Grouping:
    """The modalities."""
    return Grouping(TOKEN_KINDS, GROUPS, SPLITS, codes, held)


def codes(kinds: Any, samples: Sequence[Mapping[str, Any]]) -> Any:
    """The kind of a token is its part."""
    del samples
    return kinds


def held(dataset: Any) -> tuple[str, ...]:
    """What the `dataset` section says that every sample holds."""
    return tuple(dataset.modalities)
