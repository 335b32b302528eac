"""One request on its way to a Result: out of the store, or to the server and back.

The order is what makes it dependable: an answer is on disk before it is read, a file before it is
decoded, and a call is repeated only where `retry` knows that it costs nothing.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from ..api.fields import ImageField, Request
from ..cancellation import LOOK_EVERY, ShouldCancel, sleep
from ..errors import Cancelled, RateLimited, ServerBusy, VisionCraftError
from ..http.call import Response
from ..media.images import sniff
from ..store.store import ABOUT
from ..urls import origin_of
from . import replies
from .context import ServerContext
from .delivery import MOST_FILES, FileCollector
from .jobs import is_terminal, poll_job
from .rate_limiter import WaitState
from .results import Decoder, Result, unexpected_content
from .retry import LONGEST_RETRY_AFTER, call_with_retries, max_post_attempts

KEPT_NOTE = "Kept from an earlier run, so nothing was sent; change seed for a new one."
JOB_KEPT = "The job was begun and may be counted: run again to go on waiting for it."
JOB_UNKEPT = "The job was begun and may be counted; another run begins another one."
UNKEPT_NOTE = "The result could not be kept in the store: its disk is full or not writable."

OnProgress = Callable[[str], None]


class GenerationRun:
    """One request. `key` is its name in the store, "" where nothing is looked up or kept.

    `opener` is given each file, so that one that does not open counts as one that did not come.
    `on_progress` hears of every step, `on_delay` of what holds it up.
    """

    def __init__(
        self,
        server: ServerContext,
        request: Request,
        key: str,
        decoder: Decoder,
        on_progress: OnProgress,
        on_delay: OnProgress,
        should_cancel: ShouldCancel,
    ) -> None:
        self._server = server
        self._request = request
        self._key = key
        self._open = decoder
        self._report = on_progress
        self._report_delay = on_delay
        self._should_cancel = should_cancel
        self._timeouts = server.profile.timeouts.for_work(request.expected_seconds)
        self._unkept = False
        self._over = False  # whether the answer leads to no result, however often one asks

    def run(self) -> Result:
        """What the request makes. Raises the errors of `transport`, `replies`, `downloads` and of
        the opener."""
        if not self._key:
            return self._from_server()
        claim = self._server.store.request_lock(self._key, self._should_cancel)
        with _alone(self._key, self._should_cancel), claim:
            return self._from_store() or self._from_server()

    def _from_store(self) -> Result | None:
        """The result out of the store; None where there is none, or it leads nowhere."""
        store = self._server.store
        response = store.job(self._key) or store.reply(self._key)
        if response is None:
            return None
        try:
            result = self._result(self._finished(self._parsed(response)), kept=True)
        except VisionCraftError:
            if not self._over:
                raise
            store.quarantine(self._key)
            return None
        return replace(result, notes=(KEPT_NOTE, *result.notes))

    def _from_server(self) -> Result:
        """The result of a call to the server."""
        profile = self._server.profile
        state = WaitState(self._should_cancel, self._report_delay, profile.max_rate_limit_wait)

        def wait(error: VisionCraftError, seconds: float) -> None:
            if isinstance(error, RateLimited | ServerBusy):
                self._server.limiter.pause(seconds)  # for all; the next try waits there
                return
            self._report_delay(f"{error.message.rstrip('.')}; trying again")
            sleep(seconds, self._should_cancel, "wait")

        reply = call_with_retries(
            lambda: self._attempt(state),
            lambda error: max_post_attempts(error, profile.retry_policy),
            self._server.retry_budget,
            wait=wait,
        )
        # Outside of what is repeated: whatever happens to a job, it is not begun again.
        return self._result(self._finished(reply))

    def _attempt(self, state: WaitState) -> replies.Reply:
        with self._server.limiter.slot(self._server.profile.max_concurrency, state):
            self._report(f"waiting for {self._server.label}")
            response = self._server.transport.post(
                self._request.path,
                self._request.to_json(),
                expected_seconds=self._request.expected_seconds,
                output=self._request.output,
                should_cancel=self._should_cancel,
            )
        if response.status == 200 and self._key:
            about = {"path": self._request.path, "about": self._server.mask(_about(self._request))}
            kept = self._scrubbed(response)
            self._unkept |= not self._server.store.keep_reply(self._key, kept, about)
        try:
            return self._parsed(response)
        except VisionCraftError as error:
            if isinstance(error, RateLimited | ServerBusy):
                wait = error.retry_after or 0.0
                self._server.limiter.pause(wait if wait <= LONGEST_RETRY_AFTER else 0.0)
            raise

    def _parsed(self, response: Response) -> replies.Reply:
        """What `response` says. Only a good answer stays in the store."""
        try:
            return replies.parse_reply(response, self._server.mask)
        except VisionCraftError as error:
            self._end(error)
            raise

    def _end(self, error: VisionCraftError) -> None:
        """The answer leads to no result, because of `error`."""
        self._over = True
        if self._key and error.charged == "no":
            self._server.store.forget(self._key)
        elif self._key:  # paid perhaps, and of use to a person perhaps
            self._server.store.quarantine(self._key)

    def _finished(self, reply: replies.Reply) -> replies.Reply:
        """What a job made; any other reply as it is."""
        if not isinstance(reply, replies.JobReply):
            return reply
        try:
            response, done = poll_job(
                reply, self._server, self._timeouts.total, self._report, self._should_cancel
            )
        except Cancelled:
            raise Cancelled(
                "Cancelled here; the server may still finish the job.", phase="job"
            ) from None
        except VisionCraftError as error:
            if error.charged == "no":  # of the question, not of the job
                error.charged = "maybe"
            if not is_terminal(error):
                raise error.with_advice(JOB_KEPT if self._is_kept else JOB_UNKEPT) from None
            self._end(error)
            raise
        if self._key:
            self._server.store.keep_job(self._key, self._scrubbed(response))
        return done

    def _result(self, reply: replies.Reply, *, kept: bool = False) -> Result:
        result = Result(origin_of(self._server.profile.base_url), 0.0)
        if isinstance(reply, replies.TextReply):
            if self._request.output != "text":
                raise unexpected_content(self._server.label, "text")
            text, chat_id = self._server.mask(reply.text), self._server.mask(reply.chat_id)
            return replace(result, text=text, chat_id=chat_id, notes=self._notes())
        if not isinstance(reply, replies.FilesReply) or self._request.output == "text":
            raise unexpected_content(self._server.label, "files")
        links = sum(isinstance(part, str) for part in reply.parts)
        if links and not kept:
            self._report(f"fetching {links} file(s)")
        delivery = FileCollector(
            self._server,
            self._request,
            self._key,
            self._open,
            self._should_cancel,
            kept=self._is_kept,
        )
        try:
            parts, lost, missing = delivery.collect(reply)
        finally:
            self._over |= delivery.over
            self._unkept |= delivery.unkept
        return replace(
            result,
            files=tuple(part.file for part in parts),
            decoded=tuple(part.decoded for part in parts),
            notes=(*_count_note(self._request, len(reply.parts)), *lost, *self._notes()),
            missing=missing,
        )

    @property
    def _is_kept(self) -> bool:
        """Whether the answer is in the store, for another run."""
        return bool(self._key) and not self._unkept

    def _scrubbed(self, response: Response) -> Response:
        key = self._server.profile.key
        if key is None or sniff(response.body):
            return response
        return replace(response, body=key.mask_bytes(response.body))

    def _notes(self) -> tuple[str, ...]:
        return (UNKEPT_NOTE,) if self._unkept else ()


def _about(request: Request) -> str:
    """The words of a request, for the list of what is kept."""
    told = [
        _words(getattr(request, field.name))
        for field in request.fields()
        if field.required and not isinstance(field.kind, ImageField)
    ]
    return " ".join(" | ".join(told).split())[:ABOUT]


def _words(value: Any) -> str:
    if isinstance(value, str):
        return value
    # Of a conversation, what was said last.
    return str(value[-1].get("content", "")) if value and isinstance(value[-1], dict) else ""


def _count_note(request: Request, got: int) -> tuple[str, ...]:
    asked = getattr(request, "image_count", 1)
    if got == asked:
        return ()
    taken = f" The first {MOST_FILES} were taken." if got > MOST_FILES else ""
    return (f"The server sent {got} picture(s) where {asked} were asked for.{taken}",)


_busy: set[str] = set()
_changed = threading.Condition()


@contextmanager
def _alone(key: str, should_cancel: ShouldCancel) -> Iterator[None]:
    """Lets one errand of this process at a time work on a request, be the disk writable or not:
    the second finds what the first brought."""
    with _changed:
        while key in _busy:
            _changed.wait(LOOK_EVERY)
            if should_cancel():
                raise Cancelled("Cancelled.", phase="queue", charged="no")
        _busy.add(key)
    try:
        yield
    finally:
        with _changed:
            _busy.discard(key)
            _changed.notify_all()
