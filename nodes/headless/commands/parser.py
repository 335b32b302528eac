"""What the `visioncraft` command understands, and how it ends."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from ....visioncraft_core.api.endpoints import CATALOGS
from ....visioncraft_core.errors import Cancelled, VisionCraftError
from ....visioncraft_core.profiles.profiles import AUTO
from . import servers
from .console import BAD_USE, CANCELLED, print_error
from .doctor import examine
from .run import run
from .sandbox import HelpWithFaults, serve


def execute(arguments: Sequence[str] | None, version: str) -> int:
    for stream in (sys.stdout, sys.stderr):
        with suppress(AttributeError, ValueError):  # a prompt may hold what a console cannot show
            stream.reconfigure(errors="replace")  # type: ignore[union-attr]
    options = _parser(version).parse_args(arguments)
    try:
        return options.command(options)
    except Cancelled as error:
        return print_error(error, CANCELLED)
    except VisionCraftError as error:
        return print_error(error, BAD_USE)
    except KeyboardInterrupt:
        return print_error(Cancelled("Cancelled."), CANCELLED)


def _parser(version: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="visioncraft",
        description="VisionCraft without ComfyUI: run saved workflows, or start a sandbox server.",
    )
    parser.add_argument("--version", action="version", version=version)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    flow = commands.add_parser("run", help="run a ComfyUI workflow file")
    flow.add_argument("workflow", type=Path, help="a workflow as ComfyUI saves or exports it")
    server_help = "a server profile or a URL (default: your key's server, else the sandbox)"
    flow.add_argument("--server", default=AUTO, metavar="PROFILE_OR_URL", help=server_help)
    flow.add_argument("--out", type=Path, default=Path("output"), metavar="DIR", help="output/")
    flow.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="NODE_ID.INPUT=VALUE",
        help="change an input before the run; may be given again",
    )
    flow.add_argument("--json", action="store_true", help="print the results as one JSON object")
    flow.set_defaults(command=run)

    sandbox = commands.add_parser(
        "sandbox",
        help="serve the API without models, key or network",
        formatter_class=HelpWithFaults,
    )
    sandbox.add_argument("--host", default="127.0.0.1")
    sandbox.add_argument(
        "--i-know-this-is-public",
        action="store_true",
        help="for another address than this computer",
    )
    sandbox.add_argument("--port", type=_port, default=8787, help="8787; 0 takes a free one")
    sandbox.add_argument("--latency", type=_seconds, default=0.0, metavar="SECONDS")
    sandbox.add_argument(
        "--fault", action="append", default=[], metavar="TARGET=FAULT", help="go wrong on purpose"
    )
    sandbox.add_argument(
        "--faults", action="store_true", help="take faults from requests too, and serve /__log"
    )
    sandbox.add_argument(
        "--shape", action="append", default=[], metavar="PATH=SHAPE", help="answer in another form"
    )
    sandbox.set_defaults(command=serve)

    key = commands.add_parser("key", help="keep the key of a server, or try it")
    actions = key.add_subparsers(required=True, metavar="ACTION")
    keep = actions.add_parser("set", help="ask for a key and keep it in a file of yours")
    keep.add_argument("name", metavar="NAME", help="what you want to call the server")
    keep.add_argument("--base-url", default="", metavar="URL", help="another than the standard one")
    keep.set_defaults(command=servers.key_set)
    attempt = actions.add_parser("test", help="ask the server for a word with its key")
    attempt.add_argument("name", metavar="NAME", help="a server profile")
    attempt.set_defaults(command=servers.key_test)

    catalog = commands.add_parser("catalog", help="list the names that a server offers")
    catalog.add_argument("name", choices=list(CATALOGS), metavar="NAME", help=", ".join(CATALOGS))
    catalog.add_argument("--server", default=AUTO, metavar="PROFILE_OR_URL", help=server_help)
    catalog.set_defaults(command=servers.catalog)

    store = commands.add_parser("store", help="paid results that are kept on this disk")
    jobs = store.add_subparsers(required=True, metavar="ACTION")
    for name, command, help_text in (
        ("size", servers.store_size, "how many files, and how large they are"),
        ("list", servers.store_list, "what is kept, newest first"),
        ("clear", servers.store_clear, "remove all of it"),
        ("verify", servers.store_verify, "read everything once and remove what is damaged"),
    ):
        jobs.add_parser(name, help=help_text).set_defaults(command=command)

    doctor = commands.add_parser(
        "doctor", help="check settings, connection, key and store; the report is safe to paste"
    )
    doctor.add_argument("--server", default=AUTO, metavar="PROFILE_OR_URL", help=server_help)
    doctor.set_defaults(command=examine)
    return parser


def _port(text: str) -> int:
    if not text.isdecimal() or not 0 <= int(text) <= 65535:
        raise argparse.ArgumentTypeError("a port is 0 to 65535")
    return int(text)


def _seconds(text: str) -> float:
    seconds = float(text)
    if not 0 <= seconds <= 3600:
        raise argparse.ArgumentTypeError("give 0 to 3600 seconds")
    return seconds
