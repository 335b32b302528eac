"""The client that scripts, nodes and the command line use: it finds its server by itself, sends any
request and brings back what it made. Knows no endpoint."""

from __future__ import annotations

import logging
import re
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path

from .api.catalogs import Catalogs, CatalogSnapshot, bundled
from .api.extensions import LARGEST_SEED
from .api.fields import ChoiceField, ImageField, Request, WeightsField
from .background import in_event_loop, run_in_thread
from .cancellation import CancelScope, ShouldCancel
from .errors import (
    Cancelled,
    FieldRejected,
    InvalidRequest,
    PremiumRequired,
    VisionCraftError,
    clip,
)
from .generation import replies
from .generation.context import Decoder, OnPreview, OnProgress, RunContext, ServerContext
from .generation.downloads import Downloads
from .generation.extensions import ServerExtensions, seed_of
from .generation.progress import BatchProgress
from .generation.rate_limiter import rate_limiter_of
from .generation.results import Result, merge_results
from .generation.retry import call_with_retries, max_get_attempts, retry_budget_of
from .generation.run import GenerationRun
from .http.transport import Transport
from .parallel import parallel_map
from .profiles.paths import default_home
from .profiles.profile import Profile
from .profiles.profiles import AUTO, Profiles
from .spelling import did_you_mean
from .store.store import Store, key_of
from .urls import origin_of

UNVERIFIED_NOTE = (
    "TLS certificates are not verified for this server (verify is off in its profile): anyone on "
    "the network path can read your key."
)

Pending = Request | Callable[[], Request]

EARLY = 2  # requests of a batch that are built, and answers that are read, while others wait
log = logging.getLogger("visioncraft")


