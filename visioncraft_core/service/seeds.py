"""The seeds of generations: what the client asks for in a header, else chosen by the service."""

from __future__ import annotations

import json
from collections import OrderedDict
from hashlib import sha256

from ..api.extensions import LARGEST_SEED, SEED_HEADER
from ..api.fields import Request

MOST_DIGITS = len(str(LARGEST_SEED))


class InvalidSeed(Exception):
    """The header holds no seed. The message is for the client."""


MOST_SERIES = 50_000


class SeedSeries:
    """Each request has a series of its own, and a fresh start repeats it.

    The same request asked again gives the next seed, so that it gives another result; of the
    requests that were not asked for longest, the series begins again.
    """

    def __init__(self) -> None:
        self._asked: OrderedDict[bytes, int] = OrderedDict()

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
        number = self._asked.pop(digest, 0) + 1
        self._asked[digest] = number
        if len(self._asked) > MOST_SERIES:
            self._asked.popitem(last=False)
        numbered = digest + number.to_bytes(8, "big")
        return int.from_bytes(sha256(numbered).digest()[:8], "big")
