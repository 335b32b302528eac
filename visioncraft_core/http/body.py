"""Reads the body of an answer, whatever it turns out to be: capped, timed and complete.

`requests` would take any length, decompress any bomb and call a cut body whole.
"""

from __future__ import annotations

import errno
import os
import re
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import suppress
from email.errors import MultipartInvariantViolationDefect, StartBoundaryNotFoundDefect
from tempfile import TemporaryFile
from typing import Any

from ..media.images import sniff
from . import transport_errors as errors
from .byte_budget import ByteBudget
from .call import Call, is_success
from .connections import ConnectionTracker

CHUNK = 65536
ERROR_LIMIT = 65536  # bytes of an error page
ERROR_SECONDS = 2.0
# A server that sends a byte now and then keeps every socket timeout happy.
SLOWEST = 1024  # bytes a second, on the mean over SLOW_WINDOW
SLOW_WINDOW = 30.0
# The parser of headers misses the parts of a type multipart/..., which are the body.
_NO_DEFECTS = (MultipartInvariantViolationDefect, StartBoundaryNotFoundDefect)
NO_CONTENT = (204, 205)
GZIP = b"\x1f\x8b"
INFLATED_LIMIT = 64 * 2**20
_UNKNOWN_CODINGS = ("br", "zstd", "compress", "x-compress", "exi", "pack200-gzip", "dcb", "dcz")
IN_MEMORY = 16 * 2**20  # of a body that may never end; a longer one is put on disk


def read_body(response: Any, call: Call, tracker: ConnectionTracker) -> bytes:
    """The whole body of a requests `response`, decoded; of an error its first 64 KiB.

    Raises InvalidResponse, UnsafeContent, ConnectionLost, ReadTimeout, or what the connection
    raises.
    """
    if not is_success(response.status_code):
        # Nor is a redirect's body of any use: requests would read all of it.
        return b"" if 300 <= response.status_code < 400 else _excerpt(response, tracker)
    headers = getattr(getattr(response.raw, "_original_response", None), "msg", None)
    defects = getattr(headers, "defects", ())
    if not all(isinstance(defect, _NO_DEFECTS) for defect in defects):
        raise errors.failure("not HTTP", call, "read")
    tracker.set_timeout(call.timeouts.stall)
    length = _announced(response, call)
    budget = call.budget or ByteBudget("text")
    most = max(call.limit, call.budget.each if call.budget else 0)
    if (length or 0) > most:
        raise errors.too_large(call, most)
    with budget.share() as take, _Buffer() as received:
        start = b""
        for chunk in _chunks(response, call):
            start = (start + chunk)[:16] if len(start) < 16 else start
            limit = call.budget.each if call.budget and sniff(start) else call.limit
            take(len(chunk))
            received.write(chunk)
            if max(received.size, (length or 0) if len(start) == 16 else 0) > limit:
                raise errors.too_large(call, limit)
        is_empty = length is None and not received.size and response.status_code not in NO_CONTENT
        if received.size < (length or 0) or is_empty:
            # Without a length, an end in the middle of the headers looks like an empty answer.
            raise errors.failure("lost", call, "read")
        return _decoded(received.read(), response.headers.get("Content-Encoding", ""), call, take)


class _Buffer:
    """A body as it comes: in memory, then on disk; where the disk fails, in memory again."""

    def __init__(self) -> None:
        self.size = 0
        self._on_disk = 0
        self._memory = bytearray()
        self._file: Any = None
        self._max_in_memory: float = IN_MEMORY

    def __enter__(self) -> _Buffer:
        return self

    def __exit__(self, *_: object) -> None:
        if self._file:
            with suppress(OSError):  # it writes what it could not write before
                self._file.close()

    def write(self, chunk: bytes) -> None:
        self.size += len(chunk)
        self._memory += chunk
        if len(self._memory) < self._max_in_memory:
            return
        try:
            self._file = self._file or TemporaryFile(buffering=0)  # noqa: SIM115 - until __exit__
            if self._file.write(self._memory) != len(self._memory):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        except OSError:  # full, or a limit of this process
            self._max_in_memory = float("inf")
        else:
            self._on_disk += len(self._memory)
            self._memory.clear()

    def read(self) -> bytes:
        if not self._on_disk:
            return bytes(self._memory)
        self._file.seek(0)
        with open(self._file.fileno(), "rb", closefd=False) as file:
            return file.read(self._on_disk) + self._memory


