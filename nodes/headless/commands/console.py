"""What the commands share: how they print and end, and an option."""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import threading
from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import Any, TextIO

from ....visioncraft_core.errors import VisionCraftError
from ....visioncraft_core.plain_text import plain

DONE, FAILED, BAD_USE, CANCELLED = 0, 1, 2, 130
EXIT_CODES = (
    "Exit codes: 0 done; 1 it ran and failed; 2 it cannot be used so, and nothing was sent; "
    "130 cancelled."
)
STATUS = {DONE: "done", FAILED: "failed", BAD_USE: "refused", CANCELLED: "cancelled"}

Subparsers = argparse._SubParsersAction


def add_server_option(parser: argparse.ArgumentParser) -> None:
    option = parser.add_argument(
        "--server",
        default="auto",
        metavar="PROFILE_OR_URL",
        help="a server profile or a URL (default: your key's server, else the sandbox)",
    )
    option.completer = _server_names  # type: ignore[attr-defined] # what argcomplete asks


def confirmed(question: str, *, yes: bool) -> bool:
    """Whether the user wants it: said on the command line, or typed now. No terminal is a no."""
    if yes or not sys.stdin.isatty():
        return yes
    return input(f"{question} [y/N] ").strip().lower() in ("y", "yes")


def outcome(
    status: int,
    seconds: float = 0.0,
    outputs: Mapping[str, Any] | None = None,
    errors: Iterable[Mapping[str, Any]] = (),
    notes: Iterable[str] = (),
    **more: Any,
) -> dict[str, Any]:
    """What --json prints, whatever happened; web/docs/run.md describes it."""
    return {
        "status": STATUS[status],
        "seconds": round(seconds, 3),
        "outputs": dict(outputs or {}),
        "errors": [dict(each) for each in errors],
        "notes": [*notes],
        **more,
    }


def described(error: VisionCraftError, node: str = "", node_class: str = "") -> dict[str, Any]:
    """An error for `outcome`; `node` is the id of the node that failed."""
    return {
        "type": type(error).__name__,
        "message": str(error),
        "node": node or error.node or None,
        "node_class": node_class or error.node_class or None,
        "charged": error.charged,
        "http_status": error.status,
        "retry_after": error.retry_after,
    }


def finish(error: VisionCraftError, status: int, notes: Iterable[str], *, as_json: bool) -> int:
    """Tells why a command ends, to a program on standard output as well."""
    if as_json:
        told = outcome(status, errors=[described(error)], notes=notes)
        print_line(sys.stdout, json.dumps(told, indent=2))
    return print_error(error, status)


def print_error(error: VisionCraftError, status: int) -> int:
    print_line(sys.stderr, f"Error: {error}" if status != CANCELLED else str(error))
    return status


def print_line(stream: TextIO | None, text: str, *, before: str = "", after: str = "\n") -> bool:
    """Prints `text` without control characters, because texts come from files and servers; what
    stands `before` and `after` it is ours. Tells whether that could be done or nobody wants to read
    it any more: a reader that went away, or a full disk, must not stop what is already paid."""
    if stream is None:
        return True
    try:
        stream.write(before + plain(text) + after)
        stream.flush()
    except (OSError, ValueError) as error:
        with suppress(OSError, ValueError), open(os.devnull, "w") as nowhere:
            os.dup2(nowhere.fileno(), stream.fileno())
        return isinstance(error, BrokenPipeError | ValueError)
    return True


def stop_by_signal() -> threading.Event:
    """What SIGINT and SIGTERM set; the second one ends the process at once."""
    stop = threading.Event()

    def end(*_: object) -> None:
        if stop.is_set():
            os._exit(DONE)
        stop.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, end)
    return stop


def _server_names(**_: Any) -> list[str]:
    from ....visioncraft_core.profiles.paths import default_home
    from ....visioncraft_core.profiles.profiles import Profiles

    return Profiles(default_home()).names()
