"""What was paid for, kept on disk as it arrives and before anything is decoded.

    store/objects/ab/<sha256 of the content>        every answer and file, once
    store/requests/ab/<sha256 of the request>/      what a request was answered with:
        reply.json, job.json                        the answer, and that of a job that ended
        unread.json                                 an answer that gave no result, for people
        <sha256 of a URL>.json                      the file that a result link gave
    store/claims/<sha256 of the request>            while a process works on it
    store/untrimmed                                 see `bounds`

A request is its wire body without the token, the base URL and the variation that the user asked
for; the key is in none of it. Every file appears whole or not at all, and content is checked
against its name before it is given out, so a process may be killed anywhere and two may work here
at once. The disk being full or gone loses no result: it is only not kept.
"""

from __future__ import annotations

import json
import logging
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from ..atomic import PART, write_atomic
from ..cancellation import ShouldCancel
from ..http.call import Response
from .eviction import MOST_BYTES, MOST_REQUESTS, Bounds
from .locks import request_lock

UNREAD = "unread.json"
ABOUT = 80  # characters of a prompt in the list

log = logging.getLogger("visioncraft")


@dataclass(frozen=True)
class Entry:
    """One request and what is kept of its answer. `made` is seconds since 1970; `unread` is the
    file of an answer that gave no result."""

    made: float
    server: str
    path: str
    about: str
    files: int
    size: int
    unread: Path | None = None


@dataclass(frozen=True)
class Health:
    """What `verify` found."""

    good: int
    damaged: int
    missing: int


