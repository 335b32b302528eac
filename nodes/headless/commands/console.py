"""What the commands share: how they print and end, and an option."""

from __future__ import annotations

import argparse
import os
import sys
from contextlib import suppress
from typing import TextIO

from ....visioncraft_core.errors import VisionCraftError
from ....visioncraft_core.plain_text import plain
from ....visioncraft_core.profiles.profiles import AUTO

DONE, FAILED, BAD_USE, CANCELLED = 0, 1, 2, 130

Subparsers = argparse._SubParsersAction


def add_server_option(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--server",
        default=AUTO,
        metavar="PROFILE_OR_URL",
        help="a server profile or a URL (default: your key's server, else the sandbox)",
    )


def print_error(error: VisionCraftError, status: int) -> int:
    print_line(sys.stderr, f"Error: {error}" if status != CANCELLED else str(error))
    return status


def print_line(stream: TextIO | None, text: str) -> bool:
    """Prints without control characters, because texts come from files and servers, and tells
    whether that could be done or nobody wants to read it any more: a reader that went away, or a
    full disk, must not stop what is already paid."""
    if stream is None:
        return True
    try:
        stream.write(plain(text) + "\n")
        stream.flush()
    except (OSError, ValueError) as error:
        with suppress(OSError, ValueError), open(os.devnull, "w") as nowhere:
            os.dup2(nowhere.fileno(), stream.fileno())
        return isinstance(error, BrokenPipeError | ValueError)
    return True