def _excerpt(response: Any, tracker: ConnectionTracker) -> bytes:
    tracker.set_timeout(ERROR_SECONDS)
    end = time.monotonic() + ERROR_SECONDS
    content = b""
    # The status is what counts; its words may be cut or missing.
    with suppress(Exception):
        while len(content) < ERROR_LIMIT and time.monotonic() < end:
            chunk = _some(response.raw, ERROR_LIMIT)
            if not chunk:
                break
            content += chunk
    return content[:ERROR_LIMIT]


def _some(raw: Any, most: int) -> bytes:
    """What has arrived, not a wait until there is so much; urllib3 1.26 can only do the latter."""
    read = getattr(raw, "read1", None) or raw.read
    return read(most, decode_content=False)


def _announced(response: Any, call: Call) -> int | None:
    """The length that the header names; None where there is none or chunks count."""
    if "chunked" in response.headers.get("Transfer-Encoding", "").lower():
        return None
    lengths = {part.strip() for part in response.headers.get("Content-Length", "").split(",")}
    if lengths == {""}:
        return None
    (length, *others) = lengths
    if others or not re.fullmatch(r"[0-9]{1,20}", length):
        raise errors.failure("not HTTP", call, "read")
    return int(length)


def _chunks(response: Any, call: Call) -> Iterator[bytes]:
    since, slow = time.monotonic(), 0
    while chunk := _some(response.raw, CHUNK):
        yield chunk
        slow += len(chunk)
        seconds = time.monotonic() - since
        if seconds > SLOW_WINDOW:
            if slow < SLOWEST * seconds:
                raise errors.timed_out(call, "stall", "read")
            since, slow = time.monotonic(), 0


def _decoded(content: bytes, encoding: str, call: Call, take: Callable[[int], None]) -> bytes:
    """`content` without its codings, each of which `take` counts. Asked for identity, but some
    proxies insist."""
    limit = max(call.limit, min(call.budget.each, INFLATED_LIMIT) if call.budget else 0)
    for name in reversed(encoding.lower().split(",")):
        name = name.strip()
        # A label may name no coding at all, such as UTF-8, or stay where a proxy has undone it.
        if name in ("gzip", "x-gzip") and content.startswith(GZIP):
            content = _inflated(content, 31, limit, call)
        elif name == "deflate" and not _is_plain(content):
            # The standard asks for zlib's header (RFC 9110, 8.4.1.2); some servers leave it out.
            has_header = content[0] & 15 == 8 and int.from_bytes(content[:2], "big") % 31 == 0
            content = _inflated(content, 15 if has_header else -15, limit, call)
        elif name in _UNKNOWN_CODINGS and not _is_plain(content):
            raise errors.failure("encoding", call, "read")
        else:
            continue
        take(len(content))
    return content


def _is_plain(content: bytes) -> bool:
    """Whether this is a file or JSON as it stands."""
    return bool(sniff(content)) or content.lstrip()[:1] in (b"", b"{", b"[")


def _inflated(content: bytes, wbits: int, limit: int, call: Call) -> bytes:
    """What zlib makes of `content`, which may be several members one after the other."""
    inflated = bytearray()
    while content:
        inflater = zlib.decompressobj(wbits=wbits)
        try:
            inflated += inflater.decompress(content, limit + 1 - len(inflated))
        except zlib.error:
            raise errors.failure("encoding", call, "read") from None
        if len(inflated) > limit:
            raise errors.too_large(call, limit)
        if not inflater.eof:
            raise errors.failure("encoding", call, "read")
        content = inflater.unused_data
        if wbits != 31 or not content.startswith(GZIP):  # padding
            break
    return bytes(inflated)