class Client:
    """A client of one server. Use it in a `with` statement, or call `close`.

    `server` is the name of a profile, a URL or a Profile. By default it is the server that the
    environment or profiles.json names, else the sandbox of this process, which starts with the
    first call. `home` is the folder for settings and results; see VISIONCRAFT_HOME. Raises
    ConfigError. Safe to share between threads.
    """

    def __init__(self, server: str | Profile = AUTO, *, home: str | Path | None = None) -> None:
        if not isinstance(server, str | Profile):
            raise TypeError(f"server must be a name or a URL as text, or a Profile, {_not(server)}")
        self._home = default_home() if home is None else Path(home)
        self.profile = server if isinstance(server, Profile) else Profiles(self._home).find(server)
        # The embedded sandbox has another port at every start, but always the same name.
        self._catalogs = Catalogs(self._home, self.profile.base_url)
        self._opened: ServerContext | None = None
        self._opening = threading.Lock()
        if not self.profile.verify:
            log.warning("%s: %s", self.describe(), UNVERIFIED_NOTE)

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def send(
        self,
        request: Request,
        *,
        seed: int | None = 0,
        on_progress: OnProgress | None = None,
        on_preview: OnPreview | None = None,
        should_cancel: ShouldCancel | None = None,
        decoder: Decoder | None = None,
    ) -> Result:
        """What `request` makes. Blocks until it is there.

        The same request with the same `seed` is answered from the store and costs nothing; another
        seed asks for another result. A server that takes seeds, as the sandbox does, draws with it;
        to others, as the API knows none, it is not sent. It is 0 to 2**64 - 1; None neither looks
        in the store nor keeps the result, and leaves the seed to the server.

        `on_progress` is called with a line of text for each step, from other threads too, and
        `on_preview` with pictures of the unfinished result, as JPEG or PNG files, where the server
        tells how far it is.
        `should_cancel`, such as `is_set` of a `threading.Event`, is asked about 20 times a second,
        from another thread; within a quarter second after it gave True the call raises Cancelled.
        `decoder` is called with the content of each file, in other threads; a file that it refuses
        with a VisionCraftError is missing from the result.

        Raises a VisionCraftError: ConfigError, ConnectionFailed, RequestRejected, OutcomeUnknown,
        InvalidRequest, InvalidResponse, DownloadFailed, UnsafeURL or Cancelled; TypeError for an
        argument of another type.
        """
        return self.send_all(
            [_known(request)],
            seed=seed,
            on_progress=on_progress,
            on_preview=on_preview,
            should_cancel=should_cancel,
            decoder=decoder,
        )

    def send_all(
        self,
        requests: Sequence[Pending],
        *,
        seed: int | None = 0,
        on_progress: OnProgress | None = None,
        on_preview: OnPreview | None = None,
        should_cancel: ShouldCancel | None = None,
        decoder: Decoder | None = None,
    ) -> Result:
        """What all `requests`, one or more, make, in their order; a few are under way at once.

        One may be a function that builds it: it is called in another thread when its turn comes, so
        that the first requests wait for the server while further ones are built.

        Where some fail and others do not, the others are delivered and a note names each failure,
        unless the profile says `fail_on_partial`; `outcomes` of the result tells them apart. Equal
        requests give different results. Raises like `send` when nothing came or the user cancelled.
        """
        if isinstance(requests, str) or not isinstance(requests, Sequence):
            raise TypeError(f"requests must be a list of requests, {_not(requests)}")
        if not requests:
            raise ValueError("requests is empty: name at least one request")
        if not isinstance(seed, int | None):
            raise TypeError(f"seed must be a whole number or None, {_not(seed)}")
        if seed is not None and not 0 <= seed <= LARGEST_SEED:
            raise InvalidRequest(
                f"seed must be 0 to {LARGEST_SEED}; nothing was sent.",
                "Choose another one.",
                phase="check",
            )
        _check_functions(
            on_progress=on_progress,
            on_preview=on_preview,
            should_cancel=should_cancel,
            decoder=decoder,
        )
        requests = [each if _builds(each) else _known(each) for each in requests]
        started = time.monotonic()
        on_delay, of_each = on_progress, [on_progress] * len(requests)
        if on_progress and len(requests) > 1:
            on_progress(f"waiting for {self.describe()}: {len(requests)} pictures")
            progress = BatchProgress(on_progress, len(requests))
            on_delay, of_each = progress.delay, [*map(progress.of, range(len(requests)))]
        with CancelScope(should_cancel) as scope:
            batch = _Batch(requests, seed, scope, decoder, of_each, on_delay, on_preview)
            outcomes = parallel_map(
                lambda number: self._outcome(batch, number),
                range(len(requests)),
                self.profile.max_concurrency + EARLY,
            )
        result = merge_results(outcomes, fail_on_partial=self.profile.fail_on_partial)
        notes = result.notes if self.profile.verify else (*result.notes, UNVERIFIED_NOTE)
        return replace(result, notes=notes, seconds=time.monotonic() - started)

    def forget(self, request: Request, *, seed: int = 0) -> bool:
        """Removes the stored result of `request`, so that the next such call is sent again; tells
        whether there was one."""
        found = self.is_stored(request, seed=seed)
        if found:
            Store(self._home / "store").forget(self._key_of(request, seed))
        return found

    def is_stored(self, request: Request, *, seed: int = 0) -> bool:
        """Whether `send` would answer `request` from the store and send nothing."""
        store, key = Store(self._home / "store"), self._key_of(_known(request), seed)
        return bool(key and store.reply(key))

    def catalog(
        self,
        name: str,
        *,
        stale_if_error: bool = False,
        should_cancel: ShouldCancel | None = None,
    ) -> CatalogSnapshot:
        """The `names` of a catalog, such as "models-xl", live from the server.

        Raises like `send`. With `stale_if_error` only Cancelled is raised: for any other `error`,
        which the snapshot then carries, the list is given as last seen, else as bundled. Raises
        InvalidRequest for a name that the API does not have.
        """
        if name not in bundled():
            known = bundled()
            raise InvalidRequest(
                f"There is no catalog called {clip(str(name), 60)}.",
                did_you_mean(str(name), known) or f"Use one of {', '.join(known)}.",
                phase="check",
            )
        try:
            with CancelScope(should_cancel) as scope:
                names = call_with_retries(
                    lambda: self._fetched_names(name, scope),
                    max_get_attempts,
                    self._server.retry_budget,
                    wait=lambda _, seconds: scope.sleep(seconds, "wait"),
                )
        except VisionCraftError as error:
            error = self._reworded(error)
            if isinstance(error, Cancelled) or not stale_if_error:
                raise error from None
            return replace(self._catalogs.last(name), error=error)
        return self._catalogs.save(name, names)

    def describe(self) -> str:
        """The server in words for a person."""
        return "the embedded sandbox" if self.profile.embedded else origin_of(self.profile.base_url)

    def close(self) -> None:
        """Closes idle connections. A later call opens new ones."""
        with self._opening:
            server, self._opened = self._opened, None
        if server:
            server.close()

    @property
    def _server(self) -> ServerContext:
        with self._opening:  # two threads that begin together must share their connections
            self._opened = self._opened or self._open()
            return self._opened

    def _open(self) -> ServerContext:
        profile = self.profile
        if profile.embedded:
            # Only now: a configured server needs neither aiohttp nor the drawing code.
            from .sandbox import embedded

            profile = replace(profile, base_url=embedded().url)
        origin = origin_of(profile.base_url)
        return ServerContext(
            profile,
            self.describe(),
            Transport(profile),
            Downloads(profile),
            rate_limiter_of(origin),
            retry_budget_of(origin),
            Store(self._home / "store"),
            ServerExtensions(self._home, profile),
        )

    def _outcome(self, batch: _Batch, number: int) -> Result | VisionCraftError:
        request = None
        try:
            context = self._context(batch, number)
            request = context.request
            return GenerationRun(context).run()
        except VisionCraftError as error:
            return self._reworded(error, request)

    def _context(self, batch: _Batch, number: int) -> RunContext:
        """One request of `batch`, built; equal ones have different keys and seeds."""
        server, seed, url = self._server, batch.seed, self.profile.base_url
        key, sent = "", seed
        try:
            request = batch.requests[number]
            request = request if isinstance(request, Request) else _known(request())
            body = request.to_json()
            if seed is not None and (self.profile.store or len(batch.requests) > 1):
                key = key_of(request.path, body, url, seed)
        finally:
            batch.name(number, key)
        if seed is not None:
            earlier = batch.equal_before(number)
            sent = seed_of(seed, earlier)
            if earlier and self.profile.store:
                key = key_of(request.path, body, url, [seed, earlier])
        key = key if self.profile.store else ""
        report = batch.of_each[number]
        shared = (batch.scope, batch.decoder, report, batch.on_delay, batch.on_preview)
        early = number >= self.profile.max_concurrency
        return RunContext(server, request, body, key, sent, *shared, early=early)

    def _reworded(
        self, error: VisionCraftError, request: Request | None = None
    ) -> VisionCraftError:
        """`error` without the port of the embedded sandbox, which nobody chose, and with the names
        that a user may have meant."""
        message, advice = error.message, error.advice
        if self.profile.embedded:
            port = re.escape(self._server.origin)
            message = re.sub(f"^{port}", "The sandbox", message)
            message = re.sub(port, "the sandbox", message)
        if request and isinstance(error, FieldRejected):
            advice = self._choices(request, advice)
        if request and isinstance(error, PremiumRequired):
            advice = _ways_out(request)
        if (message, advice) == (error.message, error.advice):
            return error
        return error.replace(message=message, advice=advice)

    def _choices(self, request: Request, advice: str) -> str:
        """`advice` with names like those of `request`, unless there is none to choose."""
        for field in request.fields():
            if isinstance(field.kind, ChoiceField | WeightsField):
                value, catalog = getattr(request, field.name), field.kind.catalog
                names = [value] if isinstance(value, str) else value
                if names and not self._catalogs.last(catalog).names:
                    return f"This server lists no {catalog} at all: use another server."
                for name in names:
                    if nearest := self._catalogs.nearest(catalog, name):
                        advice += f" Similar names in {catalog}: {', '.join(nearest)}."
        return advice

    def _fetched_names(self, name: str, scope: CancelScope) -> list[str]:
        response = self._server.transport.get(f"/{name}", scope)
        self._server.extensions.learn(response)
        return replies.parse_names(response, self._server.mask)

    def _key_of(self, request: Request, variation: object) -> str:
        """The name of a request in the store, "" where it is not looked up there."""
        if variation is None or not self.profile.store:
            return ""
        return key_of(request.path, request.to_json(), self.profile.base_url, variation)


