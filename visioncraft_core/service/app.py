"""The HTTP face of an engine: every path of the API, judged by the declarations.

Errors look like FastAPI's, as the service's did, except that a 422 never repeats the body, which
holds the key.
"""

from __future__ import annotations

import asyncio
import logging
import math
import secrets
import time
import traceback
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Any

from aiohttp import web
from aiohttp.typedefs import Middleware

from ..api.endpoints import CATALOGS, ENDPOINTS, JOB_STATUS_PATH, PremiumChat
from ..api.extensions import (
    ACCEPT_HEADER,
    ACCEPTS_PROGRESS,
    ACCEPTS_SEED,
    REQUEST_ID_HEADER,
    SEED_HEADER,
)
from ..api.fields import ChoiceField, FieldError, ImageField, InvalidFields, Request
from ..api.sandbox_keys import SANDBOX_PREMIUM_KEY
from . import docs_page, openapi, origin_checks, progress, web_page
from .accounts import (
    DONE,
    LEFT,
    Account,
    Accounts,
    AccountsUnavailable,
    LimitReached,
    SandboxAccounts,
    Turn,
)
from .connection_limits import peer_of
from .engine import Engine, EngineBusy, EngineError, EngineUnavailable, InputRejected, Job, Output
from .jobs import Jobs
from .key_guessing import KeyGuessing
from .limits import Limits
from .observation import Observation, Observer
from .progress import ProgressRecords
from .published_files import PublishedFiles
from .request_bodies import RequestBodies, close_where_unread, leave_to_reader, parsed
from .response_formats import answer, formats_of
from .seeds import InvalidSeed, SeedSeries

log = logging.getLogger("visioncraft.service")

VERSION = "2024-02-15"  # the date of the specification

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

# What is no part of the API: pages, and how far a call is, which a slow one asks more often.
NO_API = (
    *(openapi.PATH, docs_page.PATH, web_page.STATE_PATH, *web_page.FILES),
    *(progress.PATH, progress.PREVIEW_PATH),
)

EngineState = Mapping[str, str | int | bool]  # name, ready, at_once, at_work, waiting

_KEPT_HEADERS = ("Allow", "Content-Range")
LONGEST_CHAT_ID = 100  # characters


