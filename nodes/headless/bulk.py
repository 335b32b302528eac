"""One run of a workflow for each row of a table, several at a time, to be stopped and continued.

All rows are judged before the first is run. What a row gave is one line of the results file, and a
row that is done there is not run again; what was paid for a row that was stopped is in the store.
"""

from __future__ import annotations

import asyncio
import json
import random
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any

from ...visioncraft_core.errors import (
    Cancelled,
    ConfigError,
    ConnectionFailed,
    EndpointNotFound,
    HTMLResponse,
    KeyRejected,
    RateLimitWaitExceeded,
    SaveFailed,
    VisionCraftError,
    WorkflowError,
    clip,
)
from ...visioncraft_core.profiles.paths import shown
from . import dynamic_prompts, prefixes
from .canvas.workflow import Workflow
from .execution import Report, Run
from .folders import Folders
from .listed_names import ListedNames
from .table import Row, rows
from .validation import declared_by, validate

# What no other row would fare better with: the key, the address, the disk.
ENDS_ALL = (
    *(ConfigError, ConnectionFailed, EndpointNotFound, HTMLResponse),
    *(KeyRejected, RateLimitWaitExceeded, SaveFailed),
)
# More rows than calls: while the pictures of some are saved, the others keep the server busy.
BEYOND_CALLS = 2
SAME_FAILURES = 5  # rows in a row that end alike: what they have in common is what fails


@dataclass(frozen=True)
class Ended:
    """How a row ended; `error` is None where all of it is done, Cancelled where it was stopped."""

    row: Row
    key: str
    run: Run
    seconds: float
    error: VisionCraftError | None


