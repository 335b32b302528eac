"""The `visioncraft` command: run a workflow file, keep a key, start a sandbox, list a catalog.

Exit codes: 0 done; 1 it ran and failed; 2 bad use, nothing was run; 130 cancelled.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
import sys
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from getpass import getpass
from importlib.metadata import version
from pathlib import Path
from typing import Any, TextIO

from ...visioncraft_core.client import Client
from ...visioncraft_core.endpoints import CATALOGS, Chat
from ...visioncraft_core.errors import (
    Cancelled,
    ConfigError,
    KeyMissing,
    KeyRejected,
    NotSent,
    VisionCraftError,
)
from ...visioncraft_core.home import default_home
from ...visioncraft_core.profiles import AUTO, Profiles
from ...visioncraft_core.secret import Secret
from .. import NODE_CLASS_MAPPINGS, NODE_DISPLAY_NAME_MAPPINGS, comfy
from ..base import SANDBOX_NOTE
from . import folders, prefixes
from .execution import HeadlessHost, Outcome, Run
from .folders import Folders, Saved
from .hostnodes import NODE_CLASSES
from .workflow import Node, load

DONE, FAILED, BAD_USE, CANCELLED = 0, 1, 2, 130


def main(arguments: Sequence[str] | None = None) -> int:
    for stream in (sys.stdout, sys.stderr):
        with suppress(AttributeError, ValueError):  # a prompt may hold what a console cannot show
            stream.reconfigure(errors="replace")  # type: ignore[union-attr]
    options = _parser().parse_args(arguments)
    try:
        return options.command(options)
    except Cancelled as error:
        return _complain(error, CANCELLED)
    except VisionCraftError as error:
        return _complain(error, BAD_USE)
    except KeyboardInterrupt:
        return _complain(Cancelled("Cancelled."), CANCELLED)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="visioncraft",
        description="VisionCraft without ComfyUI: run saved workflows, or start a sandbox server.",
    )
    parser.add_argument("--version", action="version", version=version("visioncraft"))
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    run = commands.add_parser("run", help="run a ComfyUI workflow file")
    run.add_argument("workflow", type=Path, help="a workflow as ComfyUI saves or exports it")
    server_help = "a server profile or a URL (default: your key's server, else the sandbox)"
    run.add_argument("--server", default=AUTO, metavar="PROFILE_OR_URL", help=server_help)
    run.add_argument("--out", type=Path, default=Path("output"), metavar="DIR", help="output/")
    run.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="NODE_ID.INPUT=VALUE",
        help="change an input before the run; may be given again",
    )
    run.add_argument("--json", action="store_true", help="print the results as one JSON object")
    run.set_defaults(command=_run)

    sandbox = commands.add_parser(
        "sandbox",
        help="serve the API without models, key or network",
        formatter_class=_WithFaults,
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
    sandbox.set_defaults(command=_sandbox)

    key = commands.add_parser("key", help="keep the key of a server, or try it")
    actions = key.add_subparsers(required=True, metavar="ACTION")
    keep = actions.add_parser("set", help="ask for a key and keep it in a file of yours")
    keep.add_argument("name", metavar="NAME", help="what you want to call the server")
    keep.add_argument("--base-url", default="", metavar="URL", help="another than the standard one")
    keep.set_defaults(command=_key_set)
    attempt = actions.add_parser("test", help="ask the server for a word with its key")
    attempt.add_argument("name", metavar="NAME", help="a server profile")
    attempt.set_defaults(command=_key_test)

    catalog = commands.add_parser("catalog", help="list the names that a server offers")
    catalog.add_argument("name", choices=list(CATALOGS), metavar="NAME", help=", ".join(CATALOGS))
    catalog.add_argument("--server", default=AUTO, metavar="PROFILE_OR_URL", help=server_help)
    catalog.set_defaults(command=_catalog)
    return parser


class _WithFaults(argparse.RawDescriptionHelpFormatter):
    """Ends the help with the faults, which are imported only when they are shown."""

    def format_help(self) -> str:
        from ...visioncraft_core.sandbox.faults import described

        return f"{super().format_help()}\n{described()}\n"


def _port(text: str) -> int:
    if not text.isdecimal() or not 0 <= int(text) <= 65535:
        raise argparse.ArgumentTypeError("a port is 0 to 65535")
    return int(text)


def _seconds(text: str) -> float:
    seconds = float(text)
    if not 0 <= seconds <= 3600:
        raise argparse.ArgumentTypeError("give 0 to 3600 seconds")
    return seconds


def _run(options: argparse.Namespace) -> int:
    places = Folders(options.out, (Path("input"), options.workflow.parent, Path()))
    folders.current.set(places)
    Profiles(default_home()).find(options.server)  # complains before anything is read or run
    report = _Progress(sys.stderr if options.json else sys.stdout)
    comfy.use(HeadlessHost(report, options.server, default_home()))
    workflow = load(options.workflow, {**NODE_CLASSES, **NODE_CLASS_MAPPINGS})
    for assignment in options.set:
        workflow.set(assignment)
    prefixes.fill(workflow)
    run = Run(workflow, {**NODE_CLASSES, **NODE_CLASS_MAPPINGS}, places, report)
    run.check()
    report.total = len(run.needed)
    started = time.monotonic()
    status, error = DONE, None
    try:
        asyncio.run(_until_interrupted(run))
    except Cancelled as cancelled:
        status, error = CANCELLED, cancelled
    except VisionCraftError as failed:
        status, error = FAILED, failed
    if options.json:
        _line(sys.stdout, json.dumps(_told(run.outcome, status, error, started), indent=2))
    if error:
        _complain(error, status)
    if status == CANCELLED:
        _leave_now(places)
    return status


async def _until_interrupted(run: Run) -> None:
    task = asyncio.ensure_future(run.execute())
    loop = asyncio.get_running_loop()
    with suppress(NotImplementedError):  # Windows: there KeyboardInterrupt does it
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, task.cancel)
    try:
        await task
    except asyncio.CancelledError:
        raise Cancelled("Cancelled.", "Files that were already saved are kept.") from None


def _leave_now(places: Folders) -> None:
    # Threads that draw or compress cannot be stopped, and the interpreter would wait for some of
    # them. Only a file that is being written is waited for.
    with places.writing:
        os._exit(CANCELLED)


def _told(
    outcome: Outcome, status: int, error: VisionCraftError | None, started: float
) -> dict[str, Any]:
    words = {DONE: "done", FAILED: "failed", CANCELLED: "cancelled"}
    told: dict[str, Any] = {
        "status": words[status],
        "seconds": round(time.monotonic() - started, 3),
        "outputs": {
            node_id: {key: [_plain(entry) for entry in entries] for key, entries in shown.items()}
            for node_id, shown in outcome.shown.items()
        },
    }
    if error:
        told["error"] = {"type": type(error).__name__, "message": str(error)}
    return told


def _plain(entry: Any) -> Any:
    return {**entry.shown(), "path": str(entry.path)} if isinstance(entry, Saved) else entry


class _Progress:
    """Prints a line for each node that ends, and where its files are."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._ended = 0
        self._noted = False
        self.total = 0

    def said(self, node: Node, text: str) -> None:
        if text != SANDBOX_NOTE:
            _line(self._stream, f"      {_title(node)}: {text}")
        elif not self._noted:
            self._noted = True
            _line(self._stream, f"Note: {text}")

    def finished(self, node: Node, seconds: float, shown: dict[str, list[Any]]) -> None:
        self._count(node, f"done in {seconds:.1f} s")
        for entry in (entry for entries in shown.values() for entry in entries):
            if isinstance(entry, Saved):
                _line(self._stream, f"Saved {_short(entry.path)}")
        for text in shown.get("text", []):
            _line(self._stream, str(text))

    def failed(self, node: Node) -> None:
        self._count(node, "stopped")

    def _count(self, node: Node, what: str) -> None:
        self._ended += 1
        _line(self._stream, f"[{self._ended}/{self.total}] {_title(node)}: {what}")


