"""The checks of single values in visioncraft.toml: each gives the value, or raises ValueError with
what to write instead.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from ipaddress import ip_address
from typing import Any

from ..urls import has_host

Check = Callable[[Any], Any]


def shown(value: Any) -> str:
    """As TOML writes it."""
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= 60 else text[:57] + "..."


def wanted(check: Check) -> str:
    try:
        check(None)
    except ValueError as error:
        return f"Write {error}."
    return "Write it."


def any_value(value: Any) -> Any:
    return value


def text(value: Any) -> str:
    if not isinstance(value, str) or not value.strip():
        raise ValueError('text in quotes, such as "name"')
    return value


def name(value: Any) -> str:
    """It stands in logs."""
    if not text(value).isprintable():
        raise ValueError("text without control characters")
    return value


def words(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError('text in quotes, such as "blurry"')
    return value


def one_of(*choices: str) -> Check:
    def check(value: Any) -> str:
        if value not in choices:
            raise ValueError(f"one of {', '.join(choices)}")
        return value

    return check


def whole(low: int, high: int) -> Check:
    def check(value: Any) -> int:
        if type(value) is not int or not low <= value <= high:
            raise ValueError(f"a whole number from {low} to {high}")
        return value

    return check


def number(low: float, high: float) -> Check:
    def check(value: Any) -> float:
        if type(value) not in (int, float) or not low <= value <= high:
            raise ValueError(f"a number from {low:g} to {high:g}")
        return float(value)

    return check


def size(value: Any) -> tuple[int, int]:
    sides = [value, value] if type(value) is int else value
    right = isinstance(sides, list) and len(sides) == 2
    if not right or not all(type(s) is int and 64 <= s <= 4096 and s % 8 == 0 for s in sides):
        raise ValueError("pixels, such as 512 or [1024, 576]: multiples of 8, from 64 to 4096")
    return sides[0], sides[1]


def url(value: Any) -> str:
    if not isinstance(value, str) or not has_host(value) or set("?#") & set(value):
        raise ValueError('an address, such as "http://127.0.0.1:8188"')
    return value


def public_url(value: Any) -> str:
    """Everybody gets to see it, so it holds no password."""
    if "@" in url(value):
        raise ValueError('an address without a user, such as "https://pictures.example.org"')
    return value


def device(value: Any) -> str:
    if not isinstance(value, str) or not re.fullmatch(r"auto|cpu|mps|cuda(:\d{1,2})?", value):
        raise ValueError('"auto", "cpu", "mps", "cuda" or one such as "cuda:1"')
    return value


def names(value: Any) -> Sequence[str]:
    names = [value] if isinstance(value, str) else value
    if not isinstance(names, list) or not names or not all(isinstance(n, str) for n in names):
        raise ValueError("the name of an engine, or a list of names")
    return tuple(names)


def addresses(value: Any) -> Sequence[str]:
    try:
        if not isinstance(value, list):
            raise ValueError
        return tuple(str(ip_address(each)) for each in value)
    except ValueError:
        raise ValueError('a list of IP addresses, such as ["127.0.0.1"]') from None
