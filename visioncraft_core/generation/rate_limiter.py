"""How many calls are under way at once, and the pauses that a server asks for.

One limiter per server for the whole process: a list of fifty models wired into a node starts fifty
calls at the same moment, and the service would answer most of them with a refusal. When it asks one
of them to wait, all of them wait.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from ..cancellation import CancelScope
from ..errors import RateLimitWaitExceeded
from .progress import Delay, in_words

JITTER = 0.1  # seconds for each call that waits, so that not all come back at the same moment
MAX_JITTER = 2.0


@dataclass
class WaitState:
    """One call at the limiter. `max_wait` is how many seconds of pauses it may wait for in all,
    `paused` how many it has waited; where it comes `early`, nobody is told that it waits for its
    turn."""

    scope: CancelScope
    on_progress: Callable[[str], None]
    max_wait: float
    paused: float = 0.0
    early: bool = False


class RateLimiter:
    """The slots and pauses of one server."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._taken = 0
        self._waiting = 0
        self._resume = 0.0  # on the monotonic clock

    @contextmanager
    def slot(self, max_concurrency: int, state: WaitState) -> Iterator[None]:
        """Waits until fewer than `max_concurrency` calls run and no pause is on; holds a slot.

        Raises Cancelled, or RateLimitWaitExceeded when the pauses are longer than `max_wait`.
        """
        self._enter(max_concurrency, state)
        try:
            yield
        finally:
            with self._changed:
                self._taken -= 1
                self._changed.notify_all()

    def pause(self, seconds: float) -> None:
        """Lets no call begin for so many seconds."""
        with self._changed:
            self._resume = max(self._resume, time.monotonic() + seconds)

    def _enter(self, max_concurrency: int, state: WaitState) -> None:
        announced, jitter, paused_since, queued = 0.0, 0.0, 0.0, False
        with self._changed:
            self._waiting += 1
            try:
                while True:
                    now = time.monotonic()
                    left: float | None = None
                    if self._resume > now or (jitter and self._resume + jitter > now):
                        # Announced once for each pause; the host counts the seconds.
                        if self._resume > announced:
                            announced = self._resume
                            jitter = self._jitter()
                            seconds = announced - now
                            text = f"waiting {in_words(seconds)}, because the server asked for it"
                            state.on_progress(Delay(text, "the server asked for a pause", seconds))
                        if state.paused + announced - now > state.max_wait:
                            raise _wait_exceeded(state, announced - now)
                        paused_since = paused_since or now
                        left = self._resume + jitter - now
                    elif self._taken < max_concurrency:
                        state.paused += now - paused_since if paused_since else 0.0
                        self._taken += 1
                        return
                    elif not queued:
                        queued = True
                        if not state.early:
                            state.on_progress(Delay("waiting for an earlier call to end"))
                    state.scope.wait(self._changed, left)
                    state.scope.raise_if_cancelled("queue")
            finally:
                self._waiting -= 1

    def _jitter(self) -> float:
        return random.uniform(0, min(MAX_JITTER, JITTER * self._waiting))  # noqa: S311


def _wait_exceeded(state: WaitState, left: float) -> RateLimitWaitExceeded:
    return RateLimitWaitExceeded(
        f"The server asked for longer pauses than {in_words(state.max_wait)}.",
        f"Wait {in_words(left)} and run again, or raise max_rate_limit_wait in the server profile.",
        phase="queue",
        retry_after=left,
    )


_limiters: dict[str, RateLimiter] = {}


def rate_limiter_of(origin: str) -> RateLimiter:
    """The limiter that every call to `origin` in this process shares."""
    return _limiters.setdefault(origin, RateLimiter())  # which no other thread interrupts
