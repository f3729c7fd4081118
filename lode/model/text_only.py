"""What stands for the processor of a model that takes text alone: its tokenizer, called as a processor is."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any


class TextProcessor:
    """A tokenizer in the place of a processor.

    Attributes:
        tokenizer: of transformers.
    """

    def __init__(self, tokenizer: Any) -> None:
        self.tokenizer = tokenizer

    @property
    def chat_template(self) -> str | None:
        """The markup of a chat."""
        return self.tokenizer.chat_template

    def __call__(self, text: Sequence[str], text_kwargs: Mapping[str, Any], return_tensors: str) -> Mapping[str, Any]:
        """Tokens of texts; there is no argument for media."""
        return self.tokenizer(text, return_tensors=return_tensors, **text_kwargs)

    def apply_chat_template(self, turns: Any, chat_template: str | None, **options: Any) -> str:
        """A prompt with the markup of a chat."""
        return self.tokenizer.apply_chat_template(turns, chat_template=chat_template, **options)

    def batch_decode(self, ids: Any, **options: Any) -> list[str]:
        """The texts of tokens."""
        return self.tokenizer.batch_decode(ids, **options)

    def save_pretrained(self, folder: str | Path) -> None:
        """Write the tokenizer and the markup."""
        self.tokenizer.save_pretrained(folder)
