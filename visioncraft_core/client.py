"""Sends any request to one server and brings back what it made; the one place that puts the
pieces together. Knows no endpoint.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

from . import replies
from .catalogs import Catalogs, Listing
from .config import Profile
from .downloads import Downloads
from .endpoints import CATALOGS, JOB_STATUS_PATH
from .errors import BadReply, Cancelled, TimedOut, VisionCraftError
from .fields import Makes, Request
from .limiter import limiter_of
from .media import FileKind, sniff
from .transport import LOOK_EVERY, ShouldCancel, Transport, never, origin_of

POLL_EVERY = 1.5  # seconds between two questions for a job; what clients of the day used

OnProgress = Callable[[str], None]

_FITTING: dict[Makes, tuple[FileKind, ...]] = {
    "images": ("png", "jpeg", "webp", "gif"),
    "animation": ("gif", "webp", "png", "mp4"),
    "video": ("mp4", "gif", "webp"),
    "text": (),
}


def quiet(text: str) -> None:
    """Progress for nobody."""


@dataclass(frozen=True)
class File:
    """One file as it came from the server, byte for byte."""

    content: bytes
    kind: FileKind

    @property
    def suffix(self) -> str:
        """How the name of such a file usually ends, without the dot."""
        return "jpg" if self.kind == "jpeg" else self.kind


@dataclass(frozen=True)
class Result:
    """What a call made. `notes` are sentences for the user; `seconds` is wall time."""

    server: str
    seconds: float
    files: tuple[File, ...] = ()
    text: str = ""
    chat_id: str = ""
    notes: tuple[str, ...] = ()


class Client:
    """One server. Safe to share between threads."""

    def __init__(self, profile: Profile, home: Path) -> None:
        self.profile = _located(profile)
        self._transport = Transport(self.profile)
        self._downloads = Downloads(self.profile)
        self._limiter = limiter_of(origin_of(self.profile.base_url), self.profile.at_once)
        # The embedded sandbox has another port at every start, but always the same names.
        self._catalogs = Catalogs(home, profile.base_url)

    def send(
        self,
        request: Request,
        *,
        on_progress: OnProgress = quiet,
        should_cancel: ShouldCancel = never,
    ) -> Result:
        """What `request` makes. Blocks; `should_cancel` is asked about 20 times a second.

        Raises the errors of `transport`, `replies` and `downloads`.
        """
        started = time.monotonic()
        on_progress(f"waiting for {self.describe()}")
        with self._limiter.place(should_cancel):
            response = self._transport.post(
                request.path, request.to_json(), should_cancel=should_cancel
            )
        reply = replies.read(response, self._hide)
        if isinstance(reply, replies.Job):
            reply = self._finished(reply, on_progress, should_cancel)
        result = self._fetched(reply, request, on_progress, should_cancel)
        return replace(result, seconds=time.monotonic() - started)

    def send_all(
        self,
        requests: Sequence[Request],
        *,
        on_progress: OnProgress = quiet,
        should_cancel: ShouldCancel = never,
    ) -> Result:
        """What all `requests` make, in their order; a few are under way at once.

        Where some fail and others do not, the others are delivered and a note names each failure.
        Raises like `send` when nothing came or the user cancelled.
        """
        if len(requests) == 1:
            return self.send(requests[0], on_progress=on_progress, should_cancel=should_cancel)
        started = time.monotonic()
        on_progress(f"waiting for {self.describe()}: {len(requests)} pictures")

        def attempt(request: Request) -> Result | VisionCraftError:
            try:
                return self.send(request, should_cancel=should_cancel)
            except VisionCraftError as error:
                return error

        with ThreadPoolExecutor(min(self.profile.at_once, len(requests))) as pool:
            outcomes = list(pool.map(attempt, requests))
        return replace(_joined(outcomes), seconds=time.monotonic() - started)

    def catalog(self, name: str, *, should_cancel: ShouldCancel = never) -> Listing:
        """The live names of a catalog, remembered for widgets. Raises like `send`."""
        response = self._transport.get(CATALOGS[name].path, should_cancel=should_cancel)
        return self._catalogs.remember(name, replies.read_names(response, self._hide))

    def listing(
        self, name: str, *, should_cancel: ShouldCancel = never
    ) -> tuple[Listing, VisionCraftError | None]:
        """The live names, else the last known ones with why. Raises nothing but Cancelled."""
        try:
            return self.catalog(name, should_cancel=should_cancel), None
        except Cancelled:
            raise
        except VisionCraftError as error:
            return self._catalogs.last(name), error

    def describe(self) -> str:
        """The server in words for a person."""
        if self.profile.embedded:
            return "the embedded sandbox"
        return origin_of(self.profile.base_url)

    def _hide(self, text: str) -> str:
        return self.profile.key.hide(text) if self.profile.key else text

    def _finished(
        self, job: replies.Job, on_progress: OnProgress, should_cancel: ShouldCancel
    ) -> replies.Reply:
        """Asks until the job is done. The answer's `image` is empty while it runs."""
        deadline = time.monotonic() + self.profile.timeouts.total
        # The fields the service's clients sent; the watermark was its own default.
        body = {"job_id": job.id, "nsfw_filter": False, "watermark": True}
        while True:
            response = self._transport.post(JOB_STATUS_PATH, body, should_cancel=should_cancel)
            reply = replies.read_job(response, self._hide)
            if reply is not None:
                return reply
            if time.monotonic() > deadline:
                raise TimedOut(
                    f"The job was not done within {self.profile.timeouts.total:g} s "
                    "(limit: total).",
                    "It may have been counted; raise the limit if jobs take this long.",
                    phase="job",
                )
            on_progress("the server is still at work")
            _sleep(POLL_EVERY, should_cancel)

    def _fetched(
        self,
        reply: replies.Reply,
        request: Request,
        on_progress: OnProgress,
        should_cancel: ShouldCancel,
    ) -> Result:
        result = Result(origin_of(self.profile.base_url), 0.0)
        if isinstance(reply, replies.Words):
            if request.makes != "text":
                raise self._unfit("text")
            return replace(result, text=reply.text, chat_id=reply.chat_id)
        contents = ()
        if isinstance(reply, replies.Files):
            contents = reply.contents
        elif isinstance(reply, replies.Links) and request.makes != "text":
            on_progress(f"fetching {len(reply.urls)} file(s)")
            with ThreadPoolExecutor(len(reply.urls[:8])) as pool:
                fetch = self._downloads.fetch
                contents = tuple(
                    pool.map(lambda url: fetch(url, should_cancel=should_cancel), reply.urls)
                )
        files = tuple(self._file(content, request) for content in contents)
        if not files:
            raise self._unfit("links")
        return replace(result, files=files, notes=_count_note(request, len(files)))

    def _file(self, content: bytes, request: Request) -> File:
        kind = sniff(content)
        if kind is None or kind not in _FITTING[request.makes]:
            raise self._unfit(f"a {kind} file" if kind else "a file of an unknown kind")
        return File(content, kind)

    def _unfit(self, what: str) -> BadReply:
        return BadReply(
            f"{self.describe()} answered with {what}, which is not what was asked for.",
            "Check that the base URL is the VisionCraft API; the job may have been counted.",
            phase="reply",
            status=200,
        )


