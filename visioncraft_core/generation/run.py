"""One request on its way to a Result: out of the store, or to the server and back.

The order is what makes it dependable: an answer is on disk before anything comes of it, a file
before it is decoded, and a call is repeated only where `retry` knows that it costs nothing.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from ..api.fields import ImageField, Request
from ..cancellation import CancelScope
from ..errors import Cancelled, RateLimited, ServerBusy, UnknownAnswer, VisionCraftError, clip
from ..http.call import Response
from ..parallel import parallel_map
from ..store.store import PROMPT_PREVIEW, Duration
from . import replies
from .context import RunContext
from .delivery import MOST_FILES, NOT_STORED, NOT_STORED_NOTE, FinalFailure, collect_files
from .jobs import is_terminal, poll_job
from .masking import masked_response
from .progress import Delay, Step
from .rate_limiter import WaitState
from .results import Result, unexpected_content
from .retry import LONGEST_RETRY_AFTER, call_with_retries, max_post_attempts
from .server_progress import ServerProgress

LONG_ANSWER = 2**20  # bytes
NOTE_LENGTH = 200  # characters of the server's words beside a result
STORED_NOTE = "Stored by an earlier run, so nothing was sent; change seed for a new one."
SAME_REQUEST = "waiting for the same request, which was begun elsewhere"
JOB_STORED = "The job has started and may be charged. Run again to resume waiting."
JOB_NOT_STORED = "The job has started and may be charged; running again starts another one."


class GenerationRun:
    """One request; use once."""

    def __init__(self, context: RunContext) -> None:
        self._context = context
        self._server = context.server
        self._request = context.request
        self._key = context.key
        self._timeouts = self._server.profile.timeouts.for_work(context.request.expected_seconds)
        self._stored = bool(context.key)  # whether the answer is in the store, for another run
        # The name of the embedded sandbox stays the same, its port does not.
        model = str(getattr(self._request, "model", ""))
        self._kind_of_work = (self._server.label, self._request.path, model)

    def run(self) -> Result:
        """What the request makes. Raises the errors of `transport`, `replies`, `downloads` and of
        the decoder."""
        if not self._key:
            return self._from_server()
        scope = self._context.scope

        def tell() -> None:
            self._context.report_delay(Delay(SAME_REQUEST))

        lock = self._server.store.request_lock(self._key, scope.is_cancelled, tell)
        with _process_lock(self._key, scope, tell), lock:
            return self._from_store() or self._from_server()

    def _from_store(self) -> Result | None:
        """The result out of the store; None where there is none, or it cannot be had any more."""
        store = self._server.store
        response = store.reply(self._key)
        if response is None:
            return None
        try:
            reply = self._accepted(self._read(response))
        except UnknownAnswer:
            raise
        except VisionCraftError:
            return None
        try:
            result = self._result(reply, announce=False)
        except FinalFailure:
            store.quarantine(self._key)
            return None
        return replace(result, notes=(STORED_NOTE, *result.notes))

    def _from_server(self) -> Result:
        """The result of a call to the server."""
        context, profile = self._context, self._server.profile
        state = WaitState(
            context.scope,
            context.report_delay,
            profile.max_rate_limit_wait,
            early=context.early,
        )

        def wait(error: VisionCraftError, seconds: float) -> None:
            if isinstance(error, RateLimited | ServerBusy):
                self._server.limiter.pause(seconds)  # for all; the next try waits there
                return
            reason = error.message.rstrip(".")
            context.report_delay(Delay(f"{reason}; trying again", reason, seconds))
            context.scope.sleep(seconds, "wait")

        reply = call_with_retries(
            lambda: self._attempt(state),
            lambda error: max_post_attempts(error, profile.retry_policy),
            self._server.retry_budget,
            wait=wait,
        )
        # Outside of what is repeated: whatever happens to a job, it is not begun again.
        try:
            return self._result(reply)
        except FinalFailure as failure:
            raise failure.error from None

    def _attempt(self, state: WaitState) -> replies.Reply:
        with self._server.limiter.slot(self._server.profile.max_concurrency, state):
            kept = self._server.store if self._key else None
            usual = kept.usual_seconds(*self._kind_of_work) if kept else None
            working = Step(f"waiting for {self._server.label}", usual)
            self._context.report(working)
            extensions = self._server.extensions
            started = time.monotonic()
            with ServerProgress(self._context, working).asked() as progress:
                response = self._server.transport.post(
                    self._request.path,
                    self._context.body,
                    self._context.scope,
                    expected_seconds=self._request.expected_seconds,
                    output=self._request.output,
                    headers={**extensions.seed_headers(self._context.seed), **progress.headers},
                )
        extensions.learn(response)
        seconds = time.monotonic() - started - progress.waited
        if response.is_success:
            response = masked_response(response, self._server.profile.key)
        try:
            return self._accepted(self._kept_and_read(response, seconds))
        except VisionCraftError as error:
            if isinstance(error, RateLimited | ServerBusy):
                wait = error.retry_after or 0.0
                self._server.limiter.pause(wait if wait <= LONGEST_RETRY_AFTER else 0.0)
            raise

    def _kept_and_read(
        self, response: Response, seconds: float
    ) -> replies.Reply | VisionCraftError:
        """What `response` says, which is in the store by now."""
        if not (response.is_success and self._key):
            return self._read(response)

        def keep() -> bool:
            about = {"path": self._request.path, "about": self._server.mask(_about(self._request))}
            took = Duration(*self._kind_of_work, seconds)
            return self._server.store.keep_reply(self._key, response, about, took)

        # To have pictures on the disk for good takes about as long as to find them in the answer.
        at_once = 2 if len(response.body) > LONG_ANSWER else 1
        work: list[Callable[[], Any]] = [keep, lambda: self._read(response)]
        kept, reply = parallel_map(lambda each: each(), work, at_once)
        self._stored &= kept
        return reply

    def _read(self, response: Response) -> replies.Reply | VisionCraftError:
        try:
            return replies.parse_reply(response, self._server.mask)
        except VisionCraftError as error:
            return error

    def _accepted(self, reply: replies.Reply | VisionCraftError) -> replies.Reply:
        """`reply`; raised where it is an error. Only a good answer stays in the store."""
        if not isinstance(reply, VisionCraftError):
            return reply
        self._discard(reply)
        if isinstance(reply, UnknownAnswer) and not (self._key and self._stored):
            reply = reply.replace(advice=NOT_STORED)
        raise reply

    def _discard(self, error: VisionCraftError) -> None:
        """The answer leads to no result, because of `error`."""
        if isinstance(error, UnknownAnswer):
            return  # a later version may understand it
        if self._key and error.charged == "no":
            self._server.store.forget(self._key)
        elif self._key:  # paid perhaps, and of use to a person perhaps
            self._server.store.quarantine(self._key)

    def _result(self, reply: replies.Reply, *, announce: bool = True) -> Result:
        """What `reply` comes to; `announce` downloads. Raises FinalFailure."""
        if isinstance(reply, replies.JobReply):
            reply = self._finished(reply)
        is_text = isinstance(reply, replies.TextReply)
        if isinstance(reply, replies.JobReply) or is_text != (self._request.output == "text"):
            got = "text" if is_text else "files"
            raise unexpected_content(self._server.label, got)
        mask = self._server.mask
        said = (f"The server added: {clip(mask(reply.note), NOTE_LENGTH)}",) if reply.note else ()
        if isinstance(reply, replies.TextReply):
            text, chat_id, thoughts = map(mask, (reply.text, reply.chat_id, reply.thoughts))
            return Result(
                self._server.origin,
                0.0,
                text=text,
                chat_id=chat_id,
                thoughts=thoughts,
                notes=(*said, *self._notes()),
            )
        links = sum(isinstance(part, str) for part in reply.parts)
        if links and announce:
            self._context.report(f"fetching {links} file(s)")
        result = collect_files(self._context, reply, stored=self._stored)
        counted = _count_note(self._request, len(reply.parts))
        notes = (*counted, *said, *result.notes, *self._notes())
        return replace(result, notes=tuple(dict.fromkeys(notes)))

    def _finished(self, job: replies.JobReply) -> replies.Reply:
        """What a job made. Raises FinalFailure."""
        try:
            response, reply = poll_job(job, self._context, self._timeouts.total)
        except Cancelled:
            message = "Cancelled here; the server may still finish the job."
            raise Cancelled(message, phase="job") from None
        except VisionCraftError as error:
            if error.charged == "no":  # of the question, not of the job
                error = error.replace(charged="maybe")
            if is_terminal(error):
                self._discard(error)
                raise FinalFailure(error) from None
            raise error.replace(advice=JOB_STORED if self._stored else JOB_NOT_STORED) from None
        if self._key:
            self._server.store.keep_job(self._key, response)
        return reply

    def _notes(self) -> tuple[str, ...]:
        return (NOT_STORED_NOTE,) if self._key and not self._stored else ()


def _about(request: Request) -> str:
    """The words of a request, for the list of what is stored."""
    texts = [
        _words(getattr(request, field.name))
        for field in request.fields()
        if field.required and not isinstance(field.kind, ImageField)
    ]
    return " ".join(" | ".join(texts).split())[:PROMPT_PREVIEW]


def _words(value: Any) -> str:
    if isinstance(value, str):
        return value
    # Of a conversation, the last message.
    return str(value[-1].get("content", "")) if value and isinstance(value[-1], dict) else ""


def _count_note(request: Request, got: int) -> tuple[str, ...]:
    asked = getattr(request, "image_count", 1)
    if got == asked:
        return ()
    taken = f" The first {MOST_FILES} were taken." if got > MOST_FILES else ""
    return (f"The server sent {got} picture(s) where {asked} were asked for.{taken}",)


_running: set[str] = set()
_changed = threading.Condition()


@contextmanager
def _process_lock(key: str, scope: CancelScope, on_wait: Callable[[], None]) -> Iterator[None]:
    """Lets one run of this process at a time work on a request, be the disk writable or not: the
    second finds what the first brought."""
    with _changed:
        if key in _running:
            on_wait()
        while key in _running:
            scope.wait(_changed)
            scope.raise_if_cancelled("queue")
        _running.add(key)
    try:
        yield
    finally:
        with _changed:
            _running.discard(key)
            _changed.notify_all()
