"""`visioncraft run`: one workflow, its progress and how it ended."""

from __future__ import annotations

import argparse
import asyncio
import json
import signal
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, TextIO

from ....visioncraft_core.api.endpoints import ENDPOINTS
from ....visioncraft_core.errors import Cancelled, SaveFailed, VisionCraftError, WorkflowError, clip
from ....visioncraft_core.generation.progress import Queued, Working
from ....visioncraft_core.profiles.paths import default_home
from ....visioncraft_core.profiles.profiles import Profiles
from ....visioncraft_core.profiles.secret import shortened
from ....visioncraft_core.spelling import did_you_mean
from ... import NODE_CLASS_MAPPINGS, NODE_DISPLAY_NAME_MAPPINGS, comfy
from ...base import SANDBOX_NOTE
from .. import dynamic_prompts, folders, prefixes, preload
from ..canvas.workflow import Node, load
from ..examples import EXAMPLES, path_of
from ..execution import HeadlessHost, Run
from ..folders import Folders, Saved
from ..hostnodes import NODE_CLASSES
from ..validation import ignored_inputs
from .console import (
    CANCELLED,
    DONE,
    EXIT_CODES,
    FAILED,
    Subparsers,
    add_server_option,
    outcome,
    print_error,
    print_line,
)
from .outcomes import failures, shown
from .rows import run_rows

LONGEST_TITLE = 60
ERASE = "\x1b[K"  # the rest of a line of a terminal
STDIN = "-"
PROMPT_ADVICE = (
    "A prompt is an input of a node: visioncraft run llm_prompt_to_image --set "
    '2.prompt="a red fox".'
)
EPILOG = (
    "Examples: visioncraft run llm_prompt_to_image; visioncraft run flow.json --set 3.seed=7; "
    f"visioncraft run flow.json --rows prompts.csv. {EXIT_CODES}"
)


def register(commands: Subparsers, help_text: str) -> None:
    parser = commands.add_parser("run", help=help_text, epilog=EPILOG)
    workflow = parser.add_argument(
        "workflow",
        nargs="?",
        metavar="WORKFLOW",
        help="a file as ComfyUI saves or exports it, an example, or - for standard input",
    )
    workflow.completer = lambda **_: [*EXAMPLES]  # type: ignore[attr-defined] # asked by argcomplete
    parser.add_argument("--list", action="store_true", help="list the examples and end")
    add_server_option(parser)
    parser.add_argument("--out", type=Path, default=Path("output"), metavar="DIR", help="output/")
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="NODE.INPUT=VALUE",
        help="change an input before the run, or =@FILE for the text in a file; may be given again",
    )
    parser.add_argument(
        "--rows",
        type=Path,
        metavar="FILE",
        help="run once for each row of a .csv or .jsonl file, whose columns name NODE.INPUT; "
        "continues where it was stopped",
    )
    parser.add_argument("--json", action="store_true", help="print the outcome as one JSON object")
    parser.set_defaults(command=_run, parser=parser, explain=_explained)


def _explained(strange: Sequence[str]) -> str:
    """What may have been meant by words or options that `run` does not have; "" for all others."""
    name = strange[0].lstrip("-").partition("=")[0]
    if name.endswith((".json", ".png")):
        return f"{clip(name, 60)} is one workflow too many: they are run one at a time."
    if not strange[0].startswith("-"):
        return f"{shortened(name)} is not understood. {PROMPT_ADVICE}"
    fields = (field.name for endpoint in ENDPOINTS for field in endpoint.fields())
    if name.replace("-", "_") in ("seed", *fields):
        what = f"{strange[0]} is not understood. It is an input of a node"
        return f"{what}: write --set NODE.{name.replace('-', '_')}=VALUE."
    return ""


def _run(options: argparse.Namespace) -> int:
    if options.list:
        for name, title in EXAMPLES.items():
            print_line(sys.stdout, f"{name:<24}{title}")
        return DONE
    if options.workflow is None:
        options.parser.error("name a workflow; --list names the examples")
    node_classes = {**NODE_CLASSES, **NODE_CLASS_MAPPINGS}
    path, content = _source(str(options.workflow))
    run_folders = Folders(options.out, (Path("input"), path.parent, Path()))
    folders.current.set(run_folders)
    profile = Profiles(default_home()).find(options.server)  # complains before anything is read
    report = _Progress(sys.stderr if options.json else sys.stdout, options.notes)
    comfy.use(HeadlessHost(report, options.server))
    workflow = load(path, node_classes, content)
    for assignment in options.set:
        workflow.set(_with_file(assignment))
    for note in [*workflow.notes, *ignored_inputs(workflow, node_classes)]:
        report.note(note)
    if options.rows:
        return run_rows(options, workflow, node_classes, run_folders, profile)
    prefixes.fill(workflow)
    dynamic_prompts.choose(workflow)
    task = Run(workflow, node_classes, run_folders, report)
    task.check()
    for note in task.listed_names.notes:
        report.note(note)
    if task.uses_torch:
        preload.torch()
    report.total = len(task.needed)
    return _ended(options, task, run_folders)


