"""One ComfyUI over its HTTP API and websocket: runs a graph and leaves nothing of it behind.

Knows no request of the API. ComfyUI's history is what counts: the websocket brings progress and
previews, and news that may be lost. Tried with ComfyUI 0.3.64 and 0.33.0.
"""

from __future__ import annotations

import asyncio
import json
import logging
import struct
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar
from uuid import uuid4

import aiohttp

from ....urls import origin_of
from ...engine import EngineUnavailable, GenerationFailed, Job, OutOfMemory
from .graphs import Graph

log = logging.getLogger("visioncraft.service")

T = TypeVar("T")

_FOLDER = "visioncraft"  # of uploads, in ComfyUI's folder of temporary files
_ANSWERS = aiohttp.ClientTimeout(total=120, sock_connect=5)
_HEARTBEAT = 30.0  # seconds between pings; ComfyUI may hold its loop while it loads a model
_QUIET = 10.0  # seconds without news after which ComfyUI is asked
_AGAIN = 0.1  # seconds until a prompt that was to stop is looked at again, at first
_CLOSES_WITHIN = 10.0  # seconds
_LARGEST_NEWS = 2**26  # bytes of a message; previews are small, unless somebody's nodes make others
_PREVIEW = struct.pack(">I", 1)  # begins a binary message, before four bytes for JPEG or PNG

_OUT_OF_MEMORY = ("outofmemory", "memoryerror")  # in names of exceptions
_NO_MEMORY = ("out of memory", "not enough memory", "can't allocate memory")  # in messages


class GraphRefused(Exception):
    """POST /prompt was answered with 400: ComfyUI lacks a node or file, or refuses a value.

    `class_type` and `input_name` say where, as far as ComfyUI told it; `reason` is its error type.
    """

    def __init__(self, reason: str, class_type: str, input_name: str) -> None:
        super().__init__(f"{reason} {class_type} {input_name}".strip())
        self.reason = reason
        self.class_type = class_type
        self.input_name = input_name


@dataclass
class _Run:
    """What one run has put into ComfyUI. `posts` are requests that must arrive or fail before it
    can be cleared up."""

    id: str = field(default_factory=lambda: str(uuid4()))
    posts: list[asyncio.Task[Any]] = field(default_factory=list)
    sent: bool = False  # the prompt; whether it arrived may be unknown
    files: list[Mapping[str, str]] = field(default_factory=list)

    async def post(self, request: Coroutine[Any, Any, T]) -> T:
        """Does `request`; if this is cancelled, the request is not."""
        task = asyncio.ensure_future(request)
        self.posts.append(task)
        return await asyncio.shield(task)


