"""Where the installed `visioncraft` command begins, as the package `visioncraft_command`.

It stands outside of `visioncraft`, which takes half a second to load: Ctrl-C is to end the command
with a line from its first moment on.
"""

from __future__ import annotations

import os
import signal
from importlib import import_module


def main() -> int:
    # Nothing has begun yet that would have to be tidied. Where a shell has us ignore Ctrl-C, that
    # is kept.
    usual = signal.getsignal(signal.SIGINT) is signal.default_int_handler
    if usual:
        signal.signal(signal.SIGINT, _leave)
    # An exception would not do: some libraries turn those that come while they load into others.
    begin = import_module("visioncraft.nodes.headless.cli").main
    if usual:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    return begin()


def _leave(*_: object) -> None:
    os.write(2, b"Cancelled.\n")
    os._exit(130)