def _title(node: Node) -> str:
    title = node.title or NODE_DISPLAY_NAME_MAPPINGS.get(node.class_type, node.class_type)
    return f"{title} (#{node.id})"


def _short(path: Path) -> Path:
    here = Path.cwd()
    return path.relative_to(here) if path.is_relative_to(here) else path


def _sandbox(options: argparse.Namespace) -> int:
    from ...visioncraft_core.sandbox.faults import parse
    from ...visioncraft_core.sandbox.server import Sandbox

    shapes = dict(_pair(shape) for shape in options.shape)
    faults = [parse(fault) for fault in options.fault]
    with Sandbox(
        host=options.host,
        port=options.port,
        public=options.i_know_this_is_public,
        latency=options.latency,
        faults=faults,
        shapes=shapes,
        inject=options.faults,
    ) as sandbox:
        _line(sys.stdout, f"VisionCraft sandbox on {sandbox.url}")
        stop = threading.Event()

        def end(*_: object) -> None:
            if stop.is_set():  # the second signal: at once
                os._exit(DONE)
            stop.set()

        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, end)
        while not stop.wait(0.5):  # Windows delivers signals only between waits
            pass
    if threading.active_count() > 1:  # a drawing cannot be stopped, and Python would wait for it
        os._exit(DONE)
    return DONE


