"""Reads what is posted: within its time and size, and within what all clients may hold at once."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from typing import Any

from aiohttp import web

from ..api.fields import FieldError, InvalidFields
from .connection_limits import peer_of
from .engine import EngineBusy
from .limits import Limits

MOST_PARTS = 200_000  # 30 MiB of "{}," would become 840 MB of objects


async def leave_to_reader(request: web.Request) -> None:
    """Answers no Expect header: a body that is going to be refused need not come."""
    if request.headers.get("Expect", "").lower() != "100-continue":
        raise web.HTTPExpectationFailed


async def close_where_unread(request: web.Request, response: web.StreamResponse) -> None:
    """Ends the connection behind an answer that was given before the body had come."""
    if request.body_exists and not request.content.is_eof():
        response.force_close()
        response.headers["Connection"] = "close"


class RequestBodies:
    """The bodies of the requests that are not answered yet."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._bodies: dict[int, bytes] = {}
        self._sizes: Counter[int] = Counter()  # by request
        self._held: Counter[str] = Counter()  # by peer

    async def read(self, request: web.Request, most: int) -> bytes:
        """The body of at most so many bytes, which is kept until `release`.

        Raises HTTP's 408 and 413, and EngineBusy where too much is held already.
        """
        length = request.content_length or 0
        if length > most:
            raise web.HTTPRequestEntityTooLarge(most, length)
        if id(request) not in self._bodies:
            if "Expect" in request.headers:
                await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
                request.writer.output_size = 0  # the answer has not begun yet
            try:
                received = self._received(request, most)
                self._bodies[id(request)] = await asyncio.wait_for(
                    received, self._limits.body_seconds
                )
            except asyncio.TimeoutError:  # another class than TimeoutError on 3.10
                raise web.HTTPRequestTimeout from None
        return self._bodies[id(request)]

    def release(self, request: web.Request) -> None:
        """The request is answered."""
        self._bodies.pop(id(request), None)
        peer = peer_of(request.remote or "")
        self._held[peer] -= self._sizes.pop(id(request), 0)
        self._held += Counter()  # without those that hold nothing

    async def _received(self, request: web.Request, most: int) -> bytes:
        limits, peer = self._limits, peer_of(request.remote or "")
        body = bytearray()
        async for piece in request.content.iter_any():
            body += piece
            self._sizes[id(request)] += len(piece)
            self._held[peer] += len(piece)
            if len(body) > most:  # only where it came in chunks
                raise web.HTTPRequestEntityTooLarge(most, len(body))
            if self._held[peer] > limits.peer_held_bytes or self._held.total() > limits.held_bytes:
                raise EngineBusy(retry_after=1.0)
        return bytes(body)


def parsed(body: bytes, path: str) -> dict[str, Any]:
    """The JSON object in `body`. Raises InvalidFields, as FastAPI would judge it."""
    if sum(map(body.count, (b"{", b"[", b","))) > MOST_PARTS:
        raise _invalid(path, "has too many parts", "too_long")
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        raise _invalid(path, "is not JSON", "json_invalid") from None
    if not isinstance(found, dict):
        raise _invalid(path, "must be an object", "dict_type")
    return found


def _invalid(path: str, message: str, kind: str) -> InvalidFields:
    return InvalidFields(path, [FieldError("", message, kind)])
