"""Runs a graph of nodes: independent ones at the same time, lists one run for each item.

Follows ComfyUI 0.3.64's execution.py in what a node is given and how its outputs are joined. Knows
no file format and no command line.
"""

from __future__ import annotations

import asyncio
import inspect
import time
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from functools import cache
from typing import Any, Protocol

from ...visioncraft_core.background import Background
from ...visioncraft_core.errors import Cancelled, VisionCraftError, WorkflowError
from ...visioncraft_core.generation.context import OnProgress
from .. import comfy
from ..server import selected_profile, with_key
from . import folders, prefixes
from .canvas.graph import in_order
from .canvas.workflow import Link, Node, Workflow
from .folders import Folders, Saved
from .listed_names import ListedNames
from .validation import needed_nodes, require_torch, validate

MOST_CHARACTERS = 20_000_000  # of all texts that are known before the run

_running: ContextVar[Node] = ContextVar("node")


class Report(Protocol):
    """Hears what a run does."""

    def said(self, node: Node, text: str) -> None: ...

    def finished(self, node: Node, seconds: float, shown: dict[str, list[Any]]) -> None: ...

    def failed(self, node: Node) -> None: ...


class HeadlessHost(comfy.QuietHost):
    """What the nodes see instead of ComfyUI. Ctrl-C cancels the tasks of the nodes."""

    poll_interval = None  # many rows at once would only wake up in vain

    def __init__(self, report: Report, server: str) -> None:
        self._report = report
        self._server = server

    def progress_callback(self) -> OnProgress:
        node = _running.get(None)
        if node is None:
            return super().progress_callback()
        return lambda text: self._report.said(node, text)

    def default_server(self) -> str:
        return self._server

    def save(self, content: bytes, prefix: str, suffix: str) -> Saved:
        return folders.current.get().save([content], prefix, suffix, "output", (0, 0))[0]


class Run:
    """One run of one workflow. `check` first; `execute` once."""

    def __init__(
        self,
        workflow: Workflow,
        node_classes: Mapping[str, type],
        run_folders: Folders,
        report: Report,
    ) -> None:
        self._workflow = workflow
        self._classes = node_classes
        self._folders = run_folders
        self._report = report
        self._prompt = workflow.prompt()
        self._tasks: dict[str, asyncio.Task[list[list[Any]]]] = {}
        self.failures: list[tuple[Node, VisionCraftError]] = []
        self.needed: list[str] = []
        self.uses_torch = False
        self.listed_names = ListedNames()
        self.shown: dict[str, dict[str, list[Any]]] = {}
        """What the output nodes showed, by node id and ComfyUI's own keys (images, text ...)."""

    def check(self) -> None:
        """Raises WorkflowError, ConfigError or SaveFailed for all that can be known before the
        first call."""
        self.needed = needed_nodes(self._workflow, self._classes)
        validate(self._workflow, self._classes, self.needed)
        self.uses_torch = require_torch(self._workflow, self._classes, self.needed)
        self._require_key()
        self._folders.prepare()
        self.check_prefixes()
        self.listed_names.check(self._workflow, self._classes, self.needed)

    def check_prefixes(self) -> None:
        """Raises WorkflowError for a filename prefix that is known and cannot be used."""
        prefixes.refuse_unusable(self._workflow, self.needed, self._folders, self._known_texts())

    def _known_texts(self) -> dict[Link, str]:
        """What comes out of nodes that only write or join texts, by its link.

        Raises WorkflowError where these together would fill the memory.
        """
        known: dict[Link, str] = {}
        room = MOST_CHARACTERS
        nodes = {node_id: self._workflow.nodes[node_id] for node_id in self.needed}
        for node_id in in_order(nodes):
            cls: Any = self._classes[nodes[node_id].class_type]
            if not getattr(cls, "ONLY_TEXT", False):
                continue
            given = {name: nodes[node_id].inputs[name] for name in cls.REQUIRED}
            if all(not isinstance(value, Link) or value in known for value in given.values()):
                values = {n: known[v] if isinstance(v, Link) else v for n, v in given.items()}
                text = str(cls().run(**values)[0])
                room -= len(text)
                if room < 0:
                    raise WorkflowError(
                        f"The workflow joins texts to more than {MOST_CHARACTERS} characters.",
                        "Nothing was run; join fewer of them.",
                    )
                known[Link(node_id, 0)] = text
        return known

    def _require_key(self) -> None:
        # In ComfyUI the first node that needs it says so; here nothing has to run for that.
        nodes = (self._workflow.nodes[node_id] for node_id in self.needed)
        asking = (n for n in nodes if hasattr(self._classes[n.class_type], "REQUEST"))
        for server in dict.fromkeys(node.inputs.get("server", "") for node in asking):
            if isinstance(server, str):
                with_key(selected_profile(server))

    async def execute(self) -> None:
        """Runs everything needed. A failure stops what depends on it; the rest, which may be paid,
        still ends and is saved. Then the first failure is raised."""
        for node_id in self.needed:
            self._tasks[node_id] = asyncio.ensure_future(self._node(self._workflow.nodes[node_id]))
        try:
            await asyncio.gather(*self._tasks.values(), return_exceptions=True)
        finally:
            # In file order, not in the order in which they happened to end.
            shown = self.shown
            self.shown = {node: shown[node] for node in self.needed if node in shown}
        if self.failures:
            raise self.failures[0][1]

    async def _node(self, node: Node) -> list[list[Any]]:
        """The outputs of `node`: a list of values for each slot."""
        inputs = {name: await self._values(value) for name, value in node.inputs.items()}
        started = time.monotonic()
        _running.set(node)
        try:
            results = await self._mapped(node, inputs)
        except asyncio.CancelledError:
            self._report.failed(node)
            raise
        except Exception as error:  # noqa: BLE001 - host nodes raise whatever Pillow and torch do
            self._report.failed(node)
            makes = hasattr(self._classes[node.class_type], "REQUEST")
            told = _stopped(node, makes=makes) if isinstance(error, Cancelled) else error
            self.failures.append((node, _explained(told, node)))
            raise self.failures[-1][1] from None
        shown = _joined_shown(results)
        if shown:
            self.shown[node.id] = shown
        self._report.finished(node, time.monotonic() - started, shown)
        return _joined_outputs(self._classes[node.class_type], results)

    async def _values(self, value: Any) -> list[Any]:
        if not isinstance(value, Link):
            return [value]
        # Waiting for another node's task must not cancel it when this one is cancelled.
        return (await asyncio.shield(self._tasks[value.node]))[value.slot]

    async def _mapped(self, node: Node, inputs: dict[str, list[Any]]) -> list[Any]:
        cls: Any = self._classes[node.class_type]
        for name, kind in _hidden_inputs(cls).items():
            inputs[name] = [self._hidden(kind, node)]
        function = getattr(cls(), cls.FUNCTION)
        if getattr(cls, "INPUT_IS_LIST", False):
            return [await _called(function, inputs)]
        longest = max((len(values) for values in inputs.values()), default=1)
        if any(not values for values in inputs.values()):
            raise WorkflowError(
                f"{node.class_type} (#{node.id}) was given an empty list.",
                "Check the node that feeds it.",
            )
        # A shorter list repeats its last value.
        items = [{n: v[min(i, len(v) - 1)] for n, v in inputs.items()} for i in range(longest)]
        if inspect.iscoroutinefunction(function):
            return await _together([_called(function, item) for item in items])
        # As in ComfyUI one after the other: savers number their files in this order.
        return [await _called(function, item) for item in items]

    def _hidden(self, kind: str, node: Node) -> Any:
        canvas = self._workflow.canvas
        extra = {"workflow": canvas} if canvas else {}
        hidden = {"UNIQUE_ID": node.id, "PROMPT": self._prompt, "EXTRA_PNGINFO": extra}
        return hidden.get(kind)


