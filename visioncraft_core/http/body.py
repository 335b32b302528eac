"""Reads the body of an answer, whatever it turns out to be: capped, timed and complete.

`requests` would take any length, decompress any bomb and call a cut body whole.
"""

from __future__ import annotations

import re
import time
import zlib
from collections.abc import Iterator
from contextlib import suppress
from tempfile import SpooledTemporaryFile
from typing import Any

from ..media.images import sniff
from . import transport_errors as errors
from .byte_budget import ByteBudget
from .call import Call
from .connections import ConnectionTracker

CHUNK = 65536
ERROR_LIMIT = 65536  # bytes of an error page
ERROR_SECONDS = 2.0
# A server that sends a byte now and then keeps every socket timeout happy.
SLOWEST = 1024  # bytes a second, on the mean over SLOW_WINDOW
SLOW_WINDOW = 30.0
IN_MEMORY = 8 * 2**20  # of a body that may never end; a longer one is put on disk


def read_body(response: Any, call: Call, tracker: ConnectionTracker) -> bytes:
    """The whole body of a requests `response`, decoded; of an error its first 64 KiB.

    Raises InvalidResponse, UnsafeContent, ConnectionLost, ReadTimeout, or what the connection
    raises.
    """
    if response.status_code != 200:
        # Nor is a redirect's body of any use: requests would read all of it.
        return b"" if 300 <= response.status_code < 400 else _excerpt(response, tracker)
    headers = getattr(getattr(response.raw, "_original_response", None), "msg", None)
    if getattr(headers, "defects", None):
        raise errors.failure("not HTTP", call, "read")
    tracker.set_timeout(call.timeouts.stall)
    length = _announced(response, call)
    budget = call.budget or ByteBudget("text")
    most = max(call.limit, call.budget.each if call.budget else 0)
    if (length or 0) > most:
        raise errors.too_large(call, most)
    with budget.share() as take, SpooledTemporaryFile(IN_MEMORY) as spool:
        start, received = b"", 0
        for chunk in _chunks(response, call):
            start = (start + chunk)[:16] if len(start) < 16 else start
            limit = call.budget.each if call.budget and sniff(start) else call.limit
            take(len(chunk))
            received += len(chunk)
            if max(received, (length or 0) if len(start) == 16 else 0) > limit:
                raise errors.too_large(call, limit)
            spool.write(chunk)
        if received < (length or 0) or (length is None and not received):
            # Without a length, an end in the middle of the headers looks like an empty answer.
            raise errors.failure("lost", call, "read")
        spool.seek(0)
        return _decoded(spool.read(), response.headers.get("Content-Encoding", ""), call)


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


def _decoded(content: bytes, encoding: str, call: Call) -> bytes:
    if encoding.lower() in ("", "identity"):
        return content
    # Asked for identity, but some proxies insist; files are compressed already.
    if encoding.lower() not in ("gzip", "x-gzip") or call.identity_only:
        raise errors.failure("encoding", call, "read")
    inflater = zlib.decompressobj(wbits=31)
    try:
        inflated = inflater.decompress(content, call.limit + 1)
    except zlib.error:
        raise errors.failure("encoding", call, "read") from None
    if len(inflated) > call.limit:
        raise errors.too_large(call, call.limit)
    if not inflater.eof:
        raise errors.failure("encoding", call, "read")
    return inflated
