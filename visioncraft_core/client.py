"""Sends any request to one server and brings back what it made. Knows no endpoint."""

from __future__ import annotations

import json
import logging
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from .api.catalogs import Catalogs, CatalogSnapshot
from .api.endpoints import CATALOGS
from .api.fields import Request
from .cancellation import ShouldCancel, never, sleep
from .errors import Cancelled, VisionCraftError
from .generation import replies
from .generation.context import ServerContext
from .generation.downloads import Downloads
from .generation.parallel import parallel_map
from .generation.rate_limiter import rate_limiter_of
from .generation.results import Decoder, File, Result, merge_results
from .generation.retry import call_with_retries, max_get_attempts, retry_budget_of
from .generation.run import GenerationRun, OnProgress
from .http.transport import Transport
from .profiles.profile import Profile
from .store.store import Store, key_of
from .urls import origin_of

__all__ = ["Client", "File", "OnProgress", "Decoder", "Result", "quiet", "unopened"]

UNVERIFIED_NOTE = (
    "TLS certificates are not checked for this server (verify is off in its profile): anyone on "
    "the way can read your key."
)

log = logging.getLogger("visioncraft")


def quiet(text: str) -> None:
    """Progress for nobody."""


def unopened(content: bytes) -> None:
    """Opens nothing: the files are given out as they came."""


class Client:
    """One server. Safe to share between threads."""

    def __init__(self, profile: Profile, home: Path) -> None:
        self.profile = _located(profile)
        origin = origin_of(self.profile.base_url)
        retry_budget = retry_budget_of(origin)
        self._server = ServerContext(
            self.profile,
            "the embedded sandbox" if profile.embedded else origin,
            Transport(self.profile),
            Downloads(self.profile),
            rate_limiter_of(origin),
            retry_budget,
            Store(home / "store"),
        )
        # The embedded sandbox has another port at every start, but always the same name.
        self._place = profile.base_url
        self._catalogs = Catalogs(home, self._place)
        if not profile.verify:
            log.warning("%s %s", origin, UNVERIFIED_NOTE)

    def send(
        self,
        request: Request,
        *,
        variation: object = 0,
        decoder: Decoder = unopened,
        on_progress: OnProgress = quiet,
        should_cancel: ShouldCancel = never,
    ) -> Result:
        """What `request` makes. Blocks; `should_cancel` is asked about 20 times a second.

        The same request with the same `variation`, which is anything that JSON can hold, is
        answered from the store and costs nothing; None neither looks there nor keeps the result.
        `opener` is called with the content of each file, in other threads; a file that it refuses
        with a VisionCraftError is missing from the result.
        Raises the errors of `transport`, `replies`, `downloads` and of the opener.
        """
        return self._sent(request, variation, decoder, on_progress, on_progress, should_cancel)

    def _sent(
        self,
        request: Request,
        variation: object,
        decoder: Decoder,
        on_progress: OnProgress,
        on_delay: OnProgress,
        should_cancel: ShouldCancel,
    ) -> Result:
        started = time.monotonic()
        key = ""
        if variation is not None and self.profile.store:
            key = key_of(request.path, request.to_json(), self._place, variation)
        errand = GenerationRun(
            self._server, request, key, decoder, on_progress, on_delay, should_cancel
        )
        result = errand.run()
        notes = result.notes if self.profile.verify else (*result.notes, UNVERIFIED_NOTE)
        return replace(result, notes=notes, seconds=time.monotonic() - started)

    def send_all(
        self,
        requests: Sequence[Request],
        *,
        variation: object = 0,
        decoder: Decoder = unopened,
        on_progress: OnProgress = quiet,
        should_cancel: ShouldCancel = never,
    ) -> Result:
        """What all `requests` make, in their order; a few are under way at once.

        Where some fail and others do not, the others are delivered and a note names each failure,
        unless the profile is strict. Equal requests are different variations. Raises like `send`
        when nothing came or the user cancelled.
        """
        if len(requests) == 1:
            return self.send(
                requests[0],
                variation=variation,
                decoder=decoder,
                on_progress=on_progress,
                should_cancel=should_cancel,
            )
        started = time.monotonic()
        on_progress(f"waiting for {self.describe()}: {len(requests)} pictures")
        on_delay = _Changes(on_progress)

        def attempt(turn: tuple[Request, object]) -> Result | VisionCraftError:
            try:
                return self._sent(*turn, decoder, quiet, on_delay, should_cancel)
            except VisionCraftError as error:
                return error

        turns = _varied(requests, variation)
        outcomes = parallel_map(attempt, turns, self.profile.max_concurrency)
        result = merge_results(outcomes, fail_on_partial=self.profile.fail_on_partial)
        return replace(result, seconds=time.monotonic() - started)

    def catalog(self, name: str, *, should_cancel: ShouldCancel = never) -> CatalogSnapshot:
        """The live names of a catalog, remembered for widgets. Raises like `send`."""

        def attempt() -> list[str]:
            path = CATALOGS[name].path
            response = self._server.transport.get(path, should_cancel=should_cancel)
            return replies.parse_names(response, self._server.mask)

        names = call_with_retries(
            attempt,
            max_get_attempts,
            self._server.retry_budget,
            wait=lambda _, seconds: sleep(seconds, should_cancel, "wait"),
        )
        return self._catalogs.save(name, names)

    def listing(
        self, name: str, *, should_cancel: ShouldCancel = never
    ) -> tuple[CatalogSnapshot, VisionCraftError | None]:
        """The live names, else the last known ones with why. Raises nothing but Cancelled."""
        try:
            return self.catalog(name, should_cancel=should_cancel), None
        except Cancelled:
            raise
        except VisionCraftError as error:
            return self._catalogs.last(name), error

    def describe(self) -> str:
        """The server in words for a person."""
        return self._server.label


class _Changes:
    """Passes a text on where it differs from the last: a whole batch is held up by one pause."""

    def __init__(self, on_progress: OnProgress) -> None:
        self._on_progress = on_progress
        self._last = ""

    def __call__(self, text: str) -> None:
        if text != self._last:
            self._last = text
            self._on_progress(text)


def _varied(requests: Sequence[Request], variation: object) -> list[tuple[Request, object]]:
    """Each request with a variation of its own: equal ones are to give different pictures."""
    seen: Counter[str] = Counter()
    turns: list[tuple[Request, object]] = []
    for request in requests:
        asked = json.dumps(request.to_json(), sort_keys=True)
        again = seen[asked] > 0 and variation is not None
        turns.append((request, [variation, seen[asked]] if again else variation))
        seen[asked] += 1
    return turns


def _located(profile: Profile) -> Profile:
    if not profile.embedded:
        return profile
    # Only now: a configured server needs neither aiohttp nor the drawing code.
    from .sandbox import embedded

    return replace(profile, base_url=embedded().url)