class BulkRun:
    """The runs of one table. `check` first; `execute` once.

    `server` tells the servers apart that rows were run on. `results` is where `line_of` each row
    that ended is added.
    """

    def __init__(
        self,
        workflow: Workflow,
        node_classes: Mapping[str, type],
        run_folders: Folders,
        report: Report,
        table: Path,
        results: Path,
        server: str,
    ) -> None:
        self._workflow = workflow
        self._classes = node_classes
        self._folders = run_folders
        self._report = report
        self._table = table
        self._results = results
        self._base = json.dumps([server, workflow.prompt()], sort_keys=True).encode()
        self._targets: dict[str, tuple[str, str]] = {}
        self._needed: list[str] = []
        self._done: dict[str, bool] = {}  # key of a row that is done: whether its files are there
        self.uses_torch = False
        self.listed_names = ListedNames()
        self.total = 0
        self.earlier = 0
        """How many rows an earlier run did."""
        self.without_files: list[int] = []
        """Those of them whose files are gone."""
        self.stopping = False
        """Set it to begin no more rows."""
        self.ended_by: Ended | None = None
        """The row whose failure ended all."""
        self._last_failure: tuple[type, str] | None = None
        self._alike = 0

    def check(self) -> None:
        """Raises WorkflowError, ConfigError or SaveFailed for all that can be known before the
        first call."""
        declared = cache(declared_by)
        self._done = self._read_results()
        wrong: list[tuple[Row, WorkflowError]] = []
        for row, key in self._keyed():
            self._check_header(row.header)
            try:
                workflow = self._workflow_of(row)
                run = Run(workflow, self._classes, self._folders, self._report)
                if not self._needed:
                    run.listed_names = self.listed_names
                    run.check()
                    self._needed, self.uses_torch = run.needed, run.uses_torch
                else:
                    given = {node for node, _ in self._targets.values()}
                    changed = [node for node in self._needed if node in given]
                    validate(workflow, self._classes, changed, declared)
                    run.needed = self._needed
                    run.check_prefixes()
                    self.listed_names.check(workflow, self._classes, changed)
            except WorkflowError as error:
                wrong.append((row, error))
            self.total += 1
            self.earlier += key in self._done
            if self._done.get(key) is False:
                self.without_files.append(row.number)
        if wrong:
            row, error = wrong[0]
            others = len(wrong) - 1
            more = f" (and {others} more row{'s' * (others > 1)})" if others else ""
            raise error.replace(message=f"{row.label}: {error.message.rstrip('.')}{more}.")
        if not self.total:
            raise WorkflowError(
                f"{self._table.name} has no rows.", "Write one line for each run, below the header."
            )

    def _check_header(self, columns: Iterable[str]) -> None:
        for column in columns:
            if column not in self._targets:
                try:
                    self._targets[column] = self._workflow.target(column)
                except WorkflowError as error:
                    where = f"The header of {clip(self._table.name, 60)} (line 1)"
                    raise error.replace(message=f"{where}: {error.message}") from None

    async def execute(
        self, at_once: int, line_of: Callable[[Ended], str], on_end: Callable[[Ended], None]
    ) -> None:
        """Runs the rows that are not done, and calls `on_end` after each. Raises SaveFailed where
        the results file cannot be written; how rows failed is for `on_end`."""
        pending = (each for each in self._keyed() if each[1] not in self._done)
        with self._open_results() as file:

            async def work() -> None:
                for row, key in pending:
                    ended = await self._run(row, key)
                    try:
                        file.write(line_of(ended) + "\n")
                        file.flush()
                    except OSError as error:
                        self.stopping = True
                        raise _unwritable(self._results, error) from None
                    if self._ends_all(ended.error) and not self.stopping:
                        self.stopping, self.ended_by = True, ended
                    on_end(ended)
                    if self.stopping or isinstance(ended.error, Cancelled):
                        return

            workers = [asyncio.ensure_future(work()) for _ in range(at_once + BEYOND_CALLS)]
            try:
                await asyncio.gather(*workers)
            finally:
                self.stopping = True
                for worker in workers:
                    worker.cancel()
                await asyncio.gather(*workers, return_exceptions=True)

    def _ends_all(self, error: VisionCraftError | None) -> bool:
        """Whether a row that ended so says that the next ones would fail in the same way."""
        failure = (type(error), error.message) if error else None
        self._alike = self._alike + 1 if failure == self._last_failure else 1
        self._last_failure = failure
        return isinstance(error, ENDS_ALL) or bool(error and self._alike >= SAME_FAILURES)

    async def _run(self, row: Row, key: str) -> Ended:
        workflow = self._workflow_of(row)
        prefixes.fill(workflow)
        # The same choice in the next run: another one would be another call.
        dynamic_prompts.choose(workflow, random.Random(key).choice)  # noqa: S311
        run = Run(workflow, self._classes, self._folders, self._report)
        run.needed = self._needed
        started, error = time.monotonic(), None
        try:
            await run.execute()
        except VisionCraftError as raised:
            error = raised
        except asyncio.CancelledError:  # told like any other end, because it may have cost
            sent = any(each.charged != "no" for _, each in run.failures)
            error = Cancelled("Cancelled.", charged="maybe" if sent else "no")
        return Ended(row, key, run, time.monotonic() - started, error)

    def _workflow_of(self, row: Row) -> Workflow:
        nodes = self._workflow.nodes.items()
        copies = {name: replace(node, inputs=dict(node.inputs)) for name, node in nodes}
        workflow = replace(self._workflow, nodes=copies)
        for column, text in row.values.items():
            if column not in self._targets:
                self._targets[column] = self._workflow.target(column)
            node, name = self._targets[column]
            workflow.set(f"{node}.{name}={text}")
        return workflow

    def _keyed(self) -> Iterator[tuple[Row, str]]:
        """Each row with a key that is the same in every run of this workflow and table."""
        seen: Counter[bytes] = Counter()  # a row that stands there twice is wanted twice
        for row in rows(self._table):
            content = json.dumps(row.values, sort_keys=True).encode()
            digest = sha256(self._base + content).digest()
            seen[digest] += 1
            yield row, sha256(digest + seen[digest].to_bytes(8, "big")).hexdigest()[:32]

    def _read_results(self) -> dict[str, bool]:
        done: dict[str, bool] = {}
        try:
            with self._results.open("rb") as file:
                for line in file:
                    with suppress(ValueError, RecursionError):  # one that was cut when it ended
                        entry = json.loads(line)
                        if isinstance(entry, dict) and entry.get("status") == "done":
                            done[str(entry.get("key"))] = _files_are_there(entry.get("outputs"))
        except FileNotFoundError:
            pass
        except OSError as error:
            raise _unwritable(self._results, error) from None
        return done

    def _open_results(self) -> Any:
        try:
            file = self._results.open("a+b")
            if file.tell():
                file.seek(-1, 2)
                if file.read(1) != b"\n":
                    file.write(b"\n")
            file.close()
            return self._results.open("a", encoding="utf-8", newline="\n")
        except OSError as error:
            raise _unwritable(self._results, error) from None


def _files_are_there(outputs: Any) -> bool:
    """Whether all that a row saved is still there; of previews it is not expected."""
    with suppress(AttributeError, TypeError):  # a line that somebody changed
        entries = [e for shown in outputs.values() for found in shown.values() for e in found]
        files = (e for e in entries if isinstance(e, dict) and e.get("type") == "output")
        return all(Path(each.get("path", "")).exists() for each in files)
    return True


def _unwritable(path: Path, error: OSError) -> SaveFailed:
    return SaveFailed(
        f"The list of results, {clip(shown(path), 100)}, cannot be written ({error.strerror}).",
        "Make room, or choose another folder with --out; rows that are done are not paid again.",
    )
