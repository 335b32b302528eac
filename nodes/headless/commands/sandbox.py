"""`visioncraft sandbox`: the test server in the foreground, until a signal ends it."""

from __future__ import annotations

import argparse
import sys

from ....visioncraft_core.errors import ConfigError
from .console import DONE, Subparsers, print_line, stop_by_signal


class _HelpWithFaults(argparse.RawDescriptionHelpFormatter):
    """Ends the help with shapes and faults, which are imported only when they are shown."""

    def format_help(self) -> str:
        from ....visioncraft_core.service.faults.rules import described
        from ....visioncraft_core.service.response_formats import FORMATS

        shapes = f"shapes of answers:\n  {' '.join(FORMATS)}"
        return f"{super().format_help()}\n{shapes}\n\n{described()}\n"


def register(commands: Subparsers, help_text: str) -> None:
    parser = commands.add_parser(
        "sandbox",
        help=help_text,
        formatter_class=_HelpWithFaults,
    )
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument(
        "--i-know-this-is-public",
        action="store_true",
        help="for another address than this computer",
    )
    parser.add_argument("--port", type=_port, default=8787, help="8787; 0 takes a free one")
    parser.add_argument("--latency", type=_seconds, default=0.0, metavar="SECONDS")
    parser.add_argument(
        "--fault", action="append", default=[], metavar="TARGET=FAULT", help="go wrong on purpose"
    )
    parser.add_argument(
        "--faults", action="store_true", help="take faults from requests too, and serve /__log"
    )
    parser.add_argument(
        "--shape", action="append", default=[], metavar="PATH=SHAPE", help="answer in another form"
    )
    parser.set_defaults(command=_serve)


def _serve(options: argparse.Namespace) -> int:
    from ....visioncraft_core.sandbox import Sandbox
    from ....visioncraft_core.service.faults.rules import parse

    shapes = dict(_pair(shape) for shape in options.shape)
    faults = [parse(fault) for fault in options.fault]
    with Sandbox(
        host=options.host,
        port=options.port,
        public=options.i_know_this_is_public,
        latency=options.latency,
        faults=faults,
        response_formats=shapes,
        inject=options.faults,
    ) as sandbox:
        print_line(sys.stdout, f"VisionCraft sandbox on {sandbox.url}")
        stop = stop_by_signal()
        while not stop.wait(0.5):  # Windows delivers signals only between waits
            pass
    return DONE


def _pair(text: str) -> tuple[str, str]:
    name, sign, value = text.partition("=")
    if not sign:
        raise ConfigError(f"{text} is not understood.", "Write PATH=SHAPE.")
    return name, value


def _port(text: str) -> int:
    if not text.isdecimal() or not 0 <= int(text) <= 65535:
        raise argparse.ArgumentTypeError("a port is 0 to 65535")
    return int(text)


def _seconds(text: str) -> float:
    seconds = float(text)
    if not 0 <= seconds <= 3600:
        raise argparse.ArgumentTypeError("give 0 to 3600 seconds")
    return seconds
