"""The words of `common_word`, how the built-in voice speaks them, and what is asked: see `workflow/word_list.py`."""

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from types import MappingProxyType

from lode.dataset._data_file import data_text
from lode.media.voice import spoken

#: What is asked of a word; none of their words is in the file.
QUESTIONS = ("which word is it?", "what is the word?", "name the word.", "repeat the word.")
SPELLINGS = ("spell it.", "spell the word.", "which letters are in it?", "name its letters.")

FILE = Path(__file__).with_name("common_words.txt")
#: The SHA-256 of the file: code is known by its content, so samples of another list are made anew.
DIGEST = "182117082fb754531d2ca98cd3bd9ded52eff3fc30b7ffcab3232ac485c342e1"


@cache
def pronunciations() -> Mapping[str, str]:
    """Every word in small letters, from A to Z, and its phonemes, which `lode.media.voice` knows.

    Raises:
        UserError: the file is not the one that this version was made with.
    """
    text = data_text(FILE, DIGEST)
    lines = [line.partition(" ") for line in text.splitlines() if not line.startswith("#")]
    return MappingProxyType({word: spoken(arpabet) for word, _, arpabet in lines})
