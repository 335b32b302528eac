"""A server of the API in a process of its own, which has its results ready and counts connections.

The base URL says how it answers: http://127.0.0.1:PORT/FORM/SECONDS, where FORM is bytes, links,
base64 or chat and SECONDS is how long a generation takes; links take `LINK_SECONDS` each.
"""

from __future__ import annotations

import asyncio
import base64
import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any

import requests
from aiohttp import web

COUNT = 5  # files of one answer with links or base64


class ReadyServer:
    def __init__(self, address: str) -> None:
        self.address = address

    def url(self, form: str, seconds: float = 0.0) -> str:
        return f"{self.address}/{form}/{seconds:g}"

    def connections(self) -> int:
        """How many connections there were, without this one."""
        return requests.get(f"{self.address}/connections", timeout=30).json()


@contextmanager
def serving(picture: Path, link_seconds: float) -> Iterator[ReadyServer]:
    command = [sys.executable, __file__, str(picture), str(link_seconds)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        try:
            yield ReadyServer(f"http://127.0.0.1:{int(process.stdout.readline())}")
        finally:
            process.terminate()


def _app(picture: bytes, link_seconds: float) -> web.Application:
    seen: set[Any] = set()
    encoded = base64.b64encode(picture).decode()
    in_json = json.dumps({"images": [encoded] * COUNT}).encode()
    numbers = count(1)

    def file_of_its_own() -> web.Response:
        # No two are equal, or the second would be in the store already.
        return web.Response(body=picture + b"%d" % next(numbers), content_type="image/png")

    @web.middleware
    async def noted(request: web.Request, handler: Any) -> Any:
        if request.path != "/connections":
            seen.add(request.transport)
        return await handler(request)

    async def generate(request: web.Request) -> web.Response:
        await request.read()
        form = request.match_info["form"]
        await asyncio.sleep(float(request.match_info["seconds"]))
        if form == "bytes":
            return file_of_its_own()
        if form == "chat":
            return web.json_response({"choices": [{"message": {"content": "a fox"}}]})
        if form == "base64":
            body = in_json[:-1] + b', "number": %d}' % next(numbers)
            return web.Response(body=body, content_type="application/json")
        return web.json_response({"images": [f"/file/{n}.png" for n in range(COUNT)]})

    async def file(_request: web.Request) -> web.Response:
        await asyncio.sleep(link_seconds)
        return file_of_its_own()

    async def connections(_request: web.Request) -> web.Response:
        return web.json_response(len(seen))

    app = web.Application(client_max_size=2**30, middlewares=[noted])
    app.router.add_get("/connections", connections)
    app.router.add_get("/file/{name}", file)
    app.router.add_post("/{form}/{seconds}/{path:.*}", generate)
    return app


async def _serve(picture: bytes, link_seconds: float) -> None:
    runner = web.AppRunner(_app(picture, link_seconds), access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    (host, port), *_ = runner.addresses
    sys.stdout.write(f"{port}\n")
    sys.stdout.flush()
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(_serve(Path(sys.argv[1]).read_bytes(), float(sys.argv[2])))
