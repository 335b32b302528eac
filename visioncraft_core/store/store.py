"""What was paid for, kept on disk as it arrives and before anything is decoded.

    store/objects/ab/<sha256 of the content>    every answer and file, once
    store/index.sqlite                          what each request was answered with
    store/locks/<sha256 of the request>         while a process works on it

A request is its body without the token, the base URL and the variation that the user asked
for; the key is in none of it. Objects appear whole or not at all, and content is checked against
its name before it is given out. The index names every object, but an object that it names may be
missing: so a process may be killed anywhere, and several may work here at once. The disk being full
or gone, or a network drive without locks, loses no result: it is only not kept.
"""

from __future__ import annotations

import logging
import os
import re
import shutil
import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from statistics import median
from typing import Any

from ..atomic import PART, temporary_file
from ..base64_text import dumps
from ..cancellation import ShouldCancel
from ..errors import StoreUnreadable
from ..http.call import Response
from . import old_layout
from .index import WRITE, Index, add, storable
from .locks import LEFT_BEHIND, remove_unused_locks, request_lock

MAX_BYTES = 2 * 2**30
MAX_REQUESTS = 50_000  # texts are so small that they would never come to so many bytes
LAST_RUNS = 15  # of which the median is what a request usually takes
PROMPT_PREVIEW = 80  # characters of a prompt in the list
SWEEP_INTERVAL = 600.0  # seconds
LAST_USE_PRECISION = 60.0  # seconds: to note a use writes to the disk

_ADD_DURATION = "INSERT OR REPLACE INTO durations VALUES (?, ?, ?, ?, ?, ?)"
_DELETE_OLDEST = """DELETE FROM requests WHERE key =
    (SELECT key FROM requests WHERE key <> ? ORDER BY used <= ?, used LIMIT 1)"""
_TOTAL = "SELECT count(*), ifnull(sum(size), 0) FROM (SELECT DISTINCT object, size FROM records)"

log = logging.getLogger("visioncraft")
_swept: dict[Path, float] = {}  # when this process last did so, by time.monotonic


@dataclass(frozen=True)
class Entry:
    """One request and what is kept of its answer. `made` is seconds since 1970; `unparsed` is the
    file of an answer that gave no result."""

    made: float
    server: str
    path: str
    about: str
    files: int
    size: int
    unparsed: Path | None = None


@dataclass(frozen=True)
class Duration:
    """How many `seconds` a `server` took to answer a request to `path` for a `model`."""

    server: str
    path: str
    model: str
    seconds: float


@dataclass(frozen=True)
class Health:
    """What `verify` found."""

    good: int
    damaged: int
    missing: int


