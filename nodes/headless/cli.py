"""The `visioncraft` command.

Exit codes: 0 done; 1 it ran and failed; 2 bad use, nothing was run; 130 cancelled.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from importlib.metadata import version

from ...visioncraft_core.errors import Cancelled, VisionCraftError
from .commands import catalog, doctor, key, run, sandbox, store
from .commands.console import BAD_USE, CANCELLED, FAILED, print_error


def main(arguments: Sequence[str] | None = None) -> int:
    for stream in (sys.stdout, sys.stderr):
        with suppress(AttributeError, ValueError):  # a prompt may hold what a console cannot show
            stream.reconfigure(errors="replace")  # type: ignore[union-attr]
    options = _parser().parse_args(arguments)
    try:
        status = options.command(options)
    except Cancelled as error:
        status = print_error(error, CANCELLED)
    except VisionCraftError as error:
        status = print_error(error, BAD_USE if error.phase in ("", "check") else FAILED)
    except KeyboardInterrupt:
        status = print_error(Cancelled("Cancelled."), CANCELLED)
    if arguments is None:
        _leave_with(status)
    return status


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="visioncraft",
        description="VisionCraft without ComfyUI: run saved workflows, or start a sandbox server.",
    )
    parser.add_argument("--version", action="version", version=version("visioncraft"))
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for command in (run, sandbox, key, catalog, store, doctor):
        command.register(commands)
    return parser


def _leave_with(status: int) -> None:
    """Ends the process that a shell started, and its daemon threads where they are.

    A Python that ends by itself stops them inside the C++ of torch or FFmpeg, which now and then
    ends in an abort after a run that went well.
    """
    for stream in (sys.stdout, sys.stderr):
        with suppress(AttributeError, OSError, ValueError):  # closed, or its reader went away
            stream.flush()
    os._exit(status)
