"""The HTTP face of the sandbox: every path of the API, judged by the declarations.

Errors look like FastAPI's, as the service's did, except that a 422 never repeats the body, which
holds the key. Web pages on the user's computer must not reach it, so foreign `Host` and `Origin`
headers and form content types are refused.
"""

from __future__ import annotations

import asyncio
import json
import logging
import secrets
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from aiohttp import web

from ..catalogs import bundled
from ..config import SANDBOX_FREE_KEY, SANDBOX_PREMIUM_KEY
from ..endpoints import CATALOGS, ENDPOINTS, JOB_STATUS_PATH
from ..errors import ConfigError
from ..fields import Choice, InvalidFields, Problem, Request
from .faults import Plan
from .shapes import SPECIFIED, Answer, Desk, answer, names
from .studio import NotAPicture, Studio

log = logging.getLogger("visioncraft.sandbox")

LARGEST_BODY = 32 * 2**20
MOST_RESULTS = 200  # the oldest are forgotten: a long session must not fill the memory

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class App:
    """One sandbox: its studio, its results and what it was told to do wrong."""

    def __init__(
        self,
        *,
        latency: float = 0.0,
        faults: Sequence[Plan] = (),
        shapes: Mapping[str, str] | None = None,
    ) -> None:
        self.latency = latency
        self.faults = tuple(faults)
        self.shapes = _chosen(shapes or {})
        self.requests: list[str] = []
        self.address: tuple[str, int] = ("127.0.0.1", 0)  # known once the server listens
        self._studio = Studio()
        self._results: dict[str, bytes] = {}
        self._jobs: dict[str, list[str]] = {}
        self._asked_jobs: set[str] = set()

    def build(self) -> web.Application:
        app = web.Application(
            client_max_size=LARGEST_BODY,
            middlewares=[_errors_as_json, self._own_visitors, self._count],
        )
        for catalog in CATALOGS.values():
            app.router.add_get(catalog.path, _listing(bundled()[catalog.name]))
        for kind in ENDPOINTS:
            app.router.add_post(kind.path, self._endpoint(kind))
        app.router.add_post(JOB_STATUS_PATH, self._job_status)
        app.router.add_get("/results/{name}", self._result)
        return app

    @web.middleware
    async def _own_visitors(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        host, port = self.address
        names = (host, "127.0.0.1", "localhost", "[::1]")
        own = {f"{name}:{port}" for name in names} | (set(names) if port == 80 else set())
        # Bound to every address, it is known by names that it cannot know itself.
        if request.host.lower() not in own and host not in ("0.0.0.0", "::"):  # noqa: S104
            raise web.HTTPForbidden(reason="Wrong Host header")
        origin = request.headers.get("Origin")
        if origin and origin.partition("://")[2] not in own:
            raise web.HTTPForbidden(reason="Foreign origin")
        kind = request.headers.get("Content-Type", "application/json").partition(";")[0].strip()
        if request.method == "POST" and kind.lower() != "application/json":
            raise web.HTTPUnsupportedMediaType
        if (request.content_length or 0) > LARGEST_BODY:
            raise web.HTTPRequestEntityTooLarge(LARGEST_BODY, request.content_length or 0)
        return await handler(request)

    @web.middleware
    async def _count(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        self.requests.append(f"{request.method} {request.path}")
        for plan in self.faults:
            if fault := plan.strike(request.path):
                await request.read()
                return await fault(request)
        return await handler(request)

    def _endpoint(self, kind: type[Request]) -> Handler:
        async def handle(request: web.Request) -> web.StreamResponse:
            body = await _body(request)
            asked = _judged(kind, body)
            if body["token"] not in (SANDBOX_FREE_KEY, SANDBOX_PREMIUM_KEY):
                return _error(403, "Invalid API key.")
            if unknown := _unknown_name(asked):
                return _error(400, unknown)
            if body["token"] == SANDBOX_FREE_KEY and asked.needs_premium():
                return _error(413, "This needs a premium subscription ($5 per month).")
            await asyncio.sleep(self.latency)
            try:
                work = await asyncio.to_thread(self._studio.make, asked)
            except NotAPicture:
                return _refused([Problem("image", "is not a picture that can be opened")])
            return _response(answer(self.shapes[kind], work, asked, self._desk(request)))

        return handle

    def _desk(self, request: web.Request) -> Desk:
        def publish(content: bytes) -> str:
            kind = Answer(content=content).content_type.partition("/")[2]
            name = f"{secrets.token_hex(16)}.{kind}"
            self._results[name] = content
            while len(self._results) > MOST_RESULTS:
                del self._results[next(iter(self._results))]
            return f"{request.scheme}://{request.host}/results/{name}"

        def enqueue(urls: list[str]) -> str:
            job = secrets.token_hex(16)
            self._jobs[job] = urls
            return job

        return Desk(publish, enqueue)

    async def _result(self, request: web.Request) -> web.StreamResponse:
        content = self._results.get(request.match_info["name"])
        if content is None:
            raise web.HTTPNotFound
        headers = {
            "X-Content-Type-Options": "nosniff",
            "Cache-Control": "no-store",
            "Content-Security-Policy": "default-src 'none'; sandbox",
        }
        kind = Answer(content=content).content_type
        return web.Response(body=content, content_type=kind, headers=headers)

    async def _job_status(self, request: web.Request) -> web.StreamResponse:
        body = await _body(request)
        job = body.get("job_id")
        if not isinstance(job, str) or job not in self._jobs:
            return _error(404, "There is no such job.")
        if job not in self._asked_jobs:
            self._asked_jobs.add(job)
            return web.json_response({"status": "generating", "image": ""})
        urls = self._jobs[job]
        return web.json_response({"status": "success", "image": urls[0], "images": urls})


def _chosen(shapes: Mapping[str, str]) -> dict[type[Request], str]:
    kinds = {kind.path.strip("/"): kind for kind in ENDPOINTS}
    chosen = dict(SPECIFIED)
    for path, shape in shapes.items():
        if path.strip("/") not in kinds or shape not in names():
            raise ConfigError(
                f"The shape {path}={shape} is not understood.",
                f"Write PATH=SHAPE; the shapes are {', '.join(names())}.",
            )
        chosen[kinds[path.strip("/")]] = shape
    return chosen


def _listing(entries: list[str]) -> Handler:
    async def handle(_request: web.Request) -> web.StreamResponse:
        return web.json_response(entries)

    return handle


async def _body(request: web.Request) -> dict[str, Any]:
    """The JSON object that was posted. Raises the 422 that FastAPI would answer."""
    try:
        body = json.loads(await request.read())
    except (ValueError, RecursionError):
        raise _Refusal([Problem("", "is not JSON", "json_invalid")]) from None
    if not isinstance(body, dict):
        raise _Refusal([Problem("", "must be an object", "dict_type")])
    return body


def _judged(kind: type[Request], body: dict[str, Any]) -> Request:
    token = body.get("token")
    problems = [] if isinstance(token, str) else [Problem("token", "must be text", "string_type")]
    if "token" not in body:
        problems = [Problem("token", "is required", "missing")]
    try:
        request = kind.from_json(body)
    except InvalidFields as error:
        raise _Refusal([*error.problems, *problems]) from None
    if problems:
        raise _Refusal(problems)
    return request


def _unknown_name(request: Request) -> str:
    for field in request.fields():
        if isinstance(field.kind, Choice):
            known = bundled()[field.kind.catalog]
            name = getattr(request, field.name)
            if name.lower() not in (entry.lower() for entry in known):
                return f"This server doesn't have {field.name} {name[:60]}."
    return ""


class _Refusal(Exception):
    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__()
        self.problems = problems


def _refused(problems: Sequence[Problem]) -> web.Response:
    detail = [
        {"loc": ["body", p.field] if p.field else ["body"], "msg": p.message, "type": p.type}
        for p in problems
    ]
    return web.json_response({"detail": detail}, status=422)


def _error(status: int, text: str) -> web.Response:
    return web.json_response({"error": text}, status=status)


def _response(made: Answer) -> web.Response:
    if made.content:
        return web.Response(body=made.content, content_type=made.content_type)
    return web.json_response(made.json)


@web.middleware
async def _errors_as_json(request: web.Request, handler: Handler) -> web.StreamResponse:
    try:
        return await handler(request)
    except _Refusal as refusal:
        return _refused(refusal.problems)
    except web.HTTPException as error:
        headers = {"Allow": error.headers["Allow"]} if "Allow" in error.headers else None
        return web.json_response({"detail": error.reason}, status=error.status, headers=headers)
    except Exception:
        log.exception("%s %s failed", request.method, request.path)
        return web.json_response({"detail": "Internal Server Error"}, status=500)
