"""How far a request has come, for the client that asked it: an extension of the API.

A client that wants to know chooses an id that cannot be guessed, 22 to 64 letters, digits, "-" and
"_" (such as `secrets.token_hex(16)`), sends it as `X-Request-Id` and asks meanwhile

    GET /progress/ID          {"state": "working", "place": 0, "step": 7, "steps": 20, "preview": 3}
    GET /progress/ID/preview  the latest picture of the unfinished result (image/jpeg, image/png)

`state` is waiting, working, done or failed. `place` is how many requests are before it while it
waits, `steps` is 0 while it is not known how many there are, and `preview` counts the pictures so
far, 0 without one. An id is known from when the request is judged until a minute after its end;
others are answered 404. Whoever has the id needs no key. Every answer of a server that can do this
has "progress" in its header `VisionCraft-Accept`, and every answer has the id of its request in
`X-Request-Id`, the server's own where the client sent none.
"""

from __future__ import annotations

import re
import secrets
import time
from collections.abc import Callable
from typing import Any

from aiohttp import web

from .response_formats import Pieces, content_type

PATH, PREVIEW_PATH = "/progress/{id}", "/progress/{id}/preview"
KEPT = 60.0  # seconds after the end
MOST_RECORDS = 20_000
MOST_PREVIEW_BYTES = 2**20
_ID = re.compile(r"[A-Za-z0-9_-]{22,64}")


class Progress:
    """One request. Its methods may be called from any thread."""

    def __init__(self) -> None:
        self.engine = ""  # that works on it, or did last
        self.waited = 0.0  # seconds until it was begun
        self.preview = b""
        self.ended = 0.0
        self._begun = time.monotonic()
        self._state = "waiting"
        self._place: Callable[[], int] = lambda: 0
        self._step = self._steps = self._previews = 0

    def queued(self, place: Callable[[], int]) -> None:
        """It waits; `place` tells how many are before it."""
        self._state, self._place = "waiting", place

    def begun(self, engine: str) -> None:
        self._state, self.engine = "working", engine
        self.waited = time.monotonic() - self._begun

    def stepped(self, done: int, total: int) -> None:
        self._step, self._steps = done, total

    def shown(self, picture: bytes) -> None:
        if len(picture) <= MOST_PREVIEW_BYTES:
            self.preview = picture
            self._previews += 1

    def end(self, *, done: bool) -> None:
        self._state, self.ended = "done" if done else "failed", time.monotonic()
        self.preview, self._place = b"", lambda: 0

    def to_json(self) -> dict[str, Any]:
        return {
            "state": self._state,
            "place": self._place() if self._state == "waiting" else 0,
            "step": self._step,
            "steps": self._steps,
            "preview": self._previews,
        }


class ProgressRecords:
    """The requests that are worked on, and those that ended lately, by id."""

    def __init__(self) -> None:
        self._records: dict[str, Progress] = {}

    def id_for(self, asked: str | None) -> str:
        """The id that a client asked for, unless it could be guessed or is another request's."""
        if asked and _ID.fullmatch(asked) and asked not in self._records:
            return asked
        return secrets.token_urlsafe(18)

    def begin(self, request_id: str) -> Progress:
        self._forget()
        record = self._records[request_id] = Progress()
        return record

    async def answer(self, request: web.Request) -> web.Response:
        """How far it is. Raises HTTP's 404."""
        headers = {"Cache-Control": "no-store"}
        return web.json_response(self._record(request).to_json(), headers=headers)

    async def answer_preview(self, request: web.Request) -> web.Response:
        """The latest picture of it. Raises HTTP's 404."""
        picture = self._record(request).preview
        if not picture:
            raise web.HTTPNotFound
        headers = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
        return web.Response(body=Pieces(picture, content_type(picture)), headers=headers)

    def _record(self, request: web.Request) -> Progress:
        if record := self._records.get(request.match_info["id"]):
            return record
        raise web.HTTPNotFound

    def _forget(self) -> None:
        """Takes away what ended long ago; where there are too many, what began first."""
        now = time.monotonic()
        while self._records:
            oldest, record = next(iter(self._records.items()))
            old = record.ended and now - record.ended > KEPT
            if not old and len(self._records) < MOST_RECORDS:
                return
            del self._records[oldest]
