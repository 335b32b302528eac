"""The files of one answer on their way to the user: fetched, kept, checked and opened.

Each part has an outcome of its own, and one that failed says what another run would do about it:
whether it costs another job is known only here, where it is known what is kept.
"""

from __future__ import annotations

import threading
from operator import itemgetter
from typing import NamedTuple
from urllib.parse import urljoin

from ..api.fields import Request
from ..cancellation import ShouldCancel
from ..errors import (
    Cancelled,
    DamagedFile,
    DownloadFailed,
    InvalidResponse,
    UnsafeContent,
    UnsafeURL,
    VisionCraftError,
)
from ..http.byte_budget import ByteBudget
from ..urls import origin_of
from .context import ServerContext
from .parallel import parallel_map
from .replies import FilesReply
from .results import Decoder, File, Part, delivered, unexpected_content, whole_file

DOWNLOADS_AT_ONCE = 8
OPENED_AT_ONCE = 2  # in the whole process: each picture may take half a GB for a moment
MOST_FILES = 16  # of one answer; the API makes five at most
GONE = (404, 410)  # what a server says of a file that it will never have again

UNKEPT = "It may have been counted and is not kept here: another run begins another job."
DEAD = "It may have been counted. Run again for a new one, which is another job."
DEAD_AMONG_OTHERS = "The others are kept. Change seed for new ones, which is another job."
LATER = (
    "It may have been counted. Its address is kept: run again soon to ask for it once more, "
    "without another job, or change seed for a new one."
)

_opening = threading.BoundedSemaphore(OPENED_AT_ONCE)


class CollectedFiles(NamedTuple):
    """`notes` tell of the parts that failed, of which `missing` would be fetched by another run."""

    parts: list[Part]
    notes: tuple[str, ...]
    missing: int


class FileCollector:
    """What a reply names, for one request. `key` is its name in the store, "" where nothing is
    kept; `kept` tells whether the reply itself is."""

    def __init__(
        self,
        server: ServerContext,
        request: Request,
        key: str,
        decoder: Decoder,
        should_cancel: ShouldCancel,
        *,
        kept: bool,
    ) -> None:
        self._server = server
        self._request = request
        self._key = key
        self._open = decoder
        self._should_cancel = should_cancel
        self._kept = kept
        self._budget = ByteBudget(request.output)
        self.unkept = False
        """Whether the disk refused a file."""
        self.over = False
        """Whether nothing of it will ever come, however often one asks."""

    def collect(self, reply: FilesReply) -> CollectedFiles:
        """The parts that come. Raises where none does, the user cancelled, or the profile is
        strict and one is missing."""
        sources = reply.parts[:MOST_FILES]
        outcomes = parallel_map(self._part, sources, DOWNLOADS_AT_ONCE)
        pairs = list(zip(outcomes, sources, strict=True))
        dead = [_is_dead(*pair) for pair in pairs]
        self.over = all(dead)
        told = [self._advised(*pair) for pair in pairs]
        if not any(isinstance(outcome, Part) for outcome in told):
            # Only one is told then, and what may still come says what to do.
            told = [
                outcome for _, outcome in sorted(zip(dead, told, strict=True), key=itemgetter(0))
            ]
        parts, notes = delivered(told, fail_on_partial=self._server.profile.fail_on_partial)
        links = sum(not isinstance(o, Part) and isinstance(source, str) for o, source in pairs)
        return CollectedFiles(parts, notes, links if self._kept else len(notes))

    def _part(self, source: bytes | str | None) -> Part | VisionCraftError:
        """The file that came with the answer, or that a link names; else why there is none."""
        try:
            if source is None:
                raise unexpected_content(
                    self._server.label, "a part that is neither a file nor a link"
                )
            if isinstance(source, bytes):
                self._budget.take(len(source))
                return self._opened(self._whole(source))
            return self._fetched(
                _absolute(self._server.profile.base_url + self._request.path, source)
            )
        except VisionCraftError as error:
            return error

    def _fetched(self, url: str) -> Part:
        store = self._server.store
        content = store.file(self._key, url) if self._key else None
        if content is None:
            self._refuse_ended_sandbox(url)
            content = self._server.downloads.fetch(
                url, budget=self._budget, should_cancel=self._should_cancel
            )
            file = self._whole(content)
            if self._key:
                self.unkept |= not store.keep_file(self._key, url, content)
        else:
            self._budget.take(len(content))
            file = self._whole(content)
        try:
            return self._opened(file)
        except DamagedFile:
            if self._key:  # asked for again, it may come whole
                store.forget_file(self._key, url)
            raise

    def _refuse_ended_sandbox(self, url: str) -> None:
        profile = self._server.profile
        if profile.embedded and origin_of(url) != origin_of(profile.base_url):
            raise DownloadFailed(
                "The sandbox that made this has ended, and its files with it.",
                phase="download",
                status=GONE[-1],
            )

    def _whole(self, content: bytes) -> File:
        return whole_file(content, self._request.output, self._server.label)

    def _opened(self, file: File) -> Part:
        with _opening:
            if self._should_cancel():
                raise Cancelled("Cancelled; the result was made.", phase="decode", charged="yes")
            return Part(file, self._open(file.content))

    def _advised(self, outcome: Part | VisionCraftError, source: object) -> Part | VisionCraftError:
        """`outcome`, with what another run would do about it."""
        if isinstance(outcome, Part | UnsafeURL) or type(outcome) is UnsafeContent:
            return outcome  # other settings may let it through, and it says so
        if not self._kept:
            return outcome.with_advice(UNKEPT)
        if not _is_dead(outcome, source):
            return outcome.with_advice(LATER)
        return outcome.with_advice(DEAD if self.over else DEAD_AMONG_OTHERS)


def _is_dead(outcome: Part | VisionCraftError, source: object) -> bool:
    """Whether this part will never come.

    Of a link only a clear word counts: a proxy, a login page or a busy host say other things, too.
    """
    if isinstance(source, str):
        return isinstance(outcome, DownloadFailed) and outcome.status in GONE
    return isinstance(outcome, InvalidResponse) and type(outcome) is not UnsafeContent


def _absolute(base: str, url: str) -> str:
    """`url`, which may name only a path. Others stay as they are: joining would tidy them up
    before they are checked."""
    return urljoin(base, url) if url.startswith("/") else url
