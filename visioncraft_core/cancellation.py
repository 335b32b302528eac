"""How the waiting parts of the pack learn that the user has cancelled."""

from __future__ import annotations

import time
from collections.abc import Callable

from .errors import Cancelled

LOOK_EVERY = 0.05  # seconds between two looks at cancel and deadline; a quarter second is promised

ShouldCancel = Callable[[], bool]


def never() -> bool:
    return False


def sleep(seconds: float, should_cancel: ShouldCancel, phase: str) -> None:
    """Waits, and looks up often. Raises Cancelled."""
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        if should_cancel():
            raise Cancelled("Cancelled.", phase=phase, charged="no")
        time.sleep(min(LOOK_EVERY, left))
