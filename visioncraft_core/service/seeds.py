"""The seeds of generations: the API takes none, so the service chooses them."""

from __future__ import annotations

import json
from collections import Counter
from hashlib import sha256

from ..api.fields import Request


class SeedSeries:
    """Each request has a series of its own, and a fresh start repeats it.

    The same request asked again gives the next seed, so that it gives another result.
    """

    def __init__(self) -> None:
        self._asked: Counter[bytes] = Counter()

    def next(self, request: Request) -> int:
        """0 to 2**64 - 1. Two servers give the same seeds for the same requests."""
        body = json.dumps([request.path, request.to_json()], sort_keys=True)
        digest = sha256(body.encode()).digest()
        self._asked[digest] += 1
        numbered = digest + self._asked[digest].to_bytes(8, "big")
        return int.from_bytes(sha256(numbered).digest()[:8], "big")
