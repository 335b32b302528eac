"""The key: kept so that it does not print, and found again in any text that might show it."""

from __future__ import annotations

import json
import re
from base64 import b64encode
from collections.abc import Iterator
from functools import cache, cached_property
from html import escape
from typing import Any
from urllib.parse import quote

from ..errors import ConfigError

MASK = "***"
SHORTEST = 8  # characters of a key
SMALL = 2**20  # bytes, in which a thorough search takes no time that anyone would notice


def clean_key(text: str) -> str:
    """The key in a text that was copied with what editors and shells put around it."""
    text = text.strip("\ufeff\u200b \t\r\n")
    is_quoted = len(text) > 1 and text[0] == text[-1] and text[0] in "\"'`"
    return text[1:-1].strip() if is_quoted else text


def shortened(text: str) -> str:
    """What is shown of a text that nobody knows: not all of one that may be a key."""
    return text if len(text) < SHORTEST else f"{text[: min(8, len(text) // 4)]}..."


class Secret:
    """A key that does not print. Only the transport reveals it, into a request body."""

    def __init__(self, value: str) -> None:
        value = clean_key(value)
        if not re.fullmatch(rf"[!-~]{{{SHORTEST},512}}", value):
            raise ConfigError(
                "The configured key is not a VisionCraft key.",
                "A key has 8 to 512 letters, digits and signs, without spaces; copy it again.",
            )
        self._value = value

    def __repr__(self) -> str:
        return f"Secret({MASK})"

    __str__ = __repr__

    def __format__(self, spec: str) -> str:
        return repr(self)

    def __reduce__(self) -> Any:
        raise TypeError("a Secret is not pickled")

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and self._value == other._value

    def __hash__(self) -> int:
        return hash(self._value)

    def reveal(self) -> str:
        return self._value

    def mask(self, text: str) -> str:
        """`text` with every form of the key replaced by stars, in any case and across lines."""
        return self._pattern.sub(MASK, text)

    def mask_bytes(self, content: bytes) -> bytes:
        """`content` with every form of the key replaced; in a large one only those in one piece."""
        if len(content) <= SMALL:
            return self.mask(content.decode("latin-1")).encode("latin-1")
        for form in self._forms:
            for spelled in (form, form.upper(), form.lower(), _with_small_escapes(form)):
                content = content.replace(spelled.encode(), MASK.encode())
        return content

    def overwrite(self, content: bytes) -> bytes:
        """`content` with every form of the key replaced by as many stars, so that nothing moves."""

        def stars(found: re.Match[str]) -> str:
            return "*" * len(found[0])

        return self._pattern.sub(stars, content.decode("latin-1")).encode("latin-1")

    @cached_property
    def _forms(self) -> list[str]:
        """Longest first, so that no part of one is left over from another."""
        key = self._value
        forms = {
            key,
            quote(key),
            quote(key, safe=""),
            "".join(f"%{ord(c):02X}" for c in key),
            json.dumps(key)[1:-1],
            json.dumps(key)[1:-1].replace("/", "\\/"),
            "".join(f"\\u{ord(c):04x}" for c in key),
            "".join(f"\\u{ord(c):04X}" for c in key),
            "".join(f"&#{ord(c)};" for c in key),
            "".join(f"&#x{ord(c):x};" for c in key),
            escape(key),
            json.dumps(json.dumps(key)[1:-1])[1:-1],
            *self._encoded,
        }
        return sorted(forms, key=len, reverse=True)

    @cached_property
    def _encoded(self) -> list[str]:
        key = self._value.encode()
        return sorted({key.hex(), *_in_base64(key)}, key=len, reverse=True)

    @cached_property
    def _pattern(self) -> re.Pattern[str]:
        mixed = _BETWEEN.join(map(_any_spelling, self._value))
        return re.compile("|".join([mixed, *map(_any_case, self._encoded)]))


# What may stand between two letters: line breaks, and a zero in UTF-16.
_BETWEEN = r"(?:[\s\0]|\\[nrt])*"


@cache
def _any_spelling(letter: str) -> str:
    """A pattern of one letter as URLs, JSON and HTML write it, be it escaped once or several
    times."""
    plain, code, then = _any_case(letter), _any_case(f"{ord(letter):02x}"), _BETWEEN
    number = rf"0{{0,5}}{_any_case(str(ord(letter)))}|[xX]{then}0{{0,5}}{code}"
    named = f"|{_any_case(escape(letter)[1:])}" if escape(letter) != letter else ""
    return (
        rf"(?:{plain}"
        rf"|\\{{1,4}}{then}(?:{plain}|(?:{_any_case('u00')}|[xX]){then}{code})"
        rf"|%{then}(?:{_any_case('25')}{then}){{0,3}}{code}"
        rf"|&{then}(?:{_any_case('amp;')}{then}){{0,3}}(?:#{then}(?:{number})(?:{then};)?{named}))"
    )


def _any_case(text: str) -> str:
    return _BETWEEN.join(map(_either_case, text))


@cache
def _either_case(letter: str) -> str:
    # Without IGNORECASE, for which `re` takes several times as long.
    low, high = re.escape(letter.lower()), re.escape(letter.upper())
    return low if low == high else f"[{low}{high}]"


def _with_small_escapes(form: str) -> str:
    return re.sub("%..", lambda escape: escape[0].lower(), form)


def _in_base64(key: bytes) -> Iterator[str]:
    """How `key` looks inside base64, at each of the three places where it can begin."""
    for offset in range(3):
        encoded = b64encode(bytes(offset) + key).decode().rstrip("=")
        # The first and last letters also depend on what stands beside the key.
        inner = encoded[(0, 2, 3)[offset] :]
        inner = inner if (offset + len(key)) % 3 == 0 else inner[:-1]
        yield inner
        yield inner.replace("+", "-").replace("/", "_")


_CREDENTIAL = re.compile(
    r"""((?:token|api[_-]?key|apikey|password|authorization|secret)["']?\s*[:=]\s*["']?"""
    r"""(?:bearer\s+|basic\s+)?)[^\s"',;&}]+""",
    re.IGNORECASE,
)
_ADDRESS = re.compile(r"\b(https?://)(?:[^\s/\"'<>@]*@)?([^\s/\"'<>?#]+)[^\s\"'<>]*", re.IGNORECASE)


def redact(text: str) -> str:
    """A stranger's words without what looks like a login; of an address only its host stays."""
    return _ADDRESS.sub(r"\1\2", _CREDENTIAL.sub(rf"\1{MASK}", text))
