"""Whether a key shows in bytes, however it is spelt."""

from __future__ import annotations

import base64
import json
import re
from urllib.parse import quote


def spellings(key: str) -> dict[str, str]:
    """How `key` may stand in a text; of base64 only the letters that it alone decides."""
    raw = key.encode()
    found = {
        "plain": key,
        "upper case": key.upper(),
        "lower case": key.lower(),
        "url": quote(key, safe=""),
        "url of a path": quote(key),
        "url in lower case": re.sub("%..", lambda m: m[0].lower(), quote(key, safe="")),
        "percent": "".join(f"%{byte:02x}" for byte in raw),
        "json": json.dumps(key)[1:-1],
        "json with slashes": json.dumps(key)[1:-1].replace("/", "\\/"),
        "unicode": "".join(f"\\u{ord(c):04X}" for c in key),
        "hex": raw.hex(),
        "upper hex": raw.hex().upper(),
    }
    for at in range(3):
        for name, encode in (
            ("base64", base64.b64encode),
            ("urlsafe base64", base64.urlsafe_b64encode),
        ):
            end = (at + len(raw)) % 3 and -(at + len(raw)) % 3 + 1
            whole = encode(b"\xff" * at + raw + b"\xff" * (-(at + len(raw)) % 3)).decode()
            found[f"{name} {at}"] = whole[(0, 2, 3)[at] : len(whole) - end]
    return found


def leaks(content: bytes, key: str) -> list[str]:
    """The spellings of `key` that stand in `content`, in any case, across lines and in UTF-16."""
    squeezed = re.sub(rb"\s|\0|\\[nrt]", b"", content).lower()
    squeezed += re.sub(rb"\s|\0", b"", content).lower()
    return [name for name, s in spellings(key).items() if s.lower().encode() in squeezed]