class Connection:
    """A ComfyUI at `url`. Use on one event loop, and `close` it there."""

    def __init__(self, url: str) -> None:
        self.origin = origin_of(url)
        self._url = url.rstrip("/")
        self._session: aiohttp.ClientSession | None = None
        self._clearing: set[asyncio.Task[None]] = set()

    async def files(self, folder: str) -> list[str]:
        """The model files that ComfyUI lists in `folder`, such as "checkpoints"; [] if it has no
        such folder. Raises EngineUnavailable."""
        listed = await self._json("GET", f"/models/{folder}", allowed=404, kind=list)
        return [str(name) for name in listed]

    async def node(self, class_type: str) -> Mapping[str, Any]:
        """What /object_info tells about a node; {} if there is none. Raises EngineUnavailable."""
        told = await self._json("GET", f"/object_info/{class_type}")
        return told.get(class_type, {})

    async def run(
        self, build: Callable[[Sequence[str]], Graph], job: Job, *uploads: bytes
    ) -> list[bytes]:
        """The pictures of a graph's result, PNG files with ComfyUI's metadata in them.

        `build` gets the names of the uploads. Raises GraphRefused, EngineUnavailable, OutOfMemory
        and GenerationFailed. However it ends, the prompt, its history and all its files go.
        """
        run = _Run()
        try:
            names = [await run.post(self._upload(run, content)) for content in uploads]
            graph = build(names)
            entry = await self._execute(run, graph, job)
            shown = entry.get("outputs", {}).get(graph.result, {}).get("images", [])
            if not shown:
                raise GenerationFailed("The generation gave no pictures. Ask again.")
            return [await self._view(file) for file in shown]
        finally:
            task = asyncio.ensure_future(self._clear_up(run))
            self._clearing.add(task)
            task.add_done_callback(self._cleared_up)

    async def close(self) -> None:
        """Waits a little for what is still being cleared up."""
        if self._clearing:
            await asyncio.wait(list(self._clearing), timeout=_CLOSES_WITHIN)
        for task in list(self._clearing):
            task.cancel()
        if self._session:
            await self._session.close()
            self._session = None

    def _cleared_up(self, task: asyncio.Task[None]) -> None:
        self._clearing.discard(task)
        if task.cancelled() or task.exception():
            log.warning("The ComfyUI at %s may keep files of a request.", self.origin)

    async def _execute(self, run: _Run, graph: Graph, job: Job) -> Mapping[str, Any]:
        """The history entry of a graph that succeeded."""
        progress = _Progress(graph, job)
        entry: Mapping[str, Any] | None = None
        while entry is None:
            opened = self._client.ws_connect(
                f"{self._url}/ws",
                params={"clientId": run.id},
                heartbeat=_HEARTBEAT,
                max_msg_size=_LARGEST_NEWS,
            )
            async with await _reached(opened, self.origin) as socket:
                if run.sent:  # what happened before this socket was there?
                    entry = await self._ended(run.id)
                else:  # the first socket, which must be there before the first news
                    await run.post(self._queue(run, graph))
                while entry is None:
                    try:
                        news = await socket.receive(_QUIET)
                    except asyncio.TimeoutError:
                        entry = await self._ended(run.id)
                        continue
                    if news.type is aiohttp.WSMsgType.BINARY:
                        progress.show(news.data)
                    elif news.type is not aiohttp.WSMsgType.TEXT:
                        break  # closed
                    elif progress.hear(news.data, run.id):
                        entry = await self._history(run.id)
            if entry is None:
                await asyncio.sleep(_AGAIN)
        _raise_failure(entry, self.origin)
        return entry

    async def _queue(self, run: _Run, graph: Graph) -> None:
        body = {
            "prompt": graph.nodes,
            "prompt_id": run.id,
            "client_id": run.id,
            # ComfyUI shows previews if it was started so; newer ones take it for each prompt.
            "extra_data": {"preview_method": "auto"},
        }
        run.sent = True
        answer = await self._json("POST", "/prompt", body, allowed=400)
        if "prompt_id" not in answer:
            raise _refusal(answer, graph)

    async def _ended(self, prompt_id: str) -> Mapping[str, Any] | None:
        """The history entry of a prompt, None while it waits or runs.

        Raises EngineUnavailable if ComfyUI does not know it: it has started anew.
        """
        # In this order, as prompts move from the queue into the history.
        waiting, running = await self._queued(prompt_id)
        if entry := await self._history(prompt_id):
            return entry
        if waiting or running:
            return None
        log.warning("The ComfyUI at %s has lost what it was asked for.", self.origin)
        raise EngineUnavailable

    async def _history(self, prompt_id: str) -> Mapping[str, Any] | None:
        return (await self._json("GET", f"/history/{prompt_id}")).get(prompt_id)

    async def _queued(self, prompt_id: str) -> tuple[bool, bool]:
        """Whether a prompt waits, and whether it runs."""
        queue = await self._json("GET", "/queue")
        lists = (queue.get("queue_pending", ()), queue.get("queue_running", ()))
        waiting, running = (any(item[1] == prompt_id for item in items) for items in lists)
        return waiting, running

    async def _upload(self, run: _Run, content: bytes) -> str:
        """The name of an uploaded PNG file for LoadImage."""
        file = {"filename": f"{uuid4().hex}.png", "subfolder": _FOLDER, "type": "temp"}
        run.files.append(file)
        await self._write(file, content)
        return f"{_FOLDER}/{file['filename']} [temp]"

    async def _write(self, file: Mapping[str, str], content: bytes) -> None:
        form = aiohttp.FormData({"subfolder": file["subfolder"], "type": file["type"]})
        form.add_field("overwrite", "true")
        form.add_field("image", content, filename=file["filename"], content_type="image/png")
        await self._json("POST", "/upload/image", form)

    async def _view(self, file: Mapping[str, str]) -> bytes:
        names = {name: str(file.get(name, "")) for name in ("filename", "subfolder", "type")}
        return await self._ask("GET", "/view", params=names)

    async def _clear_up(self, run: _Run) -> None:
        """Stops the prompt, forgets its history and empties its files, as ComfyUI deletes none."""
        await asyncio.gather(*run.posts, return_exceptions=True)
        try:
            if run.sent and (entry := await self._stopped(run.id)):
                run.files += _all_files(entry)
                await self._json("POST", "/history", {"delete": [run.id]})
        finally:
            await asyncio.gather(*(self._write(file, b"") for file in run.files))

    async def _stopped(self, prompt_id: str) -> Mapping[str, Any] | None:
        """The history entry of a prompt that is to stop; None if it was taken from the queue."""
        pause = _AGAIN
        while True:
            waiting, running = await self._queued(prompt_id)
            if waiting:
                await self._json("POST", "/queue", {"delete": [prompt_id]})
            elif running:  # a prompt that has just been begun forgets it, so it is told again
                await self._json("POST", "/interrupt", {"prompt_id": prompt_id})
            else:
                return await self._history(prompt_id)
            await asyncio.sleep(pause)
            pause = min(1.0, 2 * pause)

    async def _json(
        self, method: str, path: str, body: Any = None, *, allowed: int = 0, kind: type = dict
    ) -> Any:
        """The JSON that ComfyUI answers, of this kind; an empty one for none and for a 404."""
        sent = {"data": body} if isinstance(body, aiohttp.FormData) else {"json": body}
        content = await self._ask(method, path, allowed=allowed, **sent)
        try:
            told = json.loads(content) if content else kind()
        except ValueError:
            told = None
        if not isinstance(told, kind):
            log.warning("What answers at %s is no ComfyUI.", self.origin)
            raise EngineUnavailable
        return told

    @property
    def _client(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(timeout=_ANSWERS)
        return self._session

    async def _ask(self, method: str, path: str, *, allowed: int = 0, **options: Any) -> bytes:
        """What ComfyUI answers with 200 or the status `allowed`, b"" for a 404.

        Raises EngineUnavailable and GenerationFailed.
        """

        async def ask() -> tuple[int, bytes]:
            asked = self._client.request(method, self._url + path, allow_redirects=False, **options)
            async with asked as answer:
                return answer.status, await answer.read()

        status, content = await _reached(ask(), self.origin)
        if status not in (200, allowed):
            log.warning("The ComfyUI at %s answered %s with %s.", self.origin, path, status)
            if 400 <= status < 500:
                raise GenerationFailed(
                    "The engine of this server refused this. Try a smaller picture."
                )
            raise EngineUnavailable
        return b"" if status == 404 else content


class _Progress:
    """Passes on what a websocket tells about one graph."""

    def __init__(self, graph: Graph, job: Job) -> None:
        self._steps = graph.steps
        self._total = sum(graph.steps.values())
        self._done = dict.fromkeys(graph.steps, 0)
        self._job = job

    def show(self, message: bytes) -> None:
        if message[:4] == _PREVIEW:
            self._job.preview(message[8:])

    def hear(self, message: str, prompt_id: str) -> bool:
        """Whether the prompt has ended."""
        told = json.loads(message)
        data = told.get("data") or {}
        if data.get("prompt_id") != prompt_id:
            return False
        node = data.get("node")
        if told.get("type") == "progress" and node in self._steps and data.get("max"):
            share = min(1.0, data["value"] / data["max"])
            self._done[node] = round(self._steps[node] * share)
            self._job.progress(sum(self._done.values()), self._total)
        return told.get("type") == "executing" and node is None


async def _reached(asked: Awaitable[T], origin: str) -> T:
    """Awaits an exchange. Raises EngineUnavailable if there was no whole answer."""
    try:
        return await asked
    except (aiohttp.ClientError, asyncio.TimeoutError, OSError) as error:
        log.warning("The ComfyUI at %s does not answer (%s).", origin, type(error).__name__)
        raise EngineUnavailable from None


def _refusal(answer: Mapping[str, Any], graph: Graph) -> GraphRefused:
    """What stands in the answer to POST /prompt; never its texts, which quote values and paths."""
    for node in (answer.get("node_errors") or {}).values():
        for error in node.get("errors", ()):
            name = str((error.get("extra_info") or {}).get("input_name", ""))
            return GraphRefused(str(error.get("type", "")), str(node.get("class_type", "")), name)
    error = answer.get("error") or {}
    node = graph.nodes.get(str((error.get("extra_info") or {}).get("node_id")), {})
    return GraphRefused(str(error.get("type", "")), str(node.get("class_type", "")), "")


def _raise_failure(entry: Mapping[str, Any], origin: str) -> None:
    """Raises what a history entry tells of. ComfyUI's texts may hold prompts and paths."""
    status = entry.get("status") or {}
    if status.get("status_str") == "success":
        return
    for event, data in status.get("messages", ()):
        if event == "execution_interrupted":
            log.warning("Somebody stopped a prompt of the ComfyUI at %s.", origin)
            raise GenerationFailed("The generation was stopped on the server. Ask again.")
        if event == "execution_error":
            kind, node = str(data.get("exception_type")), data.get("node_type")
            log.warning("The ComfyUI at %s failed with %s in %s.", origin, kind, node)
            message = str(data.get("exception_message")).lower()
            if any(word in kind.lower() for word in _OUT_OF_MEMORY) or any(
                words in message for words in _NO_MEMORY
            ):
                raise OutOfMemory(
                    "The server has too little memory for this. Ask for a smaller picture, or "
                    "for fewer at once."
                )
            break
    raise GenerationFailed("The generation failed on the server. Its log names the cause.")


def _all_files(entry: Mapping[str, Any]) -> list[Mapping[str, str]]:
    """Every file that a prompt wrote, in whichever folder."""
    shown = (kept for node in entry.get("outputs", {}).values() for kept in node.values())
    files = (file for kept in shown if isinstance(kept, list) for file in kept)
    return [file for file in files if isinstance(file, dict) and "filename" in file]
