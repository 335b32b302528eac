"""`visioncraft run`: one workflow, its progress and how it ended."""

from __future__ import annotations

import argparse
import asyncio
import json
import signal
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any, TextIO

from ....visioncraft_core.errors import Cancelled, SaveFailed, VisionCraftError, clip
from ....visioncraft_core.profiles.paths import default_home
from ....visioncraft_core.profiles.profiles import Profiles
from ... import NODE_CLASS_MAPPINGS, NODE_DISPLAY_NAME_MAPPINGS, comfy
from ...base import SANDBOX_NOTE
from .. import dynamic_prompts, folders, prefixes
from ..canvas.workflow import Node, load
from ..execution import HeadlessHost, Run
from ..folders import Folders, Saved
from ..hostnodes import NODE_CLASSES
from .console import CANCELLED, DONE, FAILED, Subparsers, add_server_option, print_error, print_line

LONGEST_TITLE = 60


def register(commands: Subparsers) -> None:
    parser = commands.add_parser("run", help="run a ComfyUI workflow file")
    parser.add_argument("workflow", type=Path, help="a workflow as ComfyUI saves or exports it")
    add_server_option(parser)
    parser.add_argument("--out", type=Path, default=Path("output"), metavar="DIR", help="output/")
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="NODE_ID.INPUT=VALUE",
        help="change an input before the run; may be given again",
    )
    parser.add_argument("--json", action="store_true", help="print the results as one JSON object")
    parser.set_defaults(command=_run)


def _run(options: argparse.Namespace) -> int:
    run_folders = Folders(options.out, (Path("input"), options.workflow.parent, Path()))
    folders.current.set(run_folders)
    Profiles(default_home()).find(options.server)  # complains before anything is read or run
    report = _Progress(sys.stderr if options.json else sys.stdout)
    comfy.use(HeadlessHost(report, options.server))
    node_classes = {**NODE_CLASSES, **NODE_CLASS_MAPPINGS}
    workflow = load(options.workflow, node_classes)
    for note in workflow.notes:
        report.note(note)
    for assignment in options.set:
        workflow.set(assignment)
    prefixes.fill(workflow)
    dynamic_prompts.choose(workflow)
    task = Run(workflow, node_classes, run_folders, report)
    task.check()
    report.total = len(task.needed)
    started = time.monotonic()
    status, error = DONE, None
    try:
        asyncio.run(_until_interrupted(task))
    except Cancelled as cancelled:
        status, error = CANCELLED, cancelled
    except VisionCraftError as failed:
        status, error = FAILED, failed
    if options.json:
        summary = _summary(task, status, error, time.monotonic() - started)
        if not print_line(sys.stdout, json.dumps(summary, indent=2)) and status == DONE:
            status = FAILED
            error = SaveFailed(
                "The result was made and saved, but could not be printed.",
                "Make room where standard output goes; running again sends nothing.",
            )
    if error:
        print_error(error, status)
    if status == CANCELLED:
        run_folders.writing.acquire()  # only a file that is being written is waited for
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


def _summary(
    run: Run, status: int, error: VisionCraftError | None, seconds: float
) -> dict[str, Any]:
    words = {DONE: "done", FAILED: "failed", CANCELLED: "cancelled"}
    summary: dict[str, Any] = {
        "status": words[status],
        "seconds": round(seconds, 3),
        "outputs": {
            node_id: {key: [_plain(entry) for entry in entries] for key, entries in shown.items()}
            for node_id, shown in run.shown.items()
        },
    }
    if error:
        summary["error"] = {"type": type(error).__name__, "message": str(error)}
    return summary


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
            print_line(self._stream, f"      {_title(node)}: {text}")
        elif not self._noted:
            self._noted = True
            self.note(text)

    def note(self, text: str) -> None:
        print_line(self._stream, f"Note: {text}")

    def finished(self, node: Node, seconds: float, shown: dict[str, list[Any]]) -> None:
        self._count(node, f"done in {seconds:.1f} s")
        for entry in (entry for entries in shown.values() for entry in entries):
            if isinstance(entry, Saved):
                print_line(self._stream, f"Saved {_short(entry.path)}")
        for text in shown.get("text", []):
            print_line(self._stream, str(text))

    def failed(self, node: Node) -> None:
        self._count(node, "stopped")

    def _count(self, node: Node, what: str) -> None:
        self._ended += 1
        print_line(self._stream, f"[{self._ended}/{self.total}] {_title(node)}: {what}")


def _title(node: Node) -> str:
    title = node.title or NODE_DISPLAY_NAME_MAPPINGS.get(node.class_type, node.class_type)
    return f"{clip(title, LONGEST_TITLE)} (#{node.id})"


def _short(path: Path) -> Path:
    here = Path.cwd()
    return path.relative_to(here) if path.is_relative_to(here) else path
