"""Bounds of time that hold on a busy computer.

A computer that has other work may leave any thread waiting for seconds. So the default run asks
only whether a wait was ended or ran out: what is waited for lasts minutes, and the bound is far
below. The exact bounds are asserted by the tests marked `timed` when they are asked for
(`pytest -n0 -m "timed or bench"`), on a computer that has nothing else to do.
"""

from __future__ import annotations

import time
from collections.abc import Callable

LONG = 300.0  # how long a wait lasts that a test ends
HANG = 500.0  # what takes so many seconds will not end; pytest-timeout ends the test later
_ENDED = 150.0  # seconds after which such a wait must have ended, however busy the computer is

strict = False  # set by conftest.py where the timed tests were asked for


def at_most(seconds: float) -> float:
    """The bound for something that takes at most `seconds` on an idle computer."""
    return seconds if strict else seconds + _ENDED


def eventually(happened: Callable[[], object], seconds: float = HANG) -> bool:
    """Whether `happened` becomes true. Waits no longer than it takes."""
    end = time.monotonic() + seconds
    while not happened():
        if time.monotonic() > end:
            return False
        time.sleep(0.005)
    return True
