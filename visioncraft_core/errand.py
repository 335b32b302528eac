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
from urllib.parse import urljoin

from . import replies
from .config import origin_of
from .errors import (
    BadReply,
    Cancelled,
    DamagedFile,
    RateLimited,
    ServerBusy,
    UnsafeContent,
    VisionCraftError,
)
from .fields import Picture, Request
from .jobs import is_over, wait_for
from .limiter import Visit
from .media import sniff
from .results import File, Opener, Part, Result, delivered, unfit, whole_file
from .retry import (
    LONGEST_RETRY_AFTER,
    persist,
    sleep,
    tries_to_make,
)
from .server import Server
from .store import ABOUT
from .transport import LOOK_EVERY, Response, ShouldCancel
from .workers import map_at_once

DOWNLOADS_AT_ONCE = 8
OPENED_AT_ONCE = 2  # in the whole process: each picture may take half a GB for a moment
MOST_FILES = 16  # of one answer; the API makes five at most
MOST_BYTES = 2**30

KEPT_NOTE = "Kept from an earlier run, so nothing was sent; change seed for a new one."
STAYS_NOTE = "What came damaged in a kept answer stays so; change seed for a new one."
UNKEPT_NOTE = "The result could not be kept in the store: its disk is full or not writable."

OnProgress = Callable[[str], None]


