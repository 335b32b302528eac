"""The seeds of generations: the API takes none, so the service chooses them."""

from __future__ import annotations

import json
from collections import OrderedDict
from hashlib import sha256

from ..api.fields import Request

MOST_SERIES = 50_000


class SeedSeries:
    """Each request has a series of its own, and a fresh start repeats it.

    The same request asked again gives the next seed, so that it gives another result; of the
    requests that were not asked for longest, the series begins again.
    """

    def __init__(self) -> None:
        self._asked: OrderedDict[bytes, int] = OrderedDict()

    def next(self, request: Request) -> int:
        """0 to 2**64 - 1. Two servers give the same seeds for the same requests."""
        body = json.dumps([request.path, request.to_json()], sort_keys=True)
        digest = sha256(body.encode()).digest()
        number = self._asked.pop(digest, 0) + 1
        self._asked[digest] = number
        if len(self._asked) > MOST_SERIES:
            self._asked.popitem(last=False)
        numbered = digest + number.to_bytes(8, "big")
        return int.from_bytes(sha256(numbered).digest()[:8], "big")
