"""A server that speaks ComfyUI's HTTP API and websocket and makes small pictures without a model.

It judges graphs by what `comfyui_nodes.json` records of real nodes (0.3.64): their inputs, types,
ranges and outputs. `tests/engines` compares the record with real ComfyUIs.
"""

from __future__ import annotations

import asyncio
import io
import json
import struct
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import UUID

from aiohttp import WSCloseCode, web
from PIL import Image
from PIL.PngImagePlugin import PngInfo

NODES: dict[str, Any] = json.loads(Path(__file__).with_name("comfyui_nodes.json").read_text())
FOLDERS = {
    ("LoraLoader", "lora_name"): "loras",
    ("UpscaleModelLoader", "model_name"): "upscale_models",
    ("ADE_AnimateDiffLoaderGen1", "model_name"): "animatediff_models",
    ("CheckpointLoaderSimple", "ckpt_name"): "checkpoints",
    ("ImageOnlyCheckpointLoader", "ckpt_name"): "checkpoints",
}
PREVIEW = b"\xff\xd8 a preview"


def refusals(
    graph: Mapping[str, Any], nodes: Mapping[str, Any], files: Mapping[str, Any]
) -> Iterator[tuple[str, str, str, str]]:
    """What ComfyUI would refuse, as (node, error type, input name, why)."""
    for name, node in graph.items():
        class_type, given = node["class_type"], node["inputs"]
        declared = nodes[class_type]["input"]
        for key in set(declared.get("required", {})) - set(given):
            yield name, "required_input_missing", key, "is missing"
        for key, (kind, *limits) in {
            **declared["required"],
            **declared.get("optional", {}),
        }.items():
            if key not in given:
                continue
            value = given[key]
            if (class_type, key) in FOLDERS:
                kind = list(files.get(FOLDERS[class_type, key], ()))
            if isinstance(value, list):
                source = nodes[graph[value[0]]["class_type"]]["output"]
                if source[value[1]] != kind:
                    yield name, "return_type_mismatch", key, f"{source[value[1]]} is no {kind}"
            elif isinstance(kind, list):
                if (class_type, key) != ("LoadImage", "image") and value not in kind:
                    yield name, "value_not_in_list", key, f"{value} is not in the list"
            elif kind in ("INT", "FLOAT"):
                low, high = limits[0]["min"], limits[0]["max"]
                if (
                    type(value) is not {"INT": int, "FLOAT": float}[kind]
                    or not low <= value <= high
                ):
                    yield name, "value_bigger_than_max", key, f"{value} is not {low} to {high}"
            elif not isinstance(value, str if kind == "STRING" else bool):
                yield name, "invalid_input_type", key, f"{value} is no {kind}"