class App:
    """One service: its engine, its accounts, its published files and its jobs.

    `executions` counts the generations that ended with a result, as a service that charges would.
    `middlewares` stand between the checks of a request and its handling; they may use the app,
    which is `request.app[APP]`. `latency` delays each generation by seconds. `observers` are told
    of each request when it is answered, or with the status LEFT. `base_url` is where clients reach
    the service when a proxy stands in front; the addresses `proxies` are believed whom they speak
    for.
    """

    def __init__(
        self,
        engine: Engine,
        *,
        accounts: Accounts | None = None,
        endpoints: Iterable[type[Request]] = ENDPOINTS,
        middlewares: Sequence[Middleware] = (),
        observers: Sequence[Observer] = (),
        latency: float = 0.0,
        response_formats: Mapping[str, str] | None = None,
        limits: Limits | None = None,
        files: PublishedFiles | None = None,
        guessing: KeyGuessing | None = None,
        base_url: str = "",
        proxies: Iterable[str] = (),
        routes: Mapping[str, Handler] | None = None,
        engine_states: Callable[[], Awaitable[Sequence[EngineState]]] | None = None,
        title: str = "VisionCraft sandbox",
        example_key: str = SANDBOX_PREMIUM_KEY,
    ) -> None:
        self.engine = engine
        self.accounts = accounts or SandboxAccounts()
        self.middlewares = tuple(middlewares)
        self.latency = latency
        self.formats = formats_of(endpoints, response_formats or {})
        self.limits = limits or Limits()
        self.executions = 0
        self.address: tuple[str, int] = ("127.0.0.1", 0)  # known once the server listens
        self.arrived: Callable[[asyncio.BaseTransport | None], None] = lambda _transport: None
        self.stop: Callable[[], None] = lambda: None  # sends away who waits, where there are queues
        self.progress = ProgressRecords()
        self.jobs = Jobs()
        self._observers = tuple(observers)
        self._base_url = base_url.rstrip("/")
        self._proxies = frozenset(map(peer_of, proxies))
        self._routes = dict(routes or {})
        self._engine_states = engine_states or _no_engine_states
        self._title, self._example_key = title, example_key
        self._seeds = SeedSeries()
        self._guessing = guessing  # None: the keys are no secret
        self._files = files or PublishedFiles(self.limits.result_bytes)
        self._bodies = RequestBodies(self.limits)
        self._seen: dict[int, Observation] = {}  # by request
        self._active = 0
        self._working: set[asyncio.Task[Output]] = set()
        self.stopping = False

    def build(self) -> web.Application:
        first = [self._observe, errors_as_json, self._admit]
        app = web.Application(middlewares=[*first, *self.middlewares])
        app[APP] = self
        app.on_response_prepare.append(close_where_unread)
        app.on_response_prepare.append(_tell_extensions)
        for catalog in CATALOGS:
            app.router.add_get(f"/{catalog}", self._catalog(catalog))
        for kind in self.formats:
            app.router.add_post(kind.path, self._endpoint(kind), expect_handler=leave_to_reader)
        app.router.add_post(JOB_STATUS_PATH, self._job_status, expect_handler=leave_to_reader)
        app.router.add_get("/results/{name}", self._files.answer)
        app.router.add_get(openapi.PATH, self._description)
        app.router.add_get(docs_page.PATH, self._docs)
        app.router.add_get(progress.PATH, self.progress.answer)
        app.router.add_get(progress.PREVIEW_PATH, self.progress.answer_preview)
        pages = dict.fromkeys(web_page.FILES, web_page.answer)
        for path, handler in {web_page.STATE_PATH: self._state, **pages, **self._routes}.items():
            app.router.add_get(path, handler)
        app.on_cleanup.append(self._close)
        return app

    async def drain(self, seconds: float) -> None:
        """Takes no more requests and ends what is worked on: by itself within `seconds`, else by
        cancelling it. Who waits, and who is cancelled, is told to come again."""
        self.stopping = True
        self.stop()
        if self._working and seconds:
            await asyncio.wait(self._working, timeout=seconds)
        for task in self._working:
            task.cancel()

    def client_of(self, request: web.Request) -> str:
        """Who asks: the address of the connection, or whom a proxy of ours speaks for."""
        peer = peer_of(request.remote or "")
        # The last entry is the proxy's own; those before it are what its client claims.
        _, _, spoken_for = request.headers.get("X-Forwarded-For", "").rpartition(",")
        return peer_of(spoken_for.strip()) if spoken_for and peer in self._proxies else peer

    async def read_body(self, request: web.Request) -> bytes:
        """The body of any request. Raises HTTP's 408 and 413, and EngineBusy."""
        return await self._bodies.read(request, self.limits.body_bytes)

    @web.middleware
    async def _observe(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        resource = request.match_info.route.resource
        seen = Observation(
            self.progress.id_for(request.headers.get(REQUEST_ID_HEADER)),
            request.method,
            resource.canonical if resource else "",
            status=LEFT,
        )
        self._seen[id(request)] = seen
        begun = time.monotonic()
        try:
            response = await handler(request)
            seen.status = response.status
            if not response.prepared:
                response.headers[REQUEST_ID_HEADER] = seen.id
            return response
        finally:
            del self._seen[id(request)]
            seen.seconds = time.monotonic() - begun
            for observer in self._observers:  # once the answer is sent
                asyncio.get_running_loop().call_soon(observer, seen)

    @web.middleware
    async def _admit(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        self.arrived(request.transport)
        public_name = self._base_url.partition("://")[2].partition("/")[0]
        origin_checks.check(request, self.address, self.limits.body_bytes, public_name)
        try:
            return await handler(request)
        finally:
            self._bodies.release(request)

    async def _close(self, _app: web.Application) -> None:
        await self.engine.close()
        await self.accounts.close()

    def _catalog(self, name: str) -> Handler:
        async def handle(_request: web.Request) -> web.StreamResponse:
            return web.json_response(list(self.engine.catalogs().get(name, ())))

        return handle

    async def _description(self, _request: web.Request) -> web.StreamResponse:
        return web.json_response(self._described())

    async def _docs(self, request: web.Request) -> web.StreamResponse:
        text = docs_page.page(self._described(), self._address(request), self._example_key)
        return web.Response(text=text, content_type="text/html", headers=web_page.HEADERS)

    def _described(self) -> dict[str, Any]:
        return openapi.description(
            self.formats, self.engine.catalogs(), VERSION, self._title, self._example_key
        )

    def _address(self, request: web.Request) -> str:
        return self._base_url or f"{request.scheme}://{request.host}"

    async def _state(self, _request: web.Request) -> web.StreamResponse:
        """What the page shows: no keys, nothing of what was asked for."""
        catalogs = self.engine.catalogs()
        examples = {kind.path: openapi.example(kind, catalogs) for kind in self.formats}
        serves = {
            path: asked is not None and self.engine.serves(asked)
            for path, asked in examples.items()
        }
        state = {"title": self._title, "endpoints": serves, "at_work": self._active}
        state["engines"] = await self._engine_states()
        return web.json_response(state, headers={"Cache-Control": "no-store"})

    def _endpoint(self, kind: type[Request]) -> Handler:
        takes_picture = any(isinstance(field.kind, ImageField) for field in kind.fields())
        most = self.limits.body_bytes if takes_picture else self.limits.text_bytes

        async def handle(request: web.Request) -> web.StreamResponse:
            self._refuse_without_place()  # before the body is read, and again before the work
            body = parsed(await self._bodies.read(request, most), kind.path)
            asked = _judged(kind, body)
            account = await self._account(body["token"], request)
            if account is None:
                return _error(403, "Invalid API key.")
            if unknown := _unknown_name(asked, self.engine.catalogs()):
                return _error(400, unknown)
            if not self.engine.serves(asked):
                return _error(400, f"This server does not offer {kind.path}.")
            if not account.premium and asked.needs_premium():
                return _error(413, "This needs a premium subscription.")
            history = await self._history(asked, account)
            if history is None:
                return _error(400, "This server doesn't have chat_id with this number.")
            return await self._generate(asked, request, account, history)

        return handle

    async def _account(self, key: str, request: web.Request) -> Account | None:
        client = self.client_of(request)
        if self._guessing:
            await self._guessing.wait(client)
        account = await self.accounts.find(key)
        if account:
            self._seen[id(request)].key = account.name
        elif self._guessing:
            self._guessing.was_wrong(client)
        return account

    async def _history(self, asked: Request, account: Account) -> Sequence[Turn] | None:
        chat_id = getattr(asked, "chat_id", "")
        return await self.accounts.chat(account, chat_id[:LONGEST_CHAT_ID]) if chat_id else ()

    async def _generate(
        self, asked: Request, request: web.Request, account: Account, history: Sequence[Turn]
    ) -> web.StreamResponse:
        self._refuse_without_place()
        seed = self._seeds.of(asked, request.headers.get(SEED_HEADER))
        use = await self.accounts.begin(account, asked.path)
        seen = self._seen[id(request)]
        record = self.progress.begin(seen.id)
        job = Job(
            seed,
            progress=record.stepped,
            preview=record.shown,
            watched=REQUEST_ID_HEADER in request.headers,  # else nobody knows the id meanwhile
            history=history,
            owner=account.name,
            at_once=account.at_once,
            queued=record.queued,
            begun=record.begun,
        )
        begun, status = time.monotonic(), LEFT
        self._active += 1
        try:
            await asyncio.sleep(self.latency)
            output = await self._made(asked, job)
            status = DONE
        except Exception as error:
            status = 503 if isinstance(error, EngineBusy | EngineUnavailable) else 500
            raise
        finally:
            self._active -= 1
            seen.engine, seen.waited = record.engine, record.waited
            record.end(done=status == DONE)
            if status != DONE and not record.engine:  # nothing worked on it
                self.accounts.forget(use)
            else:
                self.accounts.end(use, status, time.monotonic() - begun)
        self.executions += 1
        chat_id = await self._continued(asked, account, output.text)
        address = self._address(request)

        async def publish(content: bytes) -> str:
            return f"{address}/results/{await self._files.publish(content)}"

        form = self.formats[type(asked)]
        return await answer(form, output, asked, chat_id, publish, self.jobs.add)

    async def _made(self, asked: Request, job: Job) -> Output:
        task = asyncio.ensure_future(self.engine.generate(asked, job))
        self._working.add(task)
        task.add_done_callback(self._working.discard)
        try:
            return await task
        except asyncio.CancelledError:
            if self.stopping:  # the client is still there, and may come again
                raise EngineUnavailable("The server is stopping.", retry_after=15.0) from None
            raise

    async def _continued(self, asked: Request, account: Account, text: str) -> str:
        """The id of the chat that a premium request belongs to, after the chat is kept."""
        if not isinstance(asked, PremiumChat):
            return ""
        chat_id = asked.chat_id[:LONGEST_CHAT_ID] or f"chat-{secrets.token_hex(12)}"
        said = {"role": "user", "content": asked.message}
        try:
            turns = (said, {"role": "assistant", "content": text})
            await self.accounts.continue_chat(account, chat_id, turns)
        except AccountsUnavailable:  # the answer is made, and is given
            log.error("A chat cannot be kept; its next message will not know this one.")
        return chat_id

    def _refuse_without_place(self) -> None:
        if self.stopping or self._active >= self.limits.max_active:
            raise EngineBusy(retry_after=1.0)

    async def _job_status(self, request: web.Request) -> web.StreamResponse:
        body = parsed(await self._bodies.read(request, self.limits.text_bytes), request.path)
        state = self.jobs.state(body.get("job_id"))
        return web.json_response(state) if state else _error(404, "There is no such job.")


APP = web.AppKey("APP", App)


async def _no_engine_states() -> Sequence[EngineState]:
    return ()


async def _tell_extensions(_request: web.Request, response: web.StreamResponse) -> None:
    response.headers[ACCEPT_HEADER] = f"{ACCEPTS_SEED}, {ACCEPTS_PROGRESS}"


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
                why = "" if known else f": its list /{field.kind.catalog} is empty"
                return f"This server doesn't have {field.name} {name[:60]}{why}."
    return ""


def _refused(problems: Sequence[FieldError]) -> web.Response:
    detail = [
        {"loc": ["body", p.field] if p.field else ["body"], "msg": p.message, "type": p.type}
        for p in problems
    ]
    return web.json_response({"detail": detail}, status=422)


def _error(status: int, text: str, retry_after: float | None = None) -> web.Response:
    headers = {} if retry_after is None else _retry_after(retry_after)
    return web.json_response({"error": text}, status=status, headers=headers)


def _unavailable(text: str, retry_after: float) -> web.Response:
    headers = _retry_after(retry_after)
    return web.json_response({"detail": text}, status=503, headers=headers)


def _retry_after(seconds: float) -> dict[str, str]:
    return {"Retry-After": str(max(1, math.ceil(seconds)))}


@web.middleware
async def errors_as_json(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Gives an answer of the API's form to everything that is raised."""
    try:
        return await handler(request)
    except InvalidFields as error:
        return _refused(error.problems)
    except InputRejected as error:
        return _refused([FieldError(error.field, error.message)])
    except InvalidSeed as error:
        return _error(400, str(error))
    except LimitReached as error:
        return _error(403, str(error), error.retry_after)
    except AccountsUnavailable:
        return _unavailable("The server cannot use its database of keys now.", 5.0)
    except (EngineBusy, EngineUnavailable) as error:
        return _unavailable(str(error), error.retry_after)
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
        log.error("%s %s: %s\n%s", request.method, request.raw_path, type(error).__name__, where)
        return _error(500, f"The server failed with {type(error).__name__}; its log tells where.")