def _joined(outcomes: Sequence[Result | VisionCraftError]) -> Result:
    results = [outcome for outcome in outcomes if isinstance(outcome, Result)]
    errors = [outcome for outcome in outcomes if isinstance(outcome, VisionCraftError)]
    cancelled = [error for error in errors if isinstance(error, Cancelled)]
    if cancelled or not results:
        raise (cancelled or errors)[0]
    lost = tuple(
        f"Picture {number} of {len(outcomes)} failed: {outcome}"
        for number, outcome in enumerate(outcomes, 1)
        if isinstance(outcome, VisionCraftError)
    )
    notes = dict.fromkeys(note for result in results for note in result.notes)
    files = tuple(file for result in results for file in result.files)
    return replace(results[0], files=files, notes=(*notes, *lost))


def _located(profile: Profile) -> Profile:
    if not profile.embedded:
        return profile
    # Only now: a configured server needs neither aiohttp nor the drawing code.
    from .sandbox.server import embedded

    return replace(profile, base_url=embedded().url)


def _count_note(request: Request, got: int) -> tuple[str, ...]:
    asked = getattr(request, "image_count", 1)
    if got == asked:
        return ()
    return (f"The server sent {got} picture(s) where {asked} were asked for.",)


def _sleep(seconds: float, should_cancel: ShouldCancel) -> None:
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        if should_cancel():
            raise Cancelled("Cancelled here; the server may still finish the job.", phase="job")
        time.sleep(min(LOOK_EVERY, left))
