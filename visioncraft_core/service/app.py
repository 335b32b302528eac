"""The HTTP face of an engine: every path of the API, judged by the declarations.

Errors look like FastAPI's, as the service's did, except that a 422 never repeats the body, which
holds the key.
"""

from __future__ import annotations

import asyncio
import logging
import math
import secrets
import traceback
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Any

from aiohttp import web
from aiohttp.typedefs import Middleware

from ..api.endpoints import CATALOGS, ENDPOINTS, JOB_STATUS_PATH
from ..api.fields import ChoiceField, FieldError, ImageField, InvalidFields, Request
from ..api.sandbox_keys import SANDBOX_FREE_KEY, SANDBOX_PREMIUM_KEY
from . import openapi, origin_checks
from .engine import Engine, EngineBusy, EngineError, EngineUnavailable, InputRejected, Job
from .limits import Limits
from .published_files import PublishedFiles
from .request_bodies import RequestBodies, close_where_unread, leave_to_reader, parsed
from .response_formats import answer, formats_of
from .seeds import SeedSeries

log = logging.getLogger("visioncraft.service")

VERSION = "2024-02-15"  # the date of the specification

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

_KEPT_HEADERS = ("Allow", "Content-Range")
_MOST_JOBS = 10_000  # whose results may be asked for


