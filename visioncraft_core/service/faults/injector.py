"""The middleware that lets rules, or requests themselves, choose a fault."""

from __future__ import annotations

from collections.abc import Iterable

from aiohttp import web

from ...errors import ConfigError
from ..app import APP, Handler
from .base import FaultContext
from .rules import FaultRule, parse

FAULT_HEADER = "X-Sandbox-Fault"
LOG_PATH = "/__log"


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
        rule = self._match(request)
        if rule is None:
            return await handler(request)
        body = b"" if rule.fault.early else await app.read_body(request)
        return await rule.fault.act(FaultContext(request, rule.arg, body, handler))

    def _match(self, request: web.Request) -> FaultRule | None:
        own = request.headers.get(FAULT_HEADER)
        if self.by_header and own is not None:
            try:
                return parse(f"*={own}")
            except ConfigError:
                raise web.HTTPBadRequest(reason="Unknown fault") from None
        matches = (rule.match(request.path) for rule in self.rules)
        return next((match for match in matches if match), None)
