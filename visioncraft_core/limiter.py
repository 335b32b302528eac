"""How many calls are under way at once: one limiter per server for the whole process.

A list of fifty models wired into a node starts fifty calls at the same moment; the service would
answer most of them with a refusal.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from .errors import Cancelled
from .transport import LOOK_EVERY, ShouldCancel


class Limiter:
    """At most `places` calls at once."""

    def __init__(self, places: int) -> None:
        self._free = threading.Semaphore(places)

    @contextmanager
    def place(self, should_cancel: ShouldCancel) -> Iterator[None]:
        """Waits for a free place and holds it. Raises Cancelled while waiting."""
        while not self._free.acquire(timeout=LOOK_EVERY):
            if should_cancel():
                raise Cancelled("Cancelled.", phase="queue", charged="no")
        try:
            yield
        finally:
            self._free.release()


_limiters: dict[tuple[str, int], Limiter] = {}
_lock = threading.Lock()


def limiter_of(origin: str, places: int) -> Limiter:
    """The limiter that every call to `origin` in this process shares."""
    with _lock:
        return _limiters.setdefault((origin, places), Limiter(places))
