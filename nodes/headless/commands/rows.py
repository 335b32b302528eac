"""`visioncraft run --rows`: the progress of many runs, and how they ended."""

from __future__ import annotations

import argparse
import asyncio
import json
import signal
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, TextIO

from ....visioncraft_core.errors import Cancelled
from ....visioncraft_core.profiles.profile import Profile
from ... import comfy
from ...base import SANDBOX_NOTE
from .. import preload
from ..bulk import BulkRun, Ended
from ..canvas.workflow import Node, Workflow
from ..execution import HeadlessHost
from ..folders import Folders
from .console import CANCELLED, DONE, FAILED, described, outcome, print_error, print_line
from .outcomes import failures, shown

RESULTS = "results.jsonl"
MOST_SHOWN = 20  # numbers of rows


def run_rows(
    options: argparse.Namespace,
    workflow: Workflow,
    node_classes: Mapping[str, type],
    run_folders: Folders,
    profile: Profile,
) -> int:
    progress = _Progress(options.notes)
    comfy.use(HeadlessHost(progress, options.server))
    results = options.out.absolute() / RESULTS
    bulk = BulkRun(
        *(workflow, node_classes, run_folders, progress, options.rows, results),
        profile.base_url,
    )
    bulk.check()
    for note in bulk.listed_names.notes:
        progress.note(note)
    if gone := bulk.without_files:
        progress.note(
            f"The files of rows that are done are gone: row {_numbers(gone)}. To make them again, "
            f"delete their lines in {RESULTS}; what is in the store is not paid again."
        )
    if bulk.uses_torch:
        preload.torch()
    started = time.monotonic()
    status = DONE
    with progress.bar(bulk):
        try:
            asyncio.run(_until_interrupted(bulk, profile.max_concurrency, progress))
        except asyncio.CancelledError:
            progress.interrupted = True
    if progress.interrupted:
        status = CANCELLED
    elif progress.failed_rows:
        status = FAILED
    seconds = time.monotonic() - started
    error = bulk.ended_by.error if bulk.ended_by else None
    counts = {
        "total": bulk.total,
        "done": bulk.earlier + progress.done,
        "failed": sorted(progress.failed_rows),
        "left": bulk.total - bulk.earlier - progress.done - len(progress.failed_rows),
    }
    if options.json:
        errors = [described(error)] if error else []
        told = outcome(
            status,
            seconds,
            errors=errors,
            notes=options.notes,
            rows={**counts, "results": str(results)},
        )
        print_line(sys.stdout, json.dumps(told, indent=2))
    if error:
        print_error(error, FAILED)
        print_line(sys.stderr, "No more rows were begun: they would fail in the same way.")
    _sum_up(counts, options.out / RESULTS, sys.stderr if options.json else sys.stdout)
    if status == CANCELLED:
        stopped = _numbers(progress.maybe_charged)
        what = (
            f"Cancelled; what was under way may have been charged: row {stopped}."
            if stopped
            else ""
        )
        print_error(Cancelled(what or "Cancelled."), CANCELLED)
        run_folders.writing.acquire()
    return status


def _sum_up(counts: Mapping[str, Any], results: Path, stream: TextIO) -> None:
    failed = counts["failed"]
    words = f"{counts['done']} of {counts['total']} rows are done; their results are in {results}."
    print_line(stream, words)
    undone = [f"Failed: {_numbers(failed)}."] if failed else []
    undone += [f"{counts['left']} rows are left."] if counts["left"] else []
    if undone:
        print_line(stream, f"{' '.join(undone)} Run the same command again to go on with them.")


def _numbers(rows: list[int]) -> str:
    more = f" and {len(rows) - MOST_SHOWN} more" if len(rows) > MOST_SHOWN else ""
    return ", ".join(map(str, sorted(rows)[:MOST_SHOWN])) + more


async def _until_interrupted(bulk: BulkRun, at_once: int, progress: _Progress) -> None:
    task = asyncio.ensure_future(bulk.execute(at_once, _line_of, progress.ended))

    def interrupt() -> None:
        if progress.interrupted:
            task.cancel()
            return
        progress.interrupted = bulk.stopping = True
        progress.say("Stopping: the rows that are under way are finished. Ctrl-C again ends them.")

    loop = asyncio.get_running_loop()
    with suppress(NotImplementedError):  # Windows: there KeyboardInterrupt ends them at once
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, interrupt)
    await task


def _line_of(ended: Ended) -> str:
    status = FAILED if ended.error else DONE
    status = CANCELLED if isinstance(ended.error, Cancelled) else status
    told = outcome(status, ended.seconds, shown(ended.run), failures(ended.run))
    row = {"row": ended.row.number, "key": ended.key, "inputs": ended.row.values}
    return json.dumps({**row, **told}, ensure_ascii=False)


class _Progress:
    """A bar with rate and time left, and a line for each row that failed."""

    def __init__(self, notes: list[str]) -> None:
        self._bar: Any = None
        self._notes = notes
        self.done = 0
        self.failed_rows: list[int] = []
        self.maybe_charged: list[int] = []
        """Rows that were stopped when a call was under way."""
        self.interrupted = False

    def bar(self, bulk: BulkRun) -> Any:
        from tqdm import tqdm  # the other commands do without

        at_terminal = sys.stderr is not None and sys.stderr.isatty()
        self._bar = tqdm(
            total=bulk.total,
            initial=bulk.earlier,
            unit="row",
            mininterval=0.1 if at_terminal else 30.0,  # seconds; a log gets a line now and then
            dynamic_ncols=at_terminal,
        )
        return self._bar

    def ended(self, ended: Ended) -> None:
        if isinstance(ended.error, Cancelled):
            if ended.error.charged != "no":
                self.maybe_charged.append(ended.row.number)
            return
        self._bar.update()
        if ended.error is None:
            self.done += 1
            return
        self.failed_rows.append(ended.row.number)
        self.say(f"{ended.row.label}: {ended.error}")

    def note(self, text: str) -> None:
        self._notes.append(text)
        self.say(f"Note: {text}")

    def say(self, text: str) -> None:
        if self._bar is None:
            print_line(sys.stderr, text)
            return
        with suppress(OSError, ValueError):
            self._bar.write(text, file=sys.stderr)

    def said(self, node: Node, text: str) -> None:
        if text == SANDBOX_NOTE and text not in self._notes:
            self.note(text)

    def finished(self, node: Node, seconds: float, shown: dict[str, list[Any]]) -> None: ...

    def failed(self, node: Node) -> None: ...