class Errand:
    """One request. `key` is its name in the store, "" where nothing is looked up or kept.

    `opener` is given each file, so that one that does not open counts as one that did not come.
    `on_progress` hears of every step, `on_delay` of what holds it up.
    """

    def __init__(
        self,
        server: Server,
        request: Request,
        key: str,
        opener: Opener,
        on_progress: OnProgress,
        on_delay: OnProgress,
        should_cancel: ShouldCancel,
    ) -> None:
        self._server = server
        self._request = request
        self._key = key
        self._open = opener
        self._say = on_progress
        self._say_delay = on_delay
        self._should_cancel = should_cancel
        self._timeouts = server.profile.timeouts.for_work(request.patience)
        self._unkept = False
        self._bytes = 0

    def run(self) -> Result:
        """What the request makes. Raises the errors of `transport`, `replies`, `downloads` and of
        the opener."""
        if not self._key:
            return self._made()
        with _alone(self._key, self._should_cancel):
            return self._kept() or self._made()

    def _kept(self) -> Result | None:
        """The result out of the store; None where there is none, or it leads nowhere."""
        store = self._server.store
        response = store.job(self._key) or store.reply(self._key)
        if response is None:
            return None
        try:
            result = self._result(self._finished(self._understood(response)), kept=True)
        except VisionCraftError as error:
            if not is_over(error):
                raise  # the links may live again, and the server may let us ask again
            if isinstance(error, BadReply):
                store.set_aside(self._key)
            else:
                store.forget(self._key)
            return None
        return replace(result, notes=(KEPT_NOTE, *result.notes))

    def _made(self) -> Result:
        """The result of a call to the server."""
        profile = self._server.profile
        visit = Visit(self._should_cancel, self._say_delay, profile.patience)

        def wait(error: VisionCraftError, seconds: float) -> None:
            if isinstance(error, RateLimited | ServerBusy):
                self._server.limiter.pause(seconds)  # for all; the next try waits there
                return
            self._say_delay(f"{_what(error)}; trying again")
            sleep(seconds, self._should_cancel, "wait")

        reply = persist(
            lambda: self._attempt(visit),
            lambda error: tries_to_make(error, profile.resend),
            self._server.quota,
            wait=wait,
        )
        # Outside of what is repeated: whatever happens to a job, it is not begun again.
        return self._result(self._finished(reply))

    def _attempt(self, visit: Visit) -> replies.Reply:
        with self._server.limiter.place(self._server.profile.at_once, visit):
            self._say(f"waiting for {self._server.label}")
            response = self._server.transport.post(
                self._request.path,
                self._request.to_json(),
                patience=self._request.patience,
                should_cancel=self._should_cancel,
            )
        if response.status == 200 and self._key:
            about = {"path": self._request.path, "about": _about(self._request)}
            kept = self._scrubbed(response)
            self._unkept |= not self._server.store.keep_reply(self._key, kept, about)
        try:
            return self._understood(response)
        except VisionCraftError as error:
            if isinstance(error, RateLimited | ServerBusy):
                wait = error.retry_after or 0.0
                self._server.limiter.pause(wait if wait <= LONGEST_RETRY_AFTER else 0.0)
            raise

    def _understood(self, response: Response) -> replies.Reply:
        """What `response` says. Only a good answer stays in the store."""
        try:
            return replies.read(response, self._server.hide)
        except BadReply:
            if self._key:  # paid perhaps, and perhaps understood by a later version
                self._server.store.set_aside(self._key)
            raise
        except VisionCraftError:
            if self._key:
                self._server.store.forget(self._key)
            raise

    def _finished(self, reply: replies.Reply) -> replies.Reply:
        """What a job made; any other reply as it is."""
        if not isinstance(reply, replies.Job):
            return reply
        try:
            response, done = wait_for(
                reply, self._server, self._timeouts.total, self._say, self._should_cancel
            )
        except Cancelled:
            raise Cancelled(
                "Cancelled here; the server may still finish the job.", phase="job"
            ) from None
        except VisionCraftError as error:
            if self._key and is_over(error):
                self._server.store.forget(self._key)
            if error.charged == "no":  # of the question, not of the job
                error.charged = "maybe"
            raise
        if self._key:
            self._server.store.keep_job(self._key, self._scrubbed(response))
        return done

    def _result(self, reply: replies.Reply, *, kept: bool = False) -> Result:
        result = Result(origin_of(self._server.profile.base_url), 0.0)
        if isinstance(reply, replies.Words):
            if self._request.makes != "text":
                raise unfit(self._server.label, "text")
            text, chat_id = self._server.hide(reply.text), self._server.hide(reply.chat_id)
            return replace(result, text=text, chat_id=chat_id, notes=self._notes())
        if not isinstance(reply, replies.Files) or self._request.makes == "text":
            raise unfit(self._server.label, "files")
        links = sum(isinstance(part, str) for part in reply.parts)
        if links and not kept:
            self._say(f"fetching {links} file(s)")
        outcomes = map_at_once(self._part, reply.parts[:MOST_FILES], DOWNLOADS_AT_ONCE)
        parts, lost = delivered(outcomes, strict=self._server.profile.strict)
        missing = len(lost)
        if self._key:  # the answer is kept as it came, so only links can bring something else
            failed = zip(outcomes, reply.parts, strict=False)
            missing = sum(not isinstance(o, Part) and isinstance(part, str) for o, part in failed)
        stays = (STAYS_NOTE,) if len(lost) > missing else ()
        return replace(
            result,
            files=tuple(part.file for part in parts),
            opened=tuple(part.opened for part in parts),
            notes=(*_count_note(self._request, len(reply.parts)), *lost, *stays, *self._notes()),
            missing=missing,
        )

    def _part(self, source: bytes | str | None) -> Part | VisionCraftError:
        """The file that came with the answer, or that a link names; else why there is none."""
        try:
            if source is None:
                raise unfit(self._server.label, "a part that is neither a file nor a link")
            if isinstance(source, bytes):
                return self._opened(self._counted(source))
            url = _absolute(self._server.profile.base_url + self._request.path, source)
            return self._fetched(url)
        except VisionCraftError as error:
            return error

    def _fetched(self, url: str) -> Part:
        store = self._server.store
        content = store.file(self._key, url) if self._key else None
        if content is None:
            content = self._server.downloads.fetch(url, should_cancel=self._should_cancel)
            file = self._counted(content)
            if self._key:
                self._unkept |= not store.keep_file(self._key, url, content)
        else:
            file = self._counted(content)
        try:
            return self._opened(file)
        except DamagedFile:
            if self._key:  # asked for again, it may come whole
                store.forget_file(self._key, url)
            raise

    def _opened(self, file: File) -> Part:
        with _opening:
            if self._should_cancel():
                raise Cancelled("Cancelled.", phase="decode")
            return Part(file, self._open(file.content))

    def _counted(self, content: bytes) -> File:
        self._bytes += len(content)
        if self._bytes > MOST_BYTES:
            raise UnsafeContent(
                f"The files of one answer come to more than {MOST_BYTES // 2**20} MiB.",
                "Ask for fewer or smaller ones.",
                phase="download",
            )
        return whole_file(content, self._request.makes, self._server.label)

    def _scrubbed(self, response: Response) -> Response:
        key = self._server.profile.key
        if key is None or sniff(response.body):
            return response
        return replace(response, body=key.scrub(response.body))

    def _notes(self) -> tuple[str, ...]:
        return (UNKEPT_NOTE,) if self._unkept else ()


def _absolute(base: str, url: str) -> str:
    """`url`, which may name only a path. Others stay as they are: joining would tidy them up
    before they are checked."""
    return urljoin(base, url) if url.startswith("/") else url


def _what(error: VisionCraftError) -> str:
    return str(error).partition(". ")[0]


def _about(request: Request) -> str:
    """The words of a request, for the list of what is kept."""
    told = [
        _words(getattr(request, field.name))
        for field in request.fields()
        if field.required and not isinstance(field.kind, Picture)
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


_opening = threading.BoundedSemaphore(OPENED_AT_ONCE)
_busy: set[str] = set()
_changed = threading.Condition()


@contextmanager
def _alone(key: str, should_cancel: ShouldCancel) -> Iterator[None]:
    """Lets one errand at a time work on a request: the second finds what the first brought."""
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
