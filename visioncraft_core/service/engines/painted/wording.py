"""A prompt's text as words, and a word's forms. Knows no meaning but that of a "no"."""

from __future__ import annotations

import re
from collections.abc import Iterator

from .words import ARTICLES, NOT, PLAIN

_ARTICLES, _PLAIN_WORDS = frozenset(ARTICLES.split()), frozenset(PLAIN.split())


def words_of(text: str) -> Iterator[str]:
    text = text.lower().replace("northern lights", "aurora").replace("hot air", "")
    return (match[0] for match in re.finditer(r"[^\W\d_]+|\d+|[,.;:()]", text))


def parted(prompt: str) -> tuple[list[str], set[str]]:
    """The words that ask for something, and those behind a "no"."""
    wanted: list[str] = []
    unwanted: set[str] = set()
    refusing = False
    for word in words_of(prompt):
        if word in NOT:
            refusing = True
        elif not refusing:
            wanted.append(word)
        elif word not in _ARTICLES and word not in _PLAIN_WORDS:
            unwanted.update(singular(word))
            refusing = False
    return wanted, unwanted


def singular(word: str) -> Iterator[str]:
    """The word itself, then every form that its ending allows."""
    yield word
    if word.endswith("ies"):
        yield word[:-3] + "y"
    if word.endswith("ves"):
        yield word[:-3] + "f"
    if word.endswith("es"):
        yield word[:-2]
    if word.endswith("s") and not word.endswith("ss"):
        yield word[:-1]
    if word.endswith("men"):
        yield word[:-3] + "man"


def is_number(word: str) -> bool:
    return word.isascii() and word.isdigit() and len(word) < 3
