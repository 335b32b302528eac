"""The HTTP face of the sandbox: every path of the API, judged by the declarations.

Errors look like FastAPI's, as the service's did, except that a 422 never repeats the body, which
holds the key.
"""

from __future__ import annotations

import asyncio
import json
import logging
import secrets
import traceback
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from aiohttp import web

from ..api.catalogs import bundled
from ..api.endpoints import CATALOGS, ENDPOINTS, JOB_STATUS_PATH
from ..api.fields import ChoiceField, FieldError, InvalidFields, Request
from ..api.sandbox_keys import SANDBOX_FREE_KEY, SANDBOX_PREMIUM_KEY
from . import openapi
from . import origin_checks as visitors
from .engines.painted.engine import NotAPicture, Studio
from .faults.base import FaultContext
from .faults.canned_responses import ENDLESS_JOB
from .faults.rules import FaultRule, FaultSpec, UnknownFault, choose
from .limits import Limits
from .published_files import PublishedFiles
from .response_formats import Answer, ResultPublisher, answer, chosen

log = logging.getLogger("visioncraft.sandbox")

VERSION = "2024-02-15"  # the date of the specification
LOG_PATH = "/__log"
FAULT_HEADER = "X-Sandbox-Fault"

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

_POSTED = {kind.path for kind in ENDPOINTS}
_KEPT_HEADERS = ("Allow", "Content-Range")