class Store:
    """Paid results in `folder`; the least recently used make room. Safe to share between threads
    and processes. Where the disk fails, or others write for `busy_timeout` seconds, nothing is
    raised; what reads raises StoreUnreadable where this user may not."""

    def __init__(
        self,
        folder: Path,
        max_bytes: int = MAX_BYTES,
        max_requests: int = MAX_REQUESTS,
        busy_timeout: float = 10.0,
    ) -> None:
        self._folder = folder
        self._objects = folder / "objects"
        self._locks = folder / "locks"
        self._damaged = folder / "index.damaged"
        self._index = Index(
            folder / "index.sqlite",
            self._damaged,
            busy_timeout,
            remove_object=lambda name: _remove(self._object(name)),
            take_over=self._take_over,
        )
        self._max_bytes = max_bytes
        self._max_requests = max_requests

    @contextmanager
    def request_lock(
        self, key: str, should_cancel: ShouldCancel, on_wait: Callable[[], object] = bool
    ) -> Iterator[None]:
        """Lets one process at a time work on a request: the second finds what the first brought.

        `on_wait` is called where it has to wait for another. Raises Cancelled.
        """
        with suppress(OSError):
            _make(self._locks)
        with request_lock(self._locks / key, should_cancel, on_wait), self._index.held():
            yield

    def keep_reply(
        self,
        key: str,
        response: Response,
        about: Mapping[str, Any],
        duration: Duration | None = None,
    ) -> bool:
        """Keeps an answer under `key`, in place of all that was kept there; `about` is for people.
        Tells whether it could be kept."""
        return self._keep(key, "reply", response, about, duration)

    def keep_job(self, key: str, response: Response) -> bool:
        """Keeps the answer of a job that ended."""
        return self._keep(key, "job", response)

    def keep_file(self, key: str, url: str, content: bytes) -> bool:
        """Keeps the file that a result link gave."""
        return self._keep(key, _named(url), Response(0, {}, content, ""))

    def reply(self, key: str) -> Response | None:
        """The answer that `key` was given; where that began a job which ended, the job's."""
        return self._find(key, "job", "reply")

    def file(self, key: str, url: str) -> bytes | None:
        name = _named(url)
        found = self._find(key, name, name)
        return found and found.body

    def usual_seconds(self, server: str, path: str, model: str) -> float | None:
        """The median of how long such requests took that are kept; None where there are none."""
        query = """SELECT seconds FROM durations WHERE server = ? AND path = ? AND model = ?
            ORDER BY made DESC LIMIT ?"""
        with suppress(OSError, StoreUnreadable), self._open() as db:
            asked = (*storable((server, path, model)), LAST_RUNS)
            last = [seconds for (seconds,) in db.execute(query, asked)]
            return median(last) if last else None
        return None

    def forget(self, key: str) -> None:
        """Lets the next such request be sent again."""
        with suppress(OSError, StoreUnreadable), self._open() as db:
            db.execute("DELETE FROM requests WHERE key = ?", (key,))

    def quarantine(self, key: str) -> None:
        """Keeps an answer that nobody understood, but not as the answer."""
        with suppress(OSError, StoreUnreadable), self._open() as db:
            db.execute(WRITE)
            # Of two, the job's is what was made.
            db.execute(
                "UPDATE OR REPLACE records SET name = 'unparsed' WHERE key = ? AND name ="
                " (SELECT min(name) FROM records WHERE key = ? AND name IN ('job', 'reply'))",
                (key, key),
            )
            db.execute("DELETE FROM records WHERE key = ? AND name <> 'unparsed'", (key,))
            db.execute("DELETE FROM durations WHERE key = ?", (key,))

    def forget_file(self, key: str, url: str) -> None:
        """Lets the file of a result link be fetched again."""
        with suppress(OSError, StoreUnreadable), self._open() as db:
            db.execute("DELETE FROM records WHERE key = ? AND name = ?", (key, _named(url)))

    def size(self) -> tuple[int, int]:
        """How many files there are, and their bytes."""
        with suppress(OSError), self._open() as db:
            return db.execute(_TOTAL).fetchone()
        return 0, 0

    def entries(self) -> list[Entry]:
        """What is kept, newest first."""
        query = """
            SELECT made, server, path, about,
                max(1, sum(name NOT IN ('reply', 'job', 'unparsed'))), sum(size),
                max(CASE name WHEN 'unparsed' THEN object END)
            FROM requests JOIN records USING (key) GROUP BY requests.rowid
            ORDER BY made DESC"""
        with suppress(OSError), self._open() as db:
            return [
                Entry(made, server, path, about, files, size, digest and self._object(digest))
                for made, server, path, about, files, size, digest in db.execute(query)
            ]
        return []

    def clear(self) -> int:
        """Removes everything; gives the bytes that are free now."""
        size = 0
        with suppress(OSError), self._open(create=True) as db:
            db.execute(WRITE)
            ((_, size),) = db.execute(_TOTAL)
            shutil.rmtree(self._objects, ignore_errors=True)
            _remove(self._damaged)
            db.execute("DELETE FROM requests")
            db.commit()
            # Prompts would stay in free parts of the file, and in the journal.
            db.execute("VACUUM")
            db.execute("PRAGMA journal_mode = DELETE")
        return size

    def verify(self) -> Health:
        """Reads everything once and removes what is damaged."""
        paths = list(self._objects.glob("??/*"))
        good = sum(self._read(path) is not None for path in paths)
        missing = 0
        with suppress(OSError), self._open() as db:
            db.execute(WRITE)
            for (digest,) in db.execute("SELECT DISTINCT object FROM records").fetchall():
                if not self._object(digest).exists():
                    query = "DELETE FROM records WHERE object = ?"
                    missing += db.execute(query, (digest,)).rowcount
            db.execute("DELETE FROM requests WHERE key NOT IN (SELECT key FROM records)")
            self._remove_unnamed(db, paths)
        return Health(good, len(paths) - good, missing)

    def _keep(
        self,
        key: str,
        name: str,
        response: Response,
        about: Mapping[str, Any] | None = None,
        duration: Duration | None = None,
    ) -> bool:
        content, origin, now = response.body, response.origin, time.time()
        digest = sha256(content).hexdigest()
        path = self._object(digest)
        words = ((about or {}).get(part, "") for part in ("path", "about"))
        try:
            _make(path.parent)
            with temporary_file(self._objects, content, secret=True, durable=True) as part:
                with self._open(create=True) as db:
                    db.execute(WRITE)
                    if name == "reply":
                        db.execute("DELETE FROM requests WHERE key = ?", (key,))
                    db.execute("DELETE FROM records WHERE key = ? AND name = ?", (key, name))
                    record = (key, name, digest, len(content), response.status, origin)
                    add(db, (key, now, now, origin, *words), record)
                    if duration:
                        took = (duration.server, duration.path, duration.model)
                        row = storable((key, *took, now, duration.seconds))
                        db.execute(_ADD_DURATION, row)
                    # What is from the future was used before the clock was put back.
                    oldest = (key, now)
                    while self._is_full(db) and db.execute(_DELETE_OLDEST, oldest).rowcount:
                        pass
                if self._read(path) is None:
                    os.replace(part, path)
        except (OSError, StoreUnreadable) as error:
            reason = getattr(error, "strerror", error)
            log.warning("A result could not be kept in the store (%s).", reason)
            return False
        self._sweep()
        return True

    def _find(self, key: str, *names: str) -> Response | None:
        """What is kept under one of two `names`, the first in their order."""
        query = """SELECT object, status, origin FROM records
            WHERE key = ? AND name IN (?, ?) ORDER BY name"""
        with suppress(OSError), self._open() as db:
            for digest, status, origin in db.execute(query, (key, *names)).fetchall():
                content = self._read(self._object(digest))
                if content is not None:
                    now = time.time()
                    with suppress(sqlite3.Error):
                        query = "UPDATE requests SET used = ? WHERE key = ? AND used < ?"
                        db.execute(query, (now, key, now - LAST_USE_PRECISION))
                    return Response(status, {}, content, origin)
        return None

    def _open(self, *, create: bool = False) -> AbstractContextManager[sqlite3.Connection]:
        return self._index.opened(create=create or old_layout.exists(self._folder))

    def _take_over(self, db: sqlite3.Connection) -> None:
        if not old_layout.exists(self._folder):
            return
        db.execute(WRITE)
        for request, records in old_layout.read(self._folder):
            add(db, request, *records)
        self._remove_unnamed(db, self._objects.glob("??/*"))
        db.commit()
        old_layout.remove(self._folder)

    def _is_full(self, db: sqlite3.Connection) -> bool:
        ((requests,),) = db.execute("SELECT count(*) FROM requests")
        # An object that two requests share counts twice: to tell them apart takes much longer.
        ((size,),) = db.execute("SELECT sum(size) FROM records")
        return requests > self._max_requests or size > self._max_bytes

    def _remove_unnamed(self, db: sqlite3.Connection, paths: Iterable[Path]) -> None:
        for path in paths:
            if not db.execute("SELECT 1 FROM records WHERE object = ?", (path.name,)).fetchone():
                _remove(path)

    def _read(self, path: Path) -> bytes | None:
        """The content of an object; a damaged one is removed."""
        try:
            content = path.read_bytes()
        except OSError:
            return None
        if sha256(content).hexdigest() == path.name:
            return content
        _remove(path)
        return None

    def _object(self, digest: str) -> Path:
        safe = digest if re.fullmatch("[0-9a-f]{64}", str(digest)) else "-"
        return self._objects / safe[:2] / safe

    def _sweep(self) -> None:
        """Removes what was left behind by processes that were killed, now and then."""
        now = time.monotonic()
        if now - _swept.get(self._folder, -SWEEP_INTERVAL) < SWEEP_INTERVAL:
            return
        _swept[self._folder] = now
        with suppress(OSError):
            for part in self._objects.glob(f"*{PART}"):
                if time.time() - part.stat().st_mtime > LEFT_BEHIND:
                    part.unlink()
        remove_unused_locks(self._locks)


def key_of(path: str, body: Mapping[str, Any], base_url: str, variation: object) -> str:
    """The name of a request: of a `body` without token, to one server."""
    asked = dumps([base_url, path, body, variation], sort_keys=True)
    return sha256(asked.encode()).hexdigest()


def _named(url: str) -> str:
    return sha256(url.encode("utf-8", "backslashreplace")).hexdigest()


def _make(folder: Path) -> None:
    # Prompts, pictures and signed links: nobody else's business.
    if folder.is_dir():
        return
    for parent in reversed([folder, *folder.parents][:4]):
        parent.mkdir(mode=0o700, exist_ok=True, parents=True)


def _remove(path: Path) -> None:
    with suppress(OSError):
        path.unlink()
