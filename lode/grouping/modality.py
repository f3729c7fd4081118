"""Modality: what a token stands for: words, markup of the model, or a patch, frame or moment of a medium.

`special_text` and `prompt` are unions of others. Text occurs in every prompt, so the benchmarks of `text` and
`special_text` as their own are those without any medium; those of a medium are the ones whose samples all hold it.
`special` occurs everywhere, and with a medium come markers of its own, so it has none; nor has `prompt`.
Source: MINER (arXiv 2410.04819), section 3; docs/methods.md 1.3.

What it does not tell: whether a neuron serves the medium or what stands before and after it in a prompt.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from lode.grouping import PROMPT, Grouping, Look
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
#: Okabe and Ito's palette, so that no pair relies on red against green.
LOOKS = {
    "text": Look("#0072B2", "o"),
    "special": Look("#E69F00", "s"),
    "special_text": Look("#56B4E9", "P"),
    "image": Look("#D55E00", "^"),
    "video": Look("#009E73", "D"),
    "audio": Look("#CC79A7", "v"),
    PROMPT: Look("#8C6D31", "X"),
}
#: Groups that the benchmarks without a medium are for.
_OF_TEXT = ("text", "special_text")


def grouping() -> Grouping:
    """The modalities."""
    return Grouping(TOKEN_KINDS, GROUPS, SPLITS, "text", codes, held, own, LOOKS)


def codes(kinds: Any, samples: Sequence[Mapping[str, Any]]) -> Any:
    """The kind of a token is its part."""
    del samples
    return kinds


def held(dataset: Any) -> tuple[str, ...]:
    """What the `dataset` section says that every sample holds."""
    return tuple(dataset.modalities)


def own(group: str, benchmarks: Mapping[str, Sequence[str]]) -> dict[str, bool] | None:
    """Which benchmarks are a group's own; None where none is.

    Args:
        group: any name; one that is no modality of text or of a medium has none.
        benchmarks: by name the parts that every sample holds.
    """
    if group not in (*_OF_TEXT, *MEDIA):
        return None
    of_text = group in _OF_TEXT
    found = {name: not set(MEDIA) & set(parts) if of_text else group in parts for name, parts in benchmarks.items()}
    return found if any(found.values()) else None
