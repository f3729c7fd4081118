"""How near the words of the objects that a sample shows are at its media tokens, by the logit lens.

A dataset that knows them says so in `objects` of the `meta` of a sample. The null is the same of words of objects that
another sample shows and this one does not.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from lode.dataset._objects import objects_of
from lode.model.adapter import Adapter
from lode.model.tokens import MEDIA, TOKEN_KINDS
from lode.recording import Prompts
from lode.recording._shift import LAST
from lode.recording._traced import Place

#: Whose words: of the sample itself, and of another.
SIDES = ("own", "other")


class Asked(NamedTuple):
    """Words that are looked for.

    Attributes:
        side: whose they are: its place in `SIDES`.
        places: of the tokens among all that are looked at.
        tokens: the first of each word.
    """

    side: int
    places: list[int]
    tokens: list[int]


def word_tokens(adapter: Adapter, words: Sequence[str]) -> list[int]:
    """The first token of each word, as it stands in a text: after a space."""
    tokenizer = adapter.processor.tokenizer
    return [tokenizer(f" {word}", add_special_tokens=False)["input_ids"][0] for word in words]


def asked_words(
    adapter: Adapter, prompts: Prompts, places: Sequence[Place], others: Mapping[str, Sequence[str]]
) -> list[Asked]:
    """Which words are looked for at which tokens: those of a sample's objects, and of another's, at its media tokens.

    Args:
        adapter: the model.
        prompts: the batch.
        places: tokens that are looked at.
        others: by `sample_id`, as `other_objects` gives.
    """
    found = []
    media, kinds = [TOKEN_KINDS.index(kind) for kind in MEDIA], prompts.batch.token_kind.cpu().numpy()
    for row, sample in enumerate(prompts.samples):
        own = objects_of(sample)
        chosen = [n for n, p in enumerate(places) if p.row == row and p.group != LAST and kinds[row, p.at] in media]
        for side, words in enumerate((own, others.get(sample["sample_id"], ()) if own else ())):
            if chosen and words:
                found.append(Asked(side, chosen, word_tokens(adapter, words)))
    return found
