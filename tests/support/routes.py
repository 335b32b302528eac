"""The routes for the page, over HTTP, mounted as ComfyUI mounts them."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import requests
from aiohttp import web
from visioncraft.nodes.routes import ROUTES, guard


@contextmanager
def serving() -> Iterator[str]:
    """A server with the routes, in an event loop of its own; gives its address."""
    loop = asyncio.new_event_loop()

    async def start() -> tuple[web.AppRunner, str]:
        table = web.RouteTableDef()
        guard.add(table, ROUTES)
        app = web.Application()
        app.add_routes(table)
        runner = web.AppRunner(app)
        await runner.setup()
        listening = socket.create_server(("127.0.0.1", 0))
        await web.SockSite(runner, listening).start()
        return runner, f"http://127.0.0.1:{listening.getsockname()[1]}"

    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    runner, url = asyncio.run_coroutine_threadsafe(start(), loop).result(60)
    try:
        yield url
    finally:
        asyncio.run_coroutine_threadsafe(runner.cleanup(), loop).result(60)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


def post(server: str, path: str, body: Any) -> tuple[int, dict[str, Any]]:
    """The status and the JSON of what a route answers."""
    answer = requests.post(f"{server}/visioncraft/{path}", json=body, timeout=60)
    return answer.status_code, answer.json()
