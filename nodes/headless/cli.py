"""The `visioncraft` command.

Exit codes: 0 done; 1 it ran and failed; 2 bad use, nothing was run; 130 cancelled.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from importlib.metadata import version

from .commands.parser import execute


def main(arguments: Sequence[str] | None = None) -> int:
    status = execute(arguments, version("visioncraft"))
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