class App:
    """One sandbox: its studio, its results and what it was told to do wrong.

    `executions` counts the requests that it worked on, as a service that charges would. With
    `inject`, a request may bring a fault of its own, and the log can be read at /__log.
    """

    def __init__(
        self,
        *,
        latency: float = 0.0,
        faults: Sequence[FaultRule] = (),
        shapes: Mapping[str, str] | None = None,
        inject: bool = False,
        limits: Limits | None = None,
    ) -> None:
        self.latency = latency
        self.faults = tuple(faults)
        self.shapes = chosen(shapes or {})
        self.inject = inject
        self.limits = limits or Limits()
        self.requests: list[str] = []
        self.executions = 0
        self.address: tuple[str, int] = ("127.0.0.1", 0)  # known once the server listens
        self.arrived: Callable[[asyncio.BaseTransport | None], None] = lambda _transport: None
        self._studio = Studio()
        self._results = PublishedFiles(self.limits.result_bytes)
        self._jobs: dict[str, list[str]] = {}
        self._asked_jobs: set[str] = set()
        self._at_work = 0

    def build(self) -> web.Application:
        app = web.Application(
            client_max_size=self.limits.body_bytes,
            middlewares=[_errors_as_json, self._own_visitors, self._strike],
        )
        for catalog in CATALOGS.values():
            app.router.add_get(catalog.path, _always(bundled()[catalog.name]))
        for kind in ENDPOINTS:
            app.router.add_post(kind.path, self._endpoint(kind))
        app.router.add_post(JOB_STATUS_PATH, self._job_status)
        app.router.add_get("/results/{name}", self._result)
        document = openapi.description(self.shapes, VERSION)
        app.router.add_get(openapi.PATH, _always(document))
        if self.inject:
            app.router.add_get(LOG_PATH, self._log)
        return app

    @web.middleware
    async def _own_visitors(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        self.arrived(request.transport)
        visitors.check(request, self.address, self.limits.body_bytes)
        return await handler(request)

    @web.middleware
    async def _strike(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        if request.path in (LOG_PATH, openapi.PATH):
            return await handler(request)
        self.requests.append(f"{request.method} {request.path}")
        struck = self._fault(request)
        if struck is None or not struck.fault.early:
            await self._read(request)
        if struck is None:
            return await handler(request)
        if struck.counts and request.method == "POST" and request.path in _POSTED:
            self.executions += 1

        def proceed(request: web.Request) -> Awaitable[web.StreamResponse]:
            return _errors_as_json(request, handler)

        return await struck.fault.act(FaultContext(request, struck.arg, proceed))

    def _fault(self, request: web.Request) -> FaultSpec | None:
        own = request.headers.get(FAULT_HEADER)
        if self.inject and own is not None:
            try:
                return choose(own)
            except UnknownFault:
                raise web.HTTPBadRequest(reason="Unknown fault") from None
        planned = (plan.strike(request.path) for plan in self.faults)
        return next((struck for struck in planned if struck), None)

    async def _read(self, request: web.Request) -> None:
        """Reads the body, which aiohttp keeps. Raises HTTP's 408."""
        try:
            await asyncio.wait_for(request.read(), self.limits.body_seconds)
        except asyncio.TimeoutError:  # another class than TimeoutError on 3.10
            raise web.HTTPRequestTimeout from None

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
            if self._at_work >= self.limits.at_work:
                headers = {"Retry-After": "1"}
                return web.json_response({"detail": "Too busy"}, status=503, headers=headers)
            return await self._work(kind, asked, request)

        return handle

    async def _work(
        self, kind: type[Request], asked: Request, request: web.Request
    ) -> web.StreamResponse:
        self._at_work += 1
        self.executions += 1  # at once: who goes away while it works is charged all the same
        try:
            await asyncio.sleep(self.latency)
            work = await asyncio.to_thread(self._studio.make, asked)
        except NotAPicture as error:
            self.executions -= 1
            return _refused([FieldError("image", str(error))])
        finally:
            self._at_work -= 1
        return _response(answer(self.shapes[kind], work, asked, self._desk(request)))

    def _desk(self, request: web.Request) -> ResultPublisher:
        def publish(content: bytes) -> str:
            name = self._results.publish(content)
            return f"{request.scheme}://{request.host}/results/{name}"

        def enqueue(urls: list[str]) -> str:
            job = secrets.token_hex(16)
            self._jobs[job] = urls
            return job

        return ResultPublisher(publish, enqueue)

    async def _result(self, request: web.Request) -> web.StreamResponse:
        return self._results.answer(request)

    async def _log(self, _request: web.Request) -> web.StreamResponse:
        return web.json_response({"requests": self.requests, "executions": self.executions})

    async def _job_status(self, request: web.Request) -> web.StreamResponse:
        body = await _body(request)
        job = body.get("job_id")
        if job == ENDLESS_JOB:
            return web.json_response({"status": "generating", "image": ""})
        if not isinstance(job, str) or job not in self._jobs:
            return _error(404, "There is no such job.")
        if job not in self._asked_jobs:
            self._asked_jobs.add(job)
            return web.json_response({"status": "generating", "image": ""})
        urls = self._jobs[job]
        return web.json_response({"status": "success", "image": urls[0], "images": urls})


def _always(told: Any) -> Handler:
    async def handle(_request: web.Request) -> web.StreamResponse:
        return web.json_response(told)

    return handle


async def _body(request: web.Request) -> dict[str, Any]:
    """The JSON object that was posted. Raises the 422 that FastAPI would answer."""
    try:
        body = json.loads(await request.read())
    except (ValueError, RecursionError):
        raise _Refusal([FieldError("", "is not JSON", "json_invalid")]) from None
    if not isinstance(body, dict):
        raise _Refusal([FieldError("", "must be an object", "dict_type")])
    return body


def _judged(kind: type[Request], body: dict[str, Any]) -> Request:
    token = body.get("token")
    problems = (
        [] if isinstance(token, str) else [FieldError("token", "must be text", "string_type")]
    )
    if "token" not in body:
        problems = [FieldError("token", "is required", "missing")]
    try:
        request = kind.from_json(body)
    except InvalidFields as error:
        raise _Refusal([*error.problems, *problems]) from None
    if problems:
        raise _Refusal(problems)
    return request


def _unknown_name(request: Request) -> str:
    for field in request.fields():
        if isinstance(field.kind, ChoiceField):
            known = bundled()[field.kind.catalog]
            name = getattr(request, field.name)
            if name.lower() not in (entry.lower() for entry in known):
                return f"This server doesn't have {field.name} {name[:60]}."
    return ""


class _Refusal(Exception):
    def __init__(self, problems: Sequence[FieldError]) -> None:
        super().__init__()
        self.problems = problems


def _refused(problems: Sequence[FieldError]) -> web.Response:
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
        headers = {name: error.headers[name] for name in _KEPT_HEADERS if name in error.headers}
        made = web.json_response({"detail": error.reason}, status=error.status, headers=headers)
        if isinstance(error, web.HTTPRequestTimeout):
            made.force_close()
        return made
    except ConnectionError:  # the client is gone
        raise
    except Exception as error:  # noqa: BLE001 - an answer for every failure
        # The message may hold what was posted; where it happened does not.
        where = "".join(traceback.format_tb(error.__traceback__))
        log.error("%s %s: %s\n%s", request.method, request.path, type(error).__name__, where)
        return web.json_response({"detail": "Internal Server Error"}, status=500)