class AsyncClient:
    """A `Client` for asyncio: its calls are awaited, several at a time, and a task that is
    cancelled cancels its call. Use it in an `async with` statement, or call `close`.
    """

    def __init__(self, server: str | Profile = AUTO, *, home: str | Path | None = None) -> None:
        self._client = Client(server, home=home)

    @property
    def profile(self) -> Profile:
        return self._client.profile

    async def __aenter__(self) -> AsyncClient:
        return self

    async def __aexit__(self, *_: object) -> None:
        self.close()

    async def send(
        self,
        request: Request,
        *,
        seed: int | None = 0,
        on_progress: OnProgress | None = None,
        on_preview: OnPreview | None = None,
        decoder: Decoder | None = None,
    ) -> Result:
        """Like `Client.send`; `on_progress` and `on_preview` are called in the event loop."""
        return await self.send_all(
            [request],
            seed=seed,
            on_progress=on_progress,
            on_preview=on_preview,
            decoder=decoder,
        )

    async def send_all(
        self,
        requests: Sequence[Pending],
        *,
        seed: int | None = 0,
        on_progress: OnProgress | None = None,
        on_preview: OnPreview | None = None,
        decoder: Decoder | None = None,
    ) -> Result:
        """Like `Client.send_all`; `on_progress` and `on_preview` are called in the event loop."""
        _check_functions(on_progress=on_progress, on_preview=on_preview)
        report, show = in_event_loop(on_progress), in_event_loop(on_preview)
        return await run_in_thread(
            lambda should_cancel: self._client.send_all(
                requests,
                seed=seed,
                on_progress=report,
                on_preview=show,
                should_cancel=should_cancel,
                decoder=decoder,
            )
        )

    async def catalog(self, name: str, *, stale_if_error: bool = False) -> CatalogSnapshot:
        """Like `Client.catalog`."""
        return await run_in_thread(
            lambda should_cancel: self._client.catalog(
                name, stale_if_error=stale_if_error, should_cancel=should_cancel
            )
        )

    def close(self) -> None:
        self._client.close()


