"""What a fault is, and what it knows of the request that it answers."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import cast

from aiohttp import web

from ...api.endpoints import ENDPOINTS
from ..app import APP, App, Handler, errors_as_json
from ..response_formats import Pieces

_POSTED = {kind.path for kind in ENDPOINTS}


@dataclass(frozen=True)
class FaultContext:
    """The request that a fault answers; `arg` is what stood behind the fault's colon."""

    request: web.Request
    arg: str | None
    body: bytes
    handler: Handler

    async def real(self) -> web.Response:
        """The answer that the service gives without a fault, refusals included."""
        return cast("web.Response", await errors_as_json(self.request, self.handler))

    @property
    def app(self) -> App:
        return self.request.app[APP]

    def count(self) -> None:
        """Pretends that the server has done the work. A real answer counts itself."""
        if self.request.method == "POST" and self.request.path in _POSTED:
            self.app.executions += 1


@dataclass(frozen=True)
class Fault:
    """What goes wrong. An argument is any text, or with `int` a whole number above 0."""

    act: Callable[[FaultContext], Awaitable[web.StreamResponse]]
    takes: type[str] | type[int] | None = None
    early: bool = False  # happens before the body is read

    def accepts(self, arg: str | None) -> bool:
        if arg is None:
            return True
        if self.takes is int:
            return re.fullmatch("[1-9][0-9]{0,8}", arg) is not None
        return self.takes is str and arg.isprintable()


def body_of(response: web.Response) -> bytes:
    body = response.body
    body = body.content if isinstance(body, Pieces) else body
    return bytes(body) if isinstance(body, bytes | bytearray | memoryview) else b""
