"""The middleware that lets rules, or requests themselves, choose a fault."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

from aiohttp import web

from ...errors import ConfigError
from ..app import APP, NO_API, Handler
from .base import FaultContext
from .rules import FaultRule, parse

FAULT_HEADER = "X-Sandbox-Fault"
LOG_PATH = "/__log"
MOST_LOGGED = 1000
LONGEST_PATH = 200  # characters


class FaultInjector:
    """With `by_header`, a request may bring a fault of its own and the log is read at /__log.

    `requests` are the latest of the API, as "METHOD /path", oldest first.
    """

    def __init__(self, rules: Iterable[FaultRule] = (), *, by_header: bool = False) -> None:
        self.rules = tuple(rules)
        self.by_header = by_header
        self.requests: deque[str] = deque(maxlen=MOST_LOGGED)

    @web.middleware
    async def middleware(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        app = request.app[APP]
        if self.by_header and request.path == LOG_PATH:
            log = {"requests": list(self.requests), "executions": app.executions}
            return web.json_response(log)
        resource = request.match_info.route.resource
        if (resource.canonical if resource else request.path) not in (*NO_API, LOG_PATH):
            self.requests.append(f"{request.method} {request.path[:LONGEST_PATH]}")
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