def _ways_out(request: Request) -> str:
    """What to do where a server wants a premium account; the service said the same of an upload
    that was too large."""
    free = " or ".join(name for names in request.free.values() for name in names)
    ways = f"Choose {free}, or use a premium key" if free else "Use a premium key"
    if any(isinstance(field.kind, ImageField) for field in request.fields()):
        ways += "; if yours is one, " if request.needs_premium() else ", or "
        ways += "send a smaller picture"
    return f"{ways}."


def _builds(request: object) -> bool:
    return callable(request) and not isinstance(request, type)


def _known(request: object) -> Request:
    """`request`, which a program without type checks may have mistaken for a prompt."""
    if isinstance(request, Request):
        return request
    example = 'a request is built from a class, such as GenerateXL(prompt="a red fox")'
    raise TypeError(f"{example}, {_not(request)}")


def _check_functions(**given: object) -> None:
    for name, value in given.items():
        if value is not None and not callable(value):
            raise TypeError(f"{name} must be a function or None, {_not(value)}")


def _not(value: object) -> str:
    given = (
        f"the class {value.__name__} itself" if isinstance(value, type) else type(value).__name__
    )
    return f"not {given}"


class _Batch:
    """The requests of one call, which may be built in several threads."""

    def __init__(
        self,
        requests: Sequence[Pending],
        seed: int | None,
        scope: CancelScope,
        decoder: Decoder | None,
        of_each: Sequence[OnProgress | None],
        on_delay: OnProgress | None,
        on_preview: OnPreview | None,
    ) -> None:
        self.requests = requests
        self.seed = seed
        self.scope = scope
        self.decoder = decoder
        self.of_each = of_each
        self.on_delay = on_delay
        self.on_preview = on_preview
        self._names: list[Future[str]] = [Future() for _ in requests]

    def name(self, number: int, name: str) -> None:
        """Says what a request is called; "" where it could not be built."""
        self._names[number].set_result(name)

    def equal_before(self, number: int) -> int:
        """How many requests in front of this one are equal to it. Waits until they are built: their
        turn came before."""
        name = self._names[number].result()
        return sum(bool(name) and each.result() == name for each in self._names[:number])
