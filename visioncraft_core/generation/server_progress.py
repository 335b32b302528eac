"""Asks a server how far a request has come while its answer is waited for.

Only a server that offers it is asked; `service/progress.py` tells what it answers. Whatever becomes
of a question, the request goes on as it would without.
"""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from ..api.extensions import REQUEST_ID_HEADER
from ..cancellation import CancelScope
from ..errors import VisionCraftError
from . import replies
from .context import RunContext
from .progress import Queued, Step, Working

SOONEST, LATEST = 0.5, 8.0  # seconds between two questions
PER_PLACE = 0.25  # of a queue: who is far behind need not ask often
_MOST_STEPS = 10**6


class ServerProgress:
    """The questions about one request; `working` is the line to report when its turn comes.

    `headers` go with the request; `waited` is for how many seconds it was in a queue.
    """

    def __init__(self, context: RunContext, working: Step) -> None:
        self.headers: Mapping[str, str] = {}
        self.waited = 0.0
        self._context = context
        self._working = working
        self._path = ""
        self._answered = threading.Event()
        self._queued_since = 0.0
        self._said = ""
        self._previews = 0

    @contextmanager
    def asked(self) -> Iterator[ServerProgress]:
        """Asks in a thread of its own until the block ends."""
        context = self._context
        heard = context.on_progress or context.on_preview
        if not (heard and context.server.extensions.tells_progress):
            yield self
            return
        name = secrets.token_hex(16)
        self.headers, self._path = {REQUEST_ID_HEADER: name}, f"/progress/{name}"
        threading.Thread(target=self._ask, name="visioncraft-progress", daemon=True).start()
        try:
            yield self
        finally:
            self._answered.set()
            self._waits(now=False)

    def _ask(self) -> None:
        if self._answered.wait(SOONEST):  # most texts and small pictures are there before
            return
        with CancelScope(self._answered.is_set) as scope:
            pause = SOONEST
            while True:
                try:
                    pause = self._looked(scope)
                except (VisionCraftError, ValueError, TypeError, KeyError):
                    pause = min(2 * pause, LATEST)
                if self._answered.wait(pause):
                    return

    def _looked(self, scope: CancelScope) -> float:
        """Reports what the server says; gives the seconds until the next question. Raises the
        errors of `transport`, or any other where the answer is of another form."""
        response = self._context.server.transport.get(self._path, scope)
        told = replies.parse_json(response.body if response.is_success else b"")
        state, place = told["state"], _number(told["place"])
        step, steps, previews = (_number(told[name]) for name in ("step", "steps", "preview"))
        if self._answered.is_set():  # and other lines may have been reported since
            return SOONEST
        if state == "waiting":
            self._waits(now=True)
            self._report(Queued(place))
            return min(SOONEST + PER_PLACE * place, LATEST)
        if state == "working":
            if self._queued_since:
                self._waits(now=False)
                self._report(self._working)
            if steps:
                fraction = min(step / steps, 1.0)
                self._report(Working(f"step {step} of {steps}", fraction))
            if previews != self._previews and self._context.on_preview:
                self._show(scope)
                self._previews = previews
        return SOONEST

    def _show(self, scope: CancelScope) -> None:
        response = self._context.server.transport.get(f"{self._path}/preview", scope)
        if response.is_success and self._context.on_preview and not self._answered.is_set():
            self._context.on_preview(response.body)

    def _report(self, text: str) -> None:
        if text != self._said:
            self._said = text
            self._context.report(text)

    def _waits(self, *, now: bool) -> None:
        moment = time.monotonic()
        if self._queued_since and not now:
            self.waited += moment - self._queued_since
            self._queued_since = 0.0
        elif now and not self._queued_since:
            self._queued_since = moment


def _number(value: object) -> int:
    """Raises ValueError where it is no whole number that a person would want to read."""
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= _MOST_STEPS:
        return value
    raise ValueError
