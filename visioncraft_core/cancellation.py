"""How a call ends early: because its user cancels it, or because a limit of time has passed."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from .errors import Cancelled, Charged

POLL_INTERVAL = 0.05  # seconds; a cancelled caller is promised to be free within a quarter second

ShouldCancel = Callable[[], bool]


class CancelScope:
    """The work of one call, in as many threads as it takes. Use as a context manager.

    A thread of the scope asks `should_cancel` about 20 times a second and calls the `watched`
    checks as often; it ends with the scope. What waits for a socket needs such a check to end it.
    """

    def __init__(self, should_cancel: ShouldCancel | None = None) -> None:
        self._should_cancel = should_cancel
        self._checks: list[Callable[[], None]] = []
        self._cancelled = threading.Event()
        self._ended = threading.Event()

    def __enter__(self) -> CancelScope:
        threading.Thread(target=self._watch, name="visioncraft-watch", daemon=True).start()
        return self

    def __exit__(self, error: type[BaseException] | None, *_: object) -> None:
        self._ended.set()
        if error:  # nobody waits any more for what else is under way
            self._cancel()

    def is_cancelled(self) -> bool:
        if not self._cancelled.is_set() and self._should_cancel and self._should_cancel():
            self._cancelled.set()
        return self._cancelled.is_set()

    def raise_if_cancelled(self, phase: str, charged: Charged = "no") -> None:
        """Raises Cancelled."""
        if self.is_cancelled():
            raise Cancelled("Cancelled.", phase=phase, charged=charged)

    def sleep(self, seconds: float, phase: str) -> None:
        """Raises Cancelled; nothing was charged meanwhile."""
        self._cancelled.wait(seconds)
        self.raise_if_cancelled(phase)

    def wait(self, condition: threading.Condition, seconds: float | None = None) -> None:
        """Waits for `condition`, which the caller holds, for at most `seconds` or until a cancel.

        Raises nothing; like `Condition.wait` it may end without a reason.
        """

        def wake() -> None:
            if self._cancelled.is_set():
                with condition:
                    condition.notify_all()

        with self.watched(wake):
            if not self.is_cancelled():
                condition.wait(seconds)

    @contextmanager
    def watched(self, check: Callable[[], None]) -> Iterator[None]:
        """Calls `check` in the scope's thread, again and again, until the block ends."""
        self._checks.append(check)
        try:
            yield
        finally:
            self._checks.remove(check)

    def _cancel(self) -> None:
        self._cancelled.set()
        for check in tuple(self._checks):
            check()

    def _watch(self) -> None:
        try:
            while not self._ended.wait(POLL_INTERVAL):
                self.is_cancelled()
                for check in tuple(self._checks):
                    check()
        finally:
            if not self._ended.is_set():  # should_cancel raised an error
                self._cancel()
