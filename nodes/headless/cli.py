"""The `visioncraft` command: nearly empty, because Ctrl-C counts while the rest is loaded.

Exit codes: 0 done; 1 it ran and failed; 2 bad use, nothing was run; 130 cancelled.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress


def main(arguments: Sequence[str] | None = None) -> int:
    with _ends_at_once():
        from importlib.metadata import version

        from .commands import execute

        named = version("visioncraft")
    status = execute(arguments, named)
    if arguments is None:
        _leave_with(status)
    return status


def _leave_with(status: int) -> None:
    """Ends the process that a shell started, and its daemon threads where they are.

    A Python that ends by itself stops them inside the C++ of torch or FFmpeg, which now and then
    ends in an abort after a run that went well.
    """
    for stream in (sys.stdout, sys.stderr):
        with suppress(AttributeError, OSError, ValueError):  # closed, or its reader went away
            stream.flush()
    os._exit(status)


@contextmanager
def _ends_at_once() -> Iterator[None]:
    """Ctrl-C ends the process with a line, where nothing has begun that would have to be tidied.

    An exception would not do: some libraries turn those that come while they load into others.
    """
    # Where a shell has us ignore Ctrl-C, or a program has a way of its own, that is kept.
    usual = signal.getsignal(signal.SIGINT) is signal.default_int_handler
    if usual and threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGINT, _leave)
    try:
        yield
    finally:
        if signal.getsignal(signal.SIGINT) is _leave:
            signal.signal(signal.SIGINT, signal.default_int_handler)


def _leave(*_: object) -> None:
    os.write(2, b"Cancelled.\n")
    os._exit(130)
