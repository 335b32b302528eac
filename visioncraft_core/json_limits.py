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
        OBJECT * _count(content, b"{")
        + ARRAY * _count(content, b"[")
        + MEMBER * (_count(content, b",") + _count(content, b":"))
    )
    return parts + len(content) * (text + values)


def _count(content: bytes, sign: bytes) -> int:
    """As `content.count`, and many times as fast where the sign is rare, as beside pictures."""
    found, position = 0, content.find(sign)
    while position >= 0 and found < 1000:
        found, position = found + 1, content.find(sign, position + 1)
    return found + content.count(sign, position) if position >= 0 else found


def _width(content: bytes) -> int:
    """How many bytes Python holds a character of this text in."""
    if content[:4].count(0):  # UTF-16 or UTF-32, with half as many characters as bytes
        return 2
    if content.isascii():
        return 1
    return 4 if _FOUR_BYTES.search(content) else 2 if _TWO_BYTES.search(content) else 1


def _escaped_width(content: bytes) -> int:
    if b"\\" not in content or b"\\u" not in content:  # the first is found many times as fast
        return 1
    return 4 if _ESCAPED_PAIR.search(content) else 2