def _pair(text: str) -> tuple[str, str]:
    name, sign, value = text.partition("=")
    if not sign:
        raise ConfigError(f"{text} is not understood.", "Write PATH=SHAPE.")
    return name, value


def _catalog(options: argparse.Namespace) -> int:
    profile = Profiles(default_home()).find(options.server)
    for name in Client(profile, default_home()).catalog(options.name).names:
        _line(sys.stdout, name)
    return DONE


def _key_set(options: argparse.Namespace) -> int:
    # Never an argument: those stand in the shell's history and in the list of processes.
    asked = sys.stdin.isatty()
    typed = getpass(f"Key for {options.name}: ") if asked else sys.stdin.readline()
    profiles = Profiles(default_home())
    profile = profiles.store_key(options.name, Secret(typed), options.base_url)
    _line(sys.stdout, f"The key for {profile.base_url} is kept as {profile.name}.")
    return DONE


def _key_test(options: argparse.Namespace) -> int:
    client = Client(Profiles(default_home()).find(options.name), default_home())
    word = {"role": "user", "content": "Say OK."}
    models, _ = client.listing("models-llm")
    try:
        client.send(Chat(model=models.names[0], messages=(word,)), variation=None)
    except (KeyRejected, KeyMissing) as error:
        verdict, status = f"wrong: {error}", FAILED
    except NotSent as error:
        verdict, status = f"unreachable: {error}", FAILED
    except VisionCraftError as error:
        verdict, status = f"not certain: {error}", FAILED
    else:
        verdict, status = f"valid: {client.describe()} answered.", DONE
    _line(sys.stdout, f"The key of {options.name} is {verdict}")
    return status


def _complain(error: VisionCraftError, status: int) -> int:
    _line(sys.stderr, f"Error: {error}" if status != CANCELLED else str(error))
    return status


def _line(stream: TextIO | None, text: str) -> None:
    """Prints; a reader that went away must not stop what is already paid."""
    if stream is None:
        return
    try:
        stream.write(text + "\n")
        stream.flush()
    except (OSError, ValueError):
        with suppress(OSError, ValueError), open(os.devnull, "w") as nowhere:
            os.dup2(nowhere.fileno(), stream.fileno())