@cache
def _hidden_inputs(cls: Any) -> Mapping[str, str]:
    """What a class wants to know of its run. Asked once: INPUT_TYPES reads files."""
    return cls.INPUT_TYPES().get("hidden", {})


def _stopped(node: Node, *, makes: bool) -> Cancelled:
    """The end of a node that was under way; one that `makes` something has called the server."""
    if not makes:
        return Cancelled(f"{node.label} was cancelled.", charged="no")
    # Not waited for: how far the call came is known only when its thread has ended.
    return Cancelled(
        f"{node.label} was cancelled; its call may have been charged.",
        "The server may still finish it.",
    )


def _explained(error: Exception, node: Node) -> VisionCraftError:
    if isinstance(error, VisionCraftError):
        return error
    # Of the system's errors without the path, which names a user.
    words = error.strerror if isinstance(error, OSError) else str(error)
    reason = words or type(error).__name__
    return WorkflowError(
        f"{node.class_type} (#{node.id}) failed: {reason.rstrip('.')}.",
        "Check its inputs and run again.",
    )


async def _together(calls: list[Any]) -> list[Any]:
    """The results of `calls` in their order; the first failure ends the others and is raised."""
    tasks = [asyncio.ensure_future(call) for call in calls]
    try:
        return list(await asyncio.gather(*tasks))
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _called(function: Callable[..., Any], inputs: dict[str, Any]) -> Any:
    if inspect.iscoroutinefunction(function):
        return await function(**inputs)
    job = Background(lambda: function(**inputs))
    await job.done
    return job.result()


def _joined_shown(results: list[Any]) -> dict[str, list[Any]]:
    shown: dict[str, list[Any]] = {}
    for result in results:
        for key, entries in (result.get("ui", {}) if isinstance(result, dict) else {}).items():
            shown.setdefault(key, []).extend(entries)
    return shown


def _joined_outputs(cls: Any, results: list[Any]) -> list[list[Any]]:
    """One list for each output: an OUTPUT_IS_LIST one takes its items, others one per run."""
    plain = [r.get("result", ()) if isinstance(r, dict) else r for r in results]
    as_list = getattr(cls, "OUTPUT_IS_LIST", [False] * len(cls.RETURN_TYPES))
    outputs: list[list[Any]] = []
    for slot, is_list in enumerate(as_list):
        values = [result[slot] for result in plain if slot < len(result)]
        outputs.append([item for value in values for item in value] if is_list else values)
    return outputs
