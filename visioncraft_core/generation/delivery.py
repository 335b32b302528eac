"""The files of one reply on their way to the user: downloaded, stored, checked and decoded.

Each part has an outcome of its own, and one that failed says what another run would do about it:
whether that costs another job is known only here, where it is known what is stored.
"""

from __future__ import annotations

import threading
from dataclasses import replace
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
from ..http.addresses import percent_encoded
from ..http.byte_budget import ByteBudget
from ..urls import origin_of
from .context import RunContext
from .masking import without_key
from .parallel import parallel_map
from .replies import FilesReply
from .results import File, Result, merge_results, unexpected_content, whole_file

MAX_DOWNLOADS = 8
MAX_DECODING = 2  # in the whole process: each picture may take half a GB for a moment
MOST_FILES = 16  # of one answer; the API makes five at most
GONE = (404, 410)  # what a server says of a file that it will never have again

NOT_STORED_NOTE = "The result could not be stored: the disk is full or not writable."
NOT_STORED = "It may have been charged and is not stored here; running again starts another job."
DEAD = "It may have been charged. Run again for a new one, which is another job."
DEAD_AMONG_OTHERS = "The others are stored. Change seed for new ones, which is another job."
LATER = (
    "It may have been charged. Its link is stored: run again soon to download it without another "
    "job, or change seed for a new one."
)

_decoding = threading.BoundedSemaphore(MAX_DECODING)


class FinalFailure(Exception):
    """No run will ever get a result out of a reply, because of `error`."""

    def __init__(self, error: VisionCraftError) -> None:
        super().__init__(error)
        self.error = error


def collect_files(context: RunContext, reply: FilesReply, *, stored: bool) -> Result:
    """The files of `reply`, with notes about those that failed; `stored` tells whether the reply
    itself is in the store.

    Raises FinalFailure, or the error of a part that may still come.
    """
    collector = _FileCollector(context)
    sources = reply.parts[:MOST_FILES]
    outcomes = parallel_map(collector.part, sources, MAX_DOWNLOADS)
    dead = [_is_dead(*pair) for pair in zip(outcomes, sources, strict=True)]
    outcomes = [
        _advised(outcome, stored=stored, is_dead=is_dead, all_dead=all(dead))
        for outcome, is_dead in zip(outcomes, dead, strict=True)
    ]
    errors = [outcome for outcome in outcomes if isinstance(outcome, VisionCraftError)]
    if all(dead):
        raise FinalFailure(errors[0])
    if len(errors) == len(outcomes):
        outcomes = [each for each, is_dead in zip(outcomes, dead, strict=True) if not is_dead]
    strict = context.server.profile.fail_on_partial
    result = merge_results(outcomes, fail_on_partial=strict)
    links = sum(
        isinstance(source, str) and outcome in errors
        for outcome, source in zip(outcomes, sources, strict=True)
    )
    return replace(result, missing=links) if stored else result


class _FileCollector:
    """Downloads, stores, checks and decodes the files of one reply."""

    def __init__(self, context: RunContext) -> None:
        self._context = context
        self._server = context.server
        self._budget = ByteBudget(context.request.output)

    def part(self, source: bytes | str | None) -> Result | VisionCraftError:
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

    def _linked(self, url: str) -> Result:
        store, key = self._server.store, self._context.key
        content = store.file(key, url) if key else None
        notes: tuple[str, ...] = ()
        if content is None:
            self._refuse_ended_sandbox(url)
            content = self._server.downloads.fetch(url, self._budget, self._context.scope)
            content = without_key(content, self._server.profile.key)
            file = self._whole(content)
            if key and not store.keep_file(key, url, content):
                notes = (NOT_STORED_NOTE,)
        else:
            self._budget.take(len(content))
            file = self._whole(content)
        try:
            return replace(self._decoded(file), notes=notes)
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

    def _decoded(self, file: File) -> Result:
        with _decoding:
            if self._context.scope.is_cancelled():
                raise Cancelled("Cancelled; the result was made.", phase="decode", charged="yes")
            decoder = self._context.decoder
            decoded = (decoder(file.content),) if decoder else ()
            return Result(self._server.origin, 0.0, (file,), decoded)


def _advised(
    outcome: Result | VisionCraftError, *, stored: bool, is_dead: bool, all_dead: bool
) -> Result | VisionCraftError:
    """`outcome`, with what another run would do about it."""
    if isinstance(outcome, Result | UnsafeURL | UnsafeContent):
        return outcome  # other settings may let it through, and it says so
    if not stored:
        return outcome.replace(advice=NOT_STORED)
    if not is_dead:
        return outcome.replace(advice=LATER)
    return outcome.replace(advice=DEAD if all_dead else DEAD_AMONG_OTHERS)


def _is_dead(outcome: Result | VisionCraftError, source: object) -> bool:
    """Whether this part will never come.

    Of a link only a clear word counts: a proxy, a login page or a busy host say other things, too.
    """
    if isinstance(source, str):
        return isinstance(outcome, DownloadFailed) and outcome.status in GONE
    return isinstance(outcome, InvalidResponse) and not isinstance(outcome, UnsafeContent)


def _absolute(base: str, url: str) -> str:
    """`url`, which may name only a path. Others stay as they are: joining would tidy them up
    before they are checked."""
    return percent_encoded(urljoin(base, url) if url.startswith("/") else url)
