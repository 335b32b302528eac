"""The key: kept so that it does not print, and found again in any text that might show it."""

from __future__ import annotations

import json
import re
from base64 import b64encode
from typing import Any
from urllib.parse import quote

from .errors import ConfigError


class Secret:
    """A key that does not print. Only the transport reveals it, into a request body."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        value = value.strip()
        if not re.fullmatch(r"[!-~]{8,512}", value):
            raise ConfigError(
                "The configured key is not a VisionCraft key.",
                "A key has 8 to 512 letters, digits and signs, without spaces; copy it again.",
            )
        self._value = value

    def __repr__(self) -> str:
        return "Secret(***)"

    __str__ = __repr__

    def __reduce__(self) -> Any:
        raise TypeError("a Secret is not pickled")

    def reveal(self) -> str:
        return self._value

    def hide(self, text: str) -> str:
        """`text` with every form of the key replaced by stars."""
        key = self._value
        forms = {key, quote(key, safe=""), json.dumps(key)[1:-1], b64encode(key.encode()).decode()}
        for form in sorted(forms, key=len, reverse=True):
            text = text.replace(form, "***")
        return text
