"""The seeds of generations: what the client asks for in a header, else chosen by the service."""

from __future__ import annotations

import json
from collections import Counter
from hashlib import sha256

from ..api.fields import Request
from ..api.seeds import LARGEST_SEED, SEED_HEADER

MOST_DIGITS = len(str(LARGEST_SEED))


class InvalidSeed(Exception):
    """The header holds no seed. The message is for the client."""


class SeedSeries:
    """Each request has a series of its own, and a fresh start repeats it.

    The same request asked again gives the next seed, so that it gives another result.
    """

    def __init__(self) -> None:
        self._asked: Counter[bytes] = Counter()

    def of(self, request: Request, header: str | None) -> int:
        """The seed in the header, or the next of the series without one. Raises InvalidSeed."""
        if header is None:
            return self.next(request)
        digits = header.isascii() and header.isdigit() and len(header) <= MOST_DIGITS
        if not digits or int(header) > LARGEST_SEED:
            raise InvalidSeed(f"{SEED_HEADER} must be a whole number from 0 to {LARGEST_SEED}.")
        return int(header)

    def next(self, request: Request) -> int:
        """0 to 2**64 - 1. Two servers give the same seeds for the same requests."""
        body = json.dumps([request.path, request.to_json()], sort_keys=True)
        digest = sha256(body.encode()).digest()
        self._asked[digest] += 1
        numbered = digest + self._asked[digest].to_bytes(8, "big")
        return int.from_bytes(sha256(numbered).digest()[:8], "big")