class App:
    """One service: its engine, its published files and its jobs.

    `executions` counts the generations that ended with a result, as a service that charges would.
    `middlewares` stand between the checks of a request and its handling; they may use the app,
    which is `request.app[APP]`. `latency` delays each generation by seconds.
    """

    def __init__(
        self,
        engine: Engine,
        *,
        endpoints: Iterable[type[Request]] = ENDPOINTS,
        middlewares: Sequence[Middleware] = (),
        latency: float = 0.0,
        response_formats: Mapping[str, str] | None = None,
        limits: Limits | None = None,
    ) -> None:
        self.engine = engine
        self.middlewares = tuple(middlewares)
        self.latency = latency
        self.formats = formats_of(endpoints, response_formats or {})
        self.limits = limits or Limits()
        self.executions = 0
        self.address: tuple[str, int] = ("127.0.0.1", 0)  # known once the server listens
        self.arrived: Callable[[asyncio.BaseTransport | None], None] = lambda _transport: None
        self._seeds = SeedSeries()
        self._files = PublishedFiles(self.limits.result_bytes)
        self._bodies = RequestBodies(self.limits)
        self._jobs: dict[str, list[str]] = {}
        self._fresh_jobs: set[str] = set()  # that nobody asked about yet
        self._active = 0

    def build(self) -> web.Application:
        app = web.Application(middlewares=[errors_as_json, self._admit, *self.middlewares])
        app[APP] = self
        app.on_response_prepare.append(close_where_unread)
        for catalog in CATALOGS:
            app.router.add_get(f"/{catalog}", self._catalog(catalog))
        for kind in self.formats:
            app.router.add_post(kind.path, self._endpoint(kind), expect_handler=leave_to_reader)
        app.router.add_post(JOB_STATUS_PATH, self._job_status, expect_handler=leave_to_reader)
        app.router.add_get("/results/{name}", self._files.answer)
        app.router.add_get(openapi.PATH, self._description)
        app.on_cleanup.append(self._close_engine)
        return app

    def add_job(self, urls: list[str]) -> str:
        """The id of a new job whose results are at `urls`; without any it is never done."""
        job = secrets.token_hex(16)
        self._jobs[job] = urls
        self._fresh_jobs.add(job)
        if len(self._jobs) > _MOST_JOBS:
            oldest = next(iter(self._jobs))
            del self._jobs[oldest]
            self._fresh_jobs.discard(oldest)
        return job

    async def read_body(self, request: web.Request) -> bytes:
        """The body of any request. Raises HTTP's 408 and 413, and EngineBusy."""
        return await self._bodies.read(request, self.limits.body_bytes)

    @web.middleware
    async def _admit(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        self.arrived(request.transport)
        origin_checks.check(request, self.address, self.limits.body_bytes)
        try:
            return await handler(request)
        finally:
            self._bodies.release(request)

    async def _close_engine(self, _app: web.Application) -> None:
        await self.engine.close()

    def _catalog(self, name: str) -> Handler:
        async def handle(_request: web.Request) -> web.StreamResponse:
            return web.json_response(list(self.engine.catalogs().get(name, ())))

        return handle

    async def _description(self, _request: web.Request) -> web.StreamResponse:
        return web.json_response(openapi.description(self.formats, self.engine.catalogs(), VERSION))

    def _endpoint(self, kind: type[Request]) -> Handler:
        takes_picture = any(isinstance(field.kind, ImageField) for field in kind.fields())
        most = self.limits.body_bytes if takes_picture else self.limits.text_bytes

        async def handle(request: web.Request) -> web.StreamResponse:
            self._refuse_without_place()  # before the body is read, and again before the work
            body = parsed(await self._bodies.read(request, most), kind.path)
            asked = _judged(kind, body)
            if body["token"] not in (SANDBOX_FREE_KEY, SANDBOX_PREMIUM_KEY):
                return _error(403, "Invalid API key.")
            if unknown := _unknown_name(asked, self.engine.catalogs()):
                return _error(400, unknown)
            if not self.engine.serves(asked):
                return _error(400, f"This server doesn't have {kind.path}.")
            if body["token"] == SANDBOX_FREE_KEY and asked.needs_premium():
                return _error(413, "This needs a premium subscription ($5 per month).")
            return await self._generate(asked, request)

        return handle

    async def _generate(self, asked: Request, request: web.Request) -> web.StreamResponse:
        self._refuse_without_place()
        self._active += 1
        try:
            await asyncio.sleep(self.latency)
            output = await self.engine.generate(asked, Job(self._seeds.next(asked)))
        finally:
            self._active -= 1
        self.executions += 1

        def publish(content: bytes) -> str:
            name = self._files.publish(content)
            return f"{request.scheme}://{request.host}/results/{name}"

        return answer(self.formats[type(asked)], output, asked, publish, self.add_job)

    def _refuse_without_place(self) -> None:
        if self._active >= self.limits.max_active:
            raise EngineBusy(retry_after=1.0)

    async def _job_status(self, request: web.Request) -> web.StreamResponse:
        body = parsed(await self._bodies.read(request, self.limits.text_bytes), request.path)
        job = body.get("job_id")
        if not isinstance(job, str) or job not in self._jobs:
            return _error(404, "There is no such job.")
        urls = self._jobs[job]
        if not urls or job in self._fresh_jobs:
            self._fresh_jobs.discard(job)
            return web.json_response({"status": "generating", "image": ""})
        return web.json_response({"status": "success", "image": urls[0], "images": urls})


APP = web.AppKey("APP", App)


def _judged(kind: type[Request], body: dict[str, Any]) -> Request:
    problems: list[FieldError] = []
    if "token" not in body:
        problems = [FieldError("token", "is required", "missing")]
    elif not isinstance(body["token"], str):
        problems = [FieldError("token", "must be text", "string_type")]
    try:
        request = kind.from_json(body)
    except InvalidFields as error:
        raise InvalidFields(kind.path, [*error.problems, *problems]) from None
    if problems:
        raise InvalidFields(kind.path, problems)
    return request


def _unknown_name(request: Request, catalogs: Mapping[str, Sequence[str]]) -> str:
    for field in request.fields():
        if isinstance(field.kind, ChoiceField):
            known = catalogs.get(field.kind.catalog, ())
            name = getattr(request, field.name)
            if name.lower() not in (entry.lower() for entry in known):
                return f"This server doesn't have {field.name} {name[:60]}."
    return ""


def _refused(problems: Sequence[FieldError]) -> web.Response:
    detail = [
        {"loc": ["body", p.field] if p.field else ["body"], "msg": p.message, "type": p.type}
        for p in problems
    ]
    return web.json_response({"detail": detail}, status=422)


def _error(status: int, text: str) -> web.Response:
    return web.json_response({"error": text}, status=status)


@web.middleware
async def errors_as_json(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Gives an answer of the API's form to everything that is raised."""
    try:
        return await handler(request)
    except InvalidFields as error:
        return _refused(error.problems)
    except InputRejected as error:
        return _refused([FieldError(error.field, error.message)])
    except (EngineBusy, EngineUnavailable) as error:
        headers = {"Retry-After": str(max(1, math.ceil(error.retry_after)))}
        return web.json_response({"detail": str(error)}, status=503, headers=headers)
    except EngineError as error:
        log.warning("The engine failed: %s", type(error).__name__)
        return _error(500, str(error) or "The generation failed.")
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
        return _error(500, f"The server failed with {type(error).__name__}; its log tells where.")
