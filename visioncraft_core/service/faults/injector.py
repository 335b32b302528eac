"""The middleware that lets rules, or requests themselves, choose a fault."""

from __future__ import annotations

from collections.abc import Awaitable, Iterable

from aiohttp import web

from ...api.endpoints import ENDPOINTS
from ..app import APP, Handler, errors_as_json
from .base import FaultContext
from .rules import FaultRule, FaultSpec, UnknownFault, choose

FAULT_HEADER = "X-Sandbox-Fault"
LOG_PATH = "/__log"

_POSTED = {kind.path for kind in ENDPOINTS}


class FaultInjector:
    """With `by_header`, a request may bring a fault of its own and the log is read at /__log."""

    def __init__(self, rules: Iterable[FaultRule] = (), *, by_header: bool = False) -> None:
        self.rules = tuple(rules)
        self.by_header = by_header

    @web.middleware
    async def middleware(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        app = request.app[APP]
        if self.by_header and request.path == LOG_PATH:
            return web.json_response({"requests": app.requests, "executions": app.executions})
        matched = self._match(request)
        if matched is None:
            return await handler(request)
        if not matched.fault.early:
            await app.read_body(request)
        if matched.counts and request.method == "POST" and request.path in _POSTED:
            app.executions += 1

        def proceed(request: web.Request) -> Awaitable[web.StreamResponse]:
            return errors_as_json(request, handler)

        return await matched.fault.act(FaultContext(request, matched.arg, proceed))

    def _match(self, request: web.Request) -> FaultSpec | None:
        own = request.headers.get(FAULT_HEADER)
        if self.by_header and own is not None:
            try:
                return choose(own)
            except UnknownFault:
                raise web.HTTPBadRequest(reason="Unknown fault") from None
        matches = (rule.match(request.path) for rule in self.rules)
        return next((match for match in matches if match), None)
