"""What JSON of a stranger would cost in memory, reckoned from its bytes before it is read."""

from __future__ import annotations

import re

# Bytes that Python takes at most for what one character of JSON begins, values included.
OBJECT, ARRAY, MEMBER = 600, 100, 100
_FOUR_BYTES = re.compile(rb"[\xf0-\xf4]")
_TWO_BYTES = re.compile(rb"[\xc4-\xef]")
_ESCAPED_PAIR = re.compile(rb"\\ud[89ab]", re.IGNORECASE)


def json_cost(content: bytes) -> int:
    """About how many bytes the text of `content` and what it says take at most, as objects.

    A single emoji makes Python hold each character of a text in four bytes, and 16 MiB of small
    brackets are 400 MB. Takes some milliseconds a MiB.
    """
    text = _width(content)
    values = max(text, _escaped_width(content))
    parts = (
        OBJECT * content.count(b"{")
        + ARRAY * content.count(b"[")
        + MEMBER * (content.count(b",") + content.count(b":"))
    )
    return parts + len(content) * (text + values)


def _width(content: bytes) -> int:
    """How many bytes Python holds a character of this text in."""
    if content[:4].count(0):  # UTF-16 or UTF-32, with half as many characters as bytes
        return 2
    if content.isascii():
        return 1
    return 4 if _FOUR_BYTES.search(content) else 2 if _TWO_BYTES.search(content) else 1


def _escaped_width(content: bytes) -> int:
    if b"\\u" not in content:
        return 1
    return 4 if _ESCAPED_PAIR.search(content) else 2
