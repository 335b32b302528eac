"""The files of one reply on their way to the user: downloaded, stored, checked and decoded.

Each part has an outcome of its own, and one that failed says what another run would do about it:
whether that costs another job is known only here, where it is known what is stored.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from urllib.parse import urljoin

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
from .context import RunContext
from .parallel import parallel_map
from .replies import FilesReply
from .results import File, Part, failure_notes, failure_of, unexpected_content, whole_file

MAX_DOWNLOADS = 8
MAX_DECODING = 2  # in the whole process: each picture may take half a GB for a moment
MOST_FILES = 16  # of one answer; the API makes five at most
GONE = (404, 410)  # what a server says of a file that it will never have again

NOT_STORED = "It may have been charged and is not stored here; running again starts another job."
DEAD = "It may have been charged. Run again for a new one, which is another job."
DEAD_AMONG_OTHERS = "The others are stored. Change seed for new ones, which is another job."
LATER = (
    "It may have been charged. Its link is stored: run again soon to download it without another "
    "job, or change seed for a new one."
)

_decoding = threading.BoundedSemaphore(MAX_DECODING)


@dataclass(frozen=True)
class CollectedFiles:
    """What came of a reply: the `parts` there are, with `notes` about those that failed.

    `missing` counts the failed ones that another run would fetch; `stored` is whether the disk took
    every file. Where `error` is set there is no result, and `final` is whether there never will be.
    """

    parts: list[Part]
    notes: tuple[str, ...]
    missing: int
    stored: bool
    error: VisionCraftError | None
    final: bool


def collect_files(context: RunContext, reply: FilesReply, *, stored: bool) -> CollectedFiles:
    """The files of `reply`; `stored` tells whether the reply itself is in the store."""
    collector = _FileCollector(context)
    sources = reply.parts[:MOST_FILES]
    outcomes = parallel_map(collector.part, sources, MAX_DOWNLOADS)
    dead = [_is_dead(*pair) for pair in zip(outcomes, sources, strict=True)]
    outcomes = [
        _advised(outcome, stored=stored, is_dead=is_dead, all_dead=all(dead))
        for outcome, is_dead in zip(outcomes, dead, strict=True)
    ]
    parts = [outcome for outcome in outcomes if isinstance(outcome, Part)]
    notes = failure_notes(outcomes)
    links = sum(
        isinstance(source, str) and not isinstance(outcome, Part)
        for outcome, source in zip(outcomes, sources, strict=True)
    )
    strict = context.server.profile.fail_on_partial
    # Where nothing came, one error is raised: that of a part that may still come, if there is one.
    alive = [outcome for outcome, is_dead in zip(outcomes, dead, strict=True) if not is_dead]
    error = failure_of(outcomes if parts else alive or outcomes, fail_on_partial=strict)
    missing = links if stored else len(notes)
    return CollectedFiles(parts, notes, missing, collector.stored, error, final=all(dead))


class _FileCollector:
    """Downloads, stores, checks and decodes the files of one reply."""

    def __init__(self, context: RunContext) -> None:
        self._context = context
        self._server = context.server
        self._budget = ByteBudget(context.request.output)
        self.stored = True

    def part(self, source: bytes | str | None) -> Part | VisionCraftError:
        """The file that came with the reply, or that a link names; else why there is none."""
        try:
            if source is None:
                raise unexpected_content(
                    self._server.label, "a part that is neither a file nor a link"
                )
            if isinstance(source, bytes):
                self._budget.take(len(source))
                return self._decoded(self._whole(source))
            base = self._server.profile.base_url + self._context.request.path
            return self._linked(_absolute(base, source))
        except VisionCraftError as error:
            return error

    def _linked(self, url: str) -> Part:
        store, key = self._server.store, self._context.key
        content = store.file(key, url) if key else None
        if content is None:
            self._refuse_ended_sandbox(url)
            content = self._server.downloads.fetch(url, self._budget, self._context.scope)
            file = self._whole(content)
            if key and not store.keep_file(key, url, content):
                self.stored = False
        else:
            self._budget.take(len(content))
            file = self._whole(content)
        try:
            return self._decoded(file)
        except DamagedFile:
            if key:  # downloaded again, it may come whole
                store.forget_file(key, url)
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
        return whole_file(content, self._context.request.output, self._server.label)

    def _decoded(self, file: File) -> Part:
        with _decoding:
            if self._context.scope.is_cancelled():
                raise Cancelled("Cancelled; the result was made.", phase="decode", charged="yes")
            decoder = self._context.decoder
            return Part(file, decoder(file.content) if decoder else None)


def _advised(
    outcome: Part | VisionCraftError, *, stored: bool, is_dead: bool, all_dead: bool
) -> Part | VisionCraftError:
    """`outcome`, with what another run would do about it."""
    if isinstance(outcome, Part | UnsafeURL | UnsafeContent):
        return outcome  # other settings may let it through, and it says so
    if not stored:
        return outcome.replace(advice=NOT_STORED)
    if not is_dead:
        return outcome.replace(advice=LATER)
    return outcome.replace(advice=DEAD if all_dead else DEAD_AMONG_OTHERS)


def _is_dead(outcome: Part | VisionCraftError, source: object) -> bool:
    """Whether this part will never come.

    Of a link only a clear word counts: a proxy, a login page or a busy host say other things, too.
    """
    if isinstance(source, str):
        return isinstance(outcome, DownloadFailed) and outcome.status in GONE
    return isinstance(outcome, InvalidResponse) and not isinstance(outcome, UnsafeContent)


def _absolute(base: str, url: str) -> str:
    """`url`, which may name only a path. Others stay as they are: joining would tidy them up
    before they are checked."""
    return urljoin(base, url) if url.startswith("/") else url