class Store:
    """Paid results in `folder`. Safe to share between threads and processes. Where the disk
    fails, nothing is raised."""

    def __init__(
        self, folder: Path, most_bytes: int = MOST_BYTES, most_requests: int = MOST_REQUESTS
    ) -> None:
        self._objects = folder / "objects"
        self._requests = folder / "requests"
        self._claims = folder / "claims"
        self._bounds = Bounds(folder, most_bytes, most_requests)

    @contextmanager
    def request_lock(self, key: str, should_cancel: ShouldCancel) -> Iterator[None]:
        """Lets one process at a time work on a request: the second finds what the first brought.

        Raises Cancelled.
        """
        with suppress(OSError):
            _make(self._claims)
        with request_lock(self._claims / key, should_cancel):
            yield

    def keep_reply(self, key: str, response: Response, about: Mapping[str, Any]) -> bool:
        """Keeps an answer under `key`; `about` is for people. Tells whether it could be kept."""
        return self._keep(key, "reply", response.body, {**about, **_told(response)})

    def keep_job(self, key: str, response: Response) -> bool:
        """Keeps the answer of a job that ended."""
        return self._keep(key, "job", response.body, _told(response))

    def keep_file(self, key: str, url: str, content: bytes) -> bool:
        """Keeps the file that a result link gave."""
        return self._keep(key, _named(url), content, {})

    def reply(self, key: str) -> Response | None:
        """The answer that `key` was given."""
        return self._response(key, "reply")

    def job(self, key: str) -> Response | None:
        return self._response(key, "job")

    def file(self, key: str, url: str) -> bytes | None:
        return self._content(key, self._record(key, _named(url)))

    def forget(self, key: str) -> None:
        """Lets the next such request be sent again."""
        folder = self._folder(key)
        for path in _listed(folder):
            _remove(path)
        with suppress(OSError):
            folder.rmdir()

    def quarantine(self, key: str) -> None:
        """Keeps an answer that nobody understood, but not as the answer."""
        folder = self._folder(key)
        for name in ("reply.json", "job.json"):  # of two, the job's is what was made
            with suppress(OSError):
                os.replace(folder / name, folder / UNREAD)
        for path in _listed(folder):
            if path.name != UNREAD:
                _remove(path)

    def forget_file(self, key: str, url: str) -> None:
        """Lets the file of a result link be fetched again."""
        _remove(self._folder(key) / f"{_named(url)}.json")

    def size(self) -> tuple[int, int]:
        """How many files there are, and their bytes."""
        found = [size for _, size in self._all_objects()]
        return len(found), sum(found)

    def entries(self) -> list[Entry]:
        """What is kept, newest first."""
        found = [e for folder in self._all_requests() if (e := self._entry(folder))]
        return sorted(found, key=lambda entry: entry.made, reverse=True)

    def clear(self) -> int:
        """Removes everything; gives the bytes that are free now."""
        _, size = self.size()
        for folder in self._all_requests():
            self.forget(folder.name)
        for path, _ in self._all_objects():
            _remove(path)
        return size

    def verify(self) -> Health:
        """Reads everything once and removes what is damaged."""
        good = damaged = missing = 0
        for path, _ in self._all_objects():
            if self._read(path) is None:
                damaged += 1
            else:
                good += 1
        for folder in self._all_requests():
            for record in _listed(folder):
                digest = _json(record).get("sha256", "")
                if not (isinstance(digest, str) and self._object(digest).is_file()):
                    missing += 1
                    _remove(record)
        return Health(good, damaged, missing)

    def _keep(self, key: str, name: str, content: bytes, told: Mapping[str, Any]) -> bool:
        digest = sha256(content).hexdigest()
        path = self._object(digest)
        record = {**told, "made": time.time(), "sha256": digest, "size": len(content)}
        try:
            _touch(path)  # first: from here on nobody takes it for the least recently used
            if self._read(path) is None:
                _make(path.parent)
                write_atomic(path, content, secret=True, durable=True)
            _make(self._folder(key))
            text = json.dumps(record, ensure_ascii=True).encode()
            write_atomic(self._folder(key) / f"{name}.json", text, secret=True, durable=True)
        except OSError as error:
            log.warning("A result could not be kept in the store (%s).", error.strerror)
            return False
        self._bounds.count(len(content))
        return True

    def _response(self, key: str, name: str) -> Response | None:
        record = self._record(key, name)
        content = self._content(key, record)
        origin, status = record.get("server"), record.get("status")
        if content is None or not isinstance(origin, str) or not isinstance(status, int):
            return None
        return Response(status, {}, content, origin)

    def _record(self, key: str, name: str) -> dict[str, Any]:
        return _json(self._folder(key) / f"{name}.json")

    def _content(self, key: str, record: Mapping[str, Any]) -> bytes | None:
        digest = record.get("sha256")
        if not isinstance(digest, str):
            return None
        content = self._read(self._object(digest))
        if content is not None:
            _touch(self._object(digest))  # the last use decides what has to go
            _touch(self._folder(key))
        return content

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

    def _entry(self, folder: Path) -> Entry | None:
        records = {path.stem: _json(path) for path in _listed(folder)}
        told = records.get("reply") or records.get("unread")
        if not told:
            return None
        digest = "" if "reply" in records else str(told.get("sha256"))
        sizes = [r["size"] for r in records.values() if isinstance(r.get("size"), int)]
        files = len(records.keys() - {"reply", "job", "unread"})
        server, path, about = (str(told.get(name, "")) for name in ("server", "path", "about"))
        made = told["made"] if isinstance(told.get("made"), float) else 0.0
        unread = self._object(digest) if digest else None
        return Entry(made, server, path, about, files or 1, sum(sizes), unread)

    def _object(self, digest: str) -> Path:
        safe = digest if digest.isalnum() else "-"
        return self._objects / safe[:2] / safe

    def _folder(self, key: str) -> Path:
        return self._requests / key[:2] / key

    def _all_objects(self) -> Iterator[tuple[Path, int]]:
        """Path and size of each."""
        for path in self._objects.glob("??/*"):
            with suppress(OSError):
                if path.suffix != PART:
                    yield path, path.stat().st_size

    def _all_requests(self) -> list[Path]:
        return list(self._requests.glob("??/*"))


def key_of(path: str, body: Mapping[str, Any], base_url: str, variation: object) -> str:
    """The name of a request: of a `body` without token, to one server."""
    asked = json.dumps([base_url, path, body, variation], sort_keys=True, ensure_ascii=True)
    return sha256(asked.encode()).hexdigest()


def _told(response: Response) -> dict[str, Any]:
    return {"server": response.origin, "status": response.status}


def _named(url: str) -> str:
    return sha256(url.encode("utf-8", "backslashreplace")).hexdigest()


def _json(path: Path) -> dict[str, Any]:
    try:
        record = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return {}
    return record if isinstance(record, dict) else {}


def _listed(folder: Path) -> list[Path]:
    return [path for path in folder.glob("*") if path.suffix != PART]


def _make(folder: Path) -> None:
    # Prompts, pictures and signed links: nobody else's business.
    for parent in reversed([folder, *folder.parents][:4]):
        parent.mkdir(mode=0o700, exist_ok=True, parents=True)


def _touch(path: Path) -> None:
    with suppress(OSError):
        os.utime(path)


def _remove(path: Path) -> None:
    with suppress(OSError):
        path.unlink()