def _ended(options: argparse.Namespace, task: Run, run_folders: Folders) -> int:
    started = time.monotonic()
    status, error = DONE, None
    try:
        asyncio.run(_until_interrupted(task))
    except Cancelled as cancelled:
        status, error = CANCELLED, cancelled
    except VisionCraftError as failed:
        status, error = FAILED, failed
    if options.json:
        seconds = time.monotonic() - started
        summary = outcome(status, seconds, shown(task), failures(task), options.notes)
        if not print_line(sys.stdout, json.dumps(summary, indent=2)) and status == DONE:
            status = FAILED
            error = SaveFailed(
                "The result was made and saved, but could not be printed.",
                "Make room where standard output goes; running again sends nothing.",
            )
    if error:
        print_error(error, status)
    for _, further in task.failures:
        if str(further) != str(error):
            print_error(further, CANCELLED if isinstance(further, Cancelled) else FAILED)
    if status == CANCELLED:
        run_folders.writing.acquire()  # only a file that is being written is waited for
    return status


def _source(name: str) -> tuple[Path, bytes | None]:
    """The path of a workflow, and its content where it comes from standard input."""
    if name == STDIN:
        return Path("standard input"), sys.stdin.buffer.read()
    if name in EXAMPLES and not Path(name).exists():
        return path_of(name), None
    path = Path(name)
    if not path.suffix and not path.exists():
        near = did_you_mean(name, EXAMPLES)
        lists = f"{near} `visioncraft run --list` names the examples.".strip()
        raise WorkflowError(
            f"{clip(name, 60)}: there is no such file and no such example.",
            PROMPT_ADVICE if " " in name else lists,
        )
    return path, None


def _with_file(assignment: str) -> str:
    """`assignment` with the text of the file that stands after "=@"; "=@@" is a plain "@"."""
    name, sign, value = assignment.partition("=")
    if not sign or not value.startswith("@"):
        return assignment
    if value.startswith("@@"):
        return f"{name}={value[1:]}"
    path = Path(value[1:])
    try:
        return f"{name}={path.read_text('utf-8-sig').removesuffix(chr(10))}"
    except FileNotFoundError:
        raise WorkflowError(
            f"{clip(str(path), 120)}: there is no such file.",
            "Check the path after =@; write =@@ for a text that begins with @.",
        ) from None
    except (OSError, ValueError):
        raise WorkflowError(
            f"The file {clip(path.name, 60)} after =@ cannot be read as text.",
            "Check the path; write =@@ for a text that begins with @.",
        ) from None


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


class _Progress:
    """Prints a line for each node that ends, and where its files are."""

    def __init__(self, stream: TextIO, notes: list[str]) -> None:
        self._stream = stream
        self._ended = 0
        self._passing = False  # a line stands there that the next one replaces
        self.total = 0
        self._notes = notes

    def said(self, node: Node, text: str) -> None:
        if isinstance(text, Queued | Working):
            if self._stream.isatty():
                line = f"      {_title(node)}: {text}"
                print_line(self._stream, line, before="\r", after=ERASE)
                self._passing = True
        elif text != SANDBOX_NOTE:
            self._print(f"      {_title(node)}: {text}")
        elif text not in self._notes:
            self.note(text)

    def note(self, text: str) -> None:
        self._notes.append(text)
        self._print(f"Note: {text}")

    def finished(self, node: Node, seconds: float, shown: dict[str, list[Any]]) -> None:
        self._count(node, f"done in {seconds:.1f} s")
        for entry in (entry for entries in shown.values() for entry in entries):
            if isinstance(entry, Saved):
                self._print(f"Saved {_short(entry.path)}")
        for text in shown.get("text", []):
            self._print(str(text))

    def failed(self, node: Node) -> None:
        self._count(node, "stopped")

    def _count(self, node: Node, what: str) -> None:
        self._ended += 1
        self._print(f"[{self._ended}/{self.total}] {_title(node)}: {what}")

    def _print(self, line: str) -> None:
        over = {"before": "\r", "after": f"{ERASE}\n"} if self._passing else {}
        print_line(self._stream, line, **over)
        self._passing = False


def _title(node: Node) -> str:
    title = node.title or NODE_DISPLAY_NAME_MAPPINGS.get(node.class_type, node.class_type)
    return f"{clip(title, LONGEST_TITLE)} (#{node.id})"


def _short(path: Path) -> Path:
    here = Path.cwd()
    return path.relative_to(here) if path.is_relative_to(here) else path