class StandIn:
    """Its state may be looked at and changed while it runs.

    `after_step` is awaited after each step of a sampler; `fails` maps class types to the type and
    the message of the exception that they raise.
    """

    def __init__(self, files: Mapping[str, list[str]], nodes: Mapping[str, Any] = NODES) -> None:
        self.url = ""
        self.nodes = dict(nodes)
        self.files = files
        self.fails: dict[str, tuple[str, str]] = {}
        self.after_step: Callable[[], Awaitable[None]] | None = None
        self.answering: Callable[[str], Awaitable[None]] | None = None  # gets the path
        self.written: dict[tuple[str, str, str], bytes] = {}
        self.history: dict[str, Any] = {}
        self.pending: list[tuple[int, str, dict[str, Any]]] = []
        self.running: list[tuple[int, str, dict[str, Any]]] = []
        self.prompts: list[dict[str, Any]] = []  # every body of POST /prompt
        self.interrupts: list[str] = []
        self.status = 0  # answers everything with it instead
        self._sockets: dict[str, web.WebSocketResponse] = {}
        self._interrupted = False
        self._work = asyncio.Event()

    @asynccontextmanager
    async def serve(self, port: int = 0) -> AsyncIterator[StandIn]:
        app = web.Application(client_max_size=2**28, middlewares=[self._maybe_broken])
        app.router.add_get("/ws", self._socket)
        app.router.add_post("/prompt", self._prompt)
        app.router.add_get("/queue", self._queue)
        app.router.add_post("/queue", self._delete)
        app.router.add_post("/interrupt", self._interrupt)
        app.router.add_get("/history/{id}", self._history)
        app.router.add_post("/history", self._forget)
        app.router.add_post("/upload/image", self._upload)
        app.router.add_get("/view", self._view)
        app.router.add_get("/models/{folder}", self._models)
        app.router.add_get("/object_info/{name}", self._object_info)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", port)
        await site.start()
        worker = asyncio.ensure_future(self._run_prompts())
        self.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        try:
            yield self
        finally:
            worker.cancel()
            await self.drop_sockets()
            await runner.cleanup()

    async def drop_sockets(self) -> None:
        for socket in list(self._sockets.values()):
            await socket.close(code=WSCloseCode.GOING_AWAY)

    def interrupt(self) -> None:
        """As somebody at the ComfyUI does."""
        self._interrupted = True

    def forget_all(self) -> None:
        """As a restart does."""
        self.pending, self.running, self.history = [], [], {}
        self._interrupted = True

    @web.middleware
    async def _maybe_broken(self, request: web.Request, handler: Any) -> web.StreamResponse:
        answer = web.Response(status=self.status) if self.status else await handler(request)
        if self.answering:
            await self.answering(request.path)
        return answer

    async def _socket(self, request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        client = request.query["clientId"]
        self._sockets[client] = socket
        await socket.send_json({"type": "status", "data": {"status": {}, "sid": client}})
        async for _ in socket:
            pass
        if self._sockets.get(client) is socket:
            del self._sockets[client]
        return socket

    async def _tell(self, client: str, event: str, **data: Any) -> None:
        if socket := self._sockets.get(client):
            await socket.send_json({"type": event, "data": data})

    async def _prompt(self, request: web.Request) -> web.Response:
        body = await request.json()
        self.prompts.append(body)
        errors: dict[str, Any] = {}
        for name, node in body["prompt"].items():
            if node["class_type"] not in self.nodes:
                told = {"type": "missing_node_type", "message": "a path", "details": ""}
                error = {**told, "extra_info": {"node_id": name}}
                return web.json_response({"error": error, "node_errors": {}}, status=400)
        for node, kind, name, why in refusals(body["prompt"], self.nodes, self.files):
            class_type = body["prompt"][node]["class_type"]
            entry = errors.setdefault(node, {"errors": [], "class_type": class_type})
            told = {"type": kind, "message": why, "details": why}
            entry["errors"].append({**told, "extra_info": {"input_name": name}})
        if errors:
            error = {
                "type": "prompt_outputs_failed_validation",
                "message": "/a/path",
                "details": "",
            }
            return web.json_response({"error": error, "node_errors": errors}, status=400)
        assert str(UUID(body["prompt_id"])) == body["prompt_id"]
        self.pending.append((0, body["prompt_id"], body))
        self._work.set()
        return web.json_response({"prompt_id": body["prompt_id"], "number": 0, "node_errors": {}})

    async def _run_prompts(self) -> None:
        while True:
            await self._work.wait()
            self._work.clear()
            while self.pending:
                item = self.pending.pop(0)
                self.running = [item]
                self._interrupted = False
                status, outputs = await self._run(item[1], item[2])
                if self.running == [item]:  # else it was forgotten
                    self.running = []
                    entry = {"prompt": [0, item[1], item[2]["prompt"]], "outputs": outputs}
                    self.history[item[1]] = {**entry, "status": status}
                    end = {"node": None, "prompt_id": item[1]}
                    await self._tell(item[2]["client_id"], "executing", **end)

    async def _run(self, prompt_id: str, body: Mapping[str, Any]) -> tuple[Any, Any]:
        graph, client = body["prompt"], body["client_id"]
        outputs: dict[str, Any] = {}
        count, size = 1, (64, 64)
        for name, node in graph.items():
            class_type, inputs = node["class_type"], node["inputs"]
            await self._tell(client, "executing", node=name, prompt_id=prompt_id)
            if class_type in self.fails:
                kind, message = self.fails[class_type]
                told = {"node_type": class_type, "exception_type": kind}
                failure = ["execution_error", {**told, "exception_message": message}]
                return {"status_str": "error", "messages": [failure]}, outputs
            if "width" in inputs and class_type != "CLIPTextEncodeSDXLRefiner":
                size = inputs["width"], inputs["height"]
                count = inputs.get("batch_size", inputs.get("video_frames", 1))
            if class_type == "LoadImage":
                picture = Image.open(io.BytesIO(self._uploaded(inputs["image"])))
                size = picture.size
            if class_type == "ImageUpscaleWithModel":
                size = 4 * size[0], 4 * size[1]
            steps = inputs.get("steps", 0) if class_type.startswith("KSampler") else 0
            steps = min(steps, inputs.get("end_at_step", steps)) - inputs.get("start_at_step", 0)
            for step in range(steps):
                told = {"value": step + 1, "max": steps, "node": name, "prompt_id": prompt_id}
                await self._tell(client, "progress", **told)
                if socket := self._sockets.get(client):
                    await socket.send_bytes(struct.pack(">II", 1, 1) + PREVIEW)
                if self.after_step:
                    await self.after_step()
                await asyncio.sleep(0)
                if self._interrupted:
                    return {
                        "status_str": "error",
                        "messages": [["execution_interrupted", {}]],
                    }, outputs
            if class_type == "PreviewImage":
                outputs[name] = {"images": [self._draw(graph, size, n) for n in range(count)]}
        return {"status_str": "success", "messages": []}, outputs

    def _uploaded(self, name: str) -> bytes:
        folder, _, rest = name.rpartition("/")
        filename, _, kind = rest.partition(" ")
        return self.written[kind.strip("[]"), folder, filename]

    def _draw(self, graph: Any, size: tuple[int, int], number: int) -> dict[str, str]:
        note = PngInfo()
        note.add_text("prompt", json.dumps(graph))
        buffer = io.BytesIO()
        picture = Image.linear_gradient("L").rotate(90 * number).resize(size).convert("RGB")
        picture.save(buffer, "PNG", pnginfo=note)
        file = {"filename": f"{len(self.written)}.png", "subfolder": "", "type": "temp"}
        self.written["temp", "", file["filename"]] = buffer.getvalue()
        return file

    async def _queue(self, _request: web.Request) -> web.Response:
        return web.json_response(
            {
                "queue_running": [[n, name, body["prompt"]] for n, name, body in self.running],
                "queue_pending": [[n, name, body["prompt"]] for n, name, body in self.pending],
            }
        )

    async def _delete(self, request: web.Request) -> web.Response:
        gone = (await request.json())["delete"]
        self.pending = [item for item in self.pending if item[1] not in gone]
        return web.Response()

    async def _interrupt(self, request: web.Request) -> web.Response:
        prompt_id = (await request.json())["prompt_id"]
        self.interrupts.append(prompt_id)
        self._interrupted = any(item[1] == prompt_id for item in self.running)
        return web.Response()

    async def _history(self, request: web.Request) -> web.Response:
        name = request.match_info["id"]
        return web.json_response({name: self.history[name]} if name in self.history else {})

    async def _forget(self, request: web.Request) -> web.Response:
        for name in (await request.json())["delete"]:
            self.history.pop(name, None)
        return web.Response()

    async def _upload(self, request: web.Request) -> web.Response:
        form: Any = await request.post()
        name = form["image"].filename
        assert form["overwrite"] == "true"
        self.written[form["type"], form["subfolder"], name] = form["image"].file.read()
        return web.json_response({"name": name})

    async def _view(self, request: web.Request) -> web.Response:
        asked = tuple(request.query[key] for key in ("type", "subfolder", "filename"))
        content = self.written.get(asked)  # type: ignore[arg-type]
        return web.Response(body=content) if content else web.Response(status=404)

    async def _models(self, request: web.Request) -> web.Response:
        return web.json_response(self.files.get(request.match_info["folder"], []))

    async def _object_info(self, request: web.Request) -> web.Response:
        name = request.match_info["name"]
        if name not in self.nodes:
            return web.json_response({})
        told = json.loads(json.dumps(self.nodes[name]))
        for (class_type, key), folder in FOLDERS.items():
            if class_type == name:
                told["input"]["required"][key][0] = self.files.get(folder, [])
        return web.json_response({name: told})
