"""Who may use the routes of the pack, and what a request and an answer look like.

ComfyUI has no login: whoever reaches its port may ask. But a web page of another site that is
open in a user's browser must not. The rules follow those of the service
(visioncraft_core/service/origin_checks.py), except that ComfyUI is known by any name that leads to
it, so that the host of `Origin` is compared with `Host`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from aiohttp import web

from ...visioncraft_core.background import run_in_thread
from ...visioncraft_core.errors import VisionCraftError
from .. import comfy

Function = Callable[[Path, dict[str, Any]], Any]
"""A plain function that may block: the pack's home folder and the request's JSON object (of a GET
its query) give a JSON value. Errors of ours become {"error": sentence} with a status of 4xx."""

Route = tuple[str, str, Function]
"""Method, path below /visioncraft/ and function."""

PREFIX = "/visioncraft/"
MOST_BYTES = 64 * 1024
API_VERSION = 1
"""Grows when the form of a route changes; web/js/routes.js sends the one it was written for."""
VERSION_HEADER = "X-VisionCraft-API"


class Refused(Exception):
    """A request that a route does not accept, with what to do; `status` is that of the answer."""

    def __init__(self, message: str, advice: str, *, status: int = 400) -> None:
        super().__init__(f"{message} {advice}")
        self.status = status


def add(table: web.RouteTableDef, routes: Iterable[Route]) -> None:
    """Adds `routes` to those of a server that has not started yet."""
    for method, path, function in routes:
        table.route(method, PREFIX + path)(_handler(function))


def require_single_user() -> None:
    """Raises Refused where several people share this ComfyUI: a node cannot know whose run it is,
    so all of them share the servers, the keys and the results that are configured in files."""
    if comfy.host().is_multi_user():
        raise Refused(
            "This ComfyUI runs with --multi-user, and all its users share these settings.",
            "Whoever starts it can change them with the visioncraft command.",
            status=403,
        )


def _handler(function: Function) -> Callable[[web.Request], Any]:
    async def handle(request: web.Request) -> web.Response:
        try:
            _check(request)
            body = await _body(request)
            home = comfy.host().home()
            return _answer(await run_in_thread(lambda _cancel: function(home, body)), 200)
        except Refused as error:
            return _answer({"error": str(error)}, error.status)
        except VisionCraftError as error:
            return _answer({"error": str(error)}, 400)

    return handle


def _check(request: web.Request) -> None:
    hosts = {host.lower() for host in request.headers.getall("Host", [""])}
    origins = {_host_of(origin) for origin in request.headers.getall("Origin", [])}
    site = request.headers.get("Sec-Fetch-Site", "").lower()
    if len(hosts) != 1 or origins - hosts or "" in origins or site in ("cross-site", "same-site"):
        raise Refused("Another web page asked for this.", "Use ComfyUI's own page.", status=403)
    if request.headers.get(VERSION_HEADER, str(API_VERSION)) != str(API_VERSION):
        raise Refused(
            "VisionCraft was updated since this page was opened.", "Reload the page.", status=409
        )
    if request.method != "POST":
        return
    if request.content_type != "application/json" or "Content-Encoding" in request.headers:
        raise Refused("The request is not plain JSON.", "Send application/json.", status=415)
    if request.content_length is None:
        raise Refused("The request does not tell its length.", "Send one.", status=411)
    if request.content_length > MOST_BYTES:
        raise Refused("The request is too large.", f"Send at most {MOST_BYTES} bytes.", status=413)


async def _body(request: web.Request) -> dict[str, Any]:
    if request.method != "POST":
        return dict(request.query)
    try:
        body = json.loads(await request.read())
    except (ValueError, RecursionError):
        body = None
    if not isinstance(body, dict):
        raise Refused("The request is not a JSON object.", "Send one.")
    return body


def _host_of(origin: str) -> str:
    """The host and port that an `Origin` names, "" where it names none, as `null` does."""
    try:
        return urlsplit(origin).netloc.lower()
    except ValueError:
        return ""


def _answer(value: Any, status: int) -> web.Response:
    # ASCII, so that half a surrogate pair in a name is no error.
    text = json.dumps(value)
    headers = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
    return web.Response(text=text, status=status, headers=headers, content_type="application/json")
