"""What a request reports while it runs: lines of text, some of which know a number of seconds
or how much is done."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable
from typing import TypeVar

D = TypeVar("D", bound="Delay")


def in_words(seconds: float) -> str:
    """A time to wait, rounded up, in the unit that a person would use."""
    for unit, length in (("hours", 3600), ("minutes", 60)):
        if seconds >= 2 * length:
            return f"{math.ceil(seconds / length)} {unit}"
    return f"{seconds:.0f} s"


class Step(str):
    """A line about work that took `usual_seconds` in earlier runs; None where nobody knows."""

    usual_seconds: float | None

    def __new__(cls, text: str, usual_seconds: float | None = None) -> Step:
        step = super().__new__(cls, text)
        step.usual_seconds = usual_seconds
        return step


class Delay(str):
    """A line about what holds a request up, because of `reason`, for `seconds` from now; None where
    nobody knows for how long."""

    reason: str
    seconds: float | None

    def __new__(cls: type[D], text: str, reason: str = "", seconds: float | None = None) -> D:
        delay = str.__new__(cls, text)
        delay.reason, delay.seconds = reason, seconds
        return delay


class Queued(Delay):
    """A line about a request that waits at the server until the `place` ones before it are done."""

    place: int

    def __new__(cls, place: int) -> Queued:
        text = f"{_ordinal(place + 1)} in the queue" if place else "next in the queue"
        queued = super().__new__(cls, text)
        queued.place = place
        return queued


class Working(str):
    """A line about work of which `fraction`, 0..1, is done."""

    fraction: float

    def __new__(cls, text: str, fraction: float) -> Working:
        working = super().__new__(cls, text)
        working.fraction = fraction
        return working


def _ordinal(number: int) -> str:
    ends = {1: "st", 2: "nd", 3: "rd"}
    end = "th" if number % 100 in (11, 12, 13) else ends.get(number % 10, "th")
    return f"{number}{end}"


class BatchProgress:
    """What the requests of a batch report, as lines about all of them: how far they have come
    together, and once what holds them all up. Safe to share between threads."""

    def __init__(self, on_progress: Callable[[str], None], count: int) -> None:
        self._on_progress = on_progress
        self._last = ""
        self._fractions = [0.0] * count
        self._places: dict[int, int] = {}
        self._lock = threading.Lock()

    def delay(self, text: str) -> None:
        if text != self._last:
            self._last = text
            self._on_progress(text)

    def of(self, number: int) -> Callable[[str], None]:
        """Takes the lines of one request, 0 for the first."""

        def report(text: str) -> None:
            with self._lock:
                line = self._line(number, text)
            if line is not None:
                self.delay(line)

        return report

    def _line(self, number: int, text: str) -> str | None:
        if isinstance(text, Queued):
            self._places[number] = text.place
            return None if any(self._fractions) else Queued(min(self._places.values()))
        self._places.pop(number, None)
        if not isinstance(text, Working):
            return None
        self._fractions[number], count = text.fraction, len(self._fractions)
        return Working(f"{number + 1} of {count}: {text}", sum(self._fractions) / count)
