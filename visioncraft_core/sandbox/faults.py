"""Things that go wrong on purpose: `--fault generate-xl=503`, `--fault "*=hang"`, `llm=reset*2`.

A fault takes the place of the answer. `*N` ends it after N requests.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from aiohttp import web

from ..errors import ConfigError

Fault = Callable[[web.Request], Awaitable[web.StreamResponse]]

_TEXTS = {
    403: {"error": "Free users can send 1 request per 30 seconds."},
    413: {"error": "This needs a premium subscription."},
    422: {"detail": [{"loc": ["body", "prompt"], "msg": "refused on purpose", "type": "value"}]},
    429: {"detail": "Too Many Requests"},
}


def _status(code: int) -> Fault:
    async def answer(_request: web.Request) -> web.StreamResponse:
        return web.json_response(_TEXTS.get(code, {"detail": f"Status {code}"}), status=code)

    return answer


async def _hang(_request: web.Request) -> web.StreamResponse:
    await asyncio.sleep(3600)
    raise AssertionError("nobody waits that long")


async def _reset(request: web.Request) -> web.StreamResponse:
    if request.transport:
        request.transport.abort()
    return web.Response()


async def _html(_request: web.Request) -> web.StreamResponse:
    page = "<!doctype html><html><head><title>Maintenance</title></head><body></body></html>"
    return web.Response(text=page, content_type="text/html")


async def _empty(_request: web.Request) -> web.StreamResponse:
    return web.Response()


async def _truncate(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Length": "4096", "Content-Type": "image/png"})
    await response.prepare(request)
    await response.write(b"\x89PNG\r\n\x1a\n")
    if request.transport:
        request.transport.close()
    return response


async def _echo(request: web.Request) -> web.StreamResponse:
    # FastAPI's 422 repeats the whole body, key included.
    body = (await request.read()).decode("utf-8", "replace")
    detail = [{"loc": ["body", "prompt"], "msg": f"refused: {body}", "input": body}]
    return web.json_response({"detail": detail}, status=422)


_FAULTS: dict[str, Fault] = {
    **{str(code): _status(code) for code in (400, 403, 404, 413, 422, 429, 500, 502, 503, 504)},
    "hang": _hang,
    "reset": _reset,
    "html": _html,
    "empty": _empty,
    "truncate": _truncate,
    "echo": _echo,
}


@dataclass
class Plan:
    """One `--fault`: where it strikes, what happens, how many times still."""

    target: str
    fault: Fault
    left: int | None = None

    def strike(self, path: str) -> Fault | None:
        """The fault, if it is this path's turn; counts."""
        if self.target not in ("*", path.strip("/")) or self.left == 0:
            return None
        if self.left is not None:
            self.left -= 1
        return self.fault


def parse(spec: str) -> Plan:
    """`PATH=FAULT` or `PATH=FAULT*N`. Raises ConfigError that lists the faults."""
    target, _, rest = spec.partition("=")
    name, _, times = rest.partition("*")
    if not target or name not in _FAULTS or (times and not times.isdigit()):
        raise ConfigError(
            f"The fault {spec} is not understood.",
            f"Write PATH=FAULT or PATH=FAULT*N; the faults are {', '.join(_FAULTS)}.",
        )
    return Plan(target.strip("/") or "*", _FAULTS[name], int(times) if times else None)
