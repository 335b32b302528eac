"""What a request reports while it runs: lines of text, some of which know a number of seconds."""

from __future__ import annotations


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

    def __new__(cls, text: str, reason: str = "", seconds: float | None = None) -> Delay:
        delay = super().__new__(cls, text)
        delay.reason, delay.seconds = reason, seconds
        return delay
