"""The jobs of a service that answers with an id and is asked for the result later."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from typing import Any

MOST_JOBS = 10_000  # whose results may be asked for


class Jobs:
    """The latest MOST_JOBS."""

    def __init__(self) -> None:
        self._urls: dict[str, Sequence[str]] = {}
        self._fresh: set[str] = set()  # that nobody asked about yet

    def add(self, urls: Sequence[str]) -> str:
        """The id of a new job whose results are at `urls`; without any it is never done."""
        job = secrets.token_hex(16)
        self._urls[job] = urls
        self._fresh.add(job)
        if len(self._urls) > MOST_JOBS:
            oldest = next(iter(self._urls))
            del self._urls[oldest]
            self._fresh.discard(oldest)
        return job

    def state(self, job: object) -> dict[str, Any] | None:
        """What the service says of a job, first that it is generating; None where it has none."""
        if not isinstance(job, str) or job not in self._urls:
            return None
        urls = self._urls[job]
        if not urls or job in self._fresh:
            self._fresh.discard(job)
            return {"status": "generating", "image": ""}
        return {"status": "success", "image": urls[0], "images": urls}
