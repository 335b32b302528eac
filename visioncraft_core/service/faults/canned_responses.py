"""Faults that are well-formed HTTP: statuses, redirects, and contents that are not the API's."""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable
from typing import Any

from aiohttp import web

from .base import Act, Fault, FaultContext, Work
from .connection_faults import FAILED_ENDLESS, MOVED_ENDLESS, SSE_CUT
from .response_mutations import DEAD, MIB, bomb, png

_LIMITED = {"error": "Free users can send 1 request per 30 seconds."}
_DETAILS: dict[int, Any] = {
    401: {"detail": "Not authenticated"},
    402: {"detail": "Payment Required"},
    403: _LIMITED,
    413: {"error": "This needs a premium subscription."},
    422: {"detail": [{"loc": ["body", "prompt"], "msg": "refused on purpose", "type": "value"}]},
    429: {"detail": "Too Many Requests"},
}
# What stands between client and server answers in HTML.
_PAGES = {
    502: "502 Bad Gateway",
    503: "Application error",
    504: "504 Gateway Time-out",
    520: "520: Web server is returning an unknown error",
    526: "526: Invalid SSL certificate",
}
_STATUSES = (
    *(400, 401, 402, 403, 404, 405, 408, 409, 413, 415, 418, 422, 425, 429),
    *(500, 502, 503, 504, 520, 526, 999, 199, 201, 204, 206, 304),
)


def _page(title: str, status: int = 200) -> web.Response:
    page = (
        f"<!doctype html><html><head><title>{title}</title></head>"
        f"<body><h1>{title}</h1></body></html>"
    )
    return web.Response(text=page, content_type="text/html", status=status)


def _answer(
    make: Callable[[FaultContext], web.Response], *, work: Work = "done", takes: str = ""
) -> Fault:
    async def act(context: FaultContext) -> web.Response:
        return make(context)

    return Fault(act, work=work, takes=takes)


def _status(code: int) -> Fault:
    async def act(context: FaultContext) -> web.Response:
        if code in (199, 204, 304):
            response = web.Response(status=code)
        elif code in _PAGES and not (code == 503 and context.arg is not None):
            response = _page(_PAGES[code], code)
        else:
            detail = _DETAILS.get(code, {"detail": f"Status {code}"})
            response = web.json_response(detail, status=code)
        if context.arg is not None:
            response.headers["Retry-After"] = context.arg
        return response

    work = "refused" if 300 <= code < 500 else "done"
    return Fault(act, work=work, takes="RETRY_AFTER", refuses_with_arg=code == 503)


def _text(
    text: str, *, status: int = 200, kind: str = "application/json", work: Work = "done"
) -> Fault:
    return _answer(lambda _: web.Response(text=text, status=status, content_type=kind), work=work)


def _json(value: Any, *, status: int = 200, work: Work = "done") -> Fault:
    return _text(json.dumps(value), status=status, work=work)


def _large(text: Callable[[], str]) -> Fault:
    """For answers of megabytes, which are made when they are asked for."""
    return _answer(lambda _: web.Response(text=text(), content_type="application/json"))


def _echo(status: int) -> Act:
    async def act(context: FaultContext) -> web.Response:
        # FastAPI's 422 repeats the whole body, key included.
        body = (await context.request.read()).decode("utf-8", "replace")
        if status == 200:
            return web.json_response({"error": body})
        detail = [{"loc": ["body", "prompt"], "msg": f"refused: {body}", "input": body}]
        return web.json_response({"detail": detail}, status=status)

    return act


def _picture_bomb(_context: FaultContext) -> web.Response:
    picture = png(50_000, 50_000, zlib.compress(bytes(150_001)))
    return web.Response(body=picture, content_type="image/png")


def _redirect(code: int, body: Callable[[], bytes] = bytes) -> Fault:
    """To the argument, else to the same address again."""

    def make(context: FaultContext) -> web.Response:
        headers = {"Location": context.request.path if context.arg is None else context.arg}
        if packed := body():
            headers["Content-Encoding"] = "gzip"
        return web.Response(status=code, headers=headers, body=packed)

    return _answer(make, work="refused", takes="URL")


def _moved(**headers: str) -> Fault:
    return _answer(lambda _: web.Response(status=302, headers=headers), work="refused")


def _loop(context: FaultContext) -> web.Response:
    return web.Response(status=302, headers={"Location": context.request.path})


async def _hops(context: FaultContext) -> web.StreamResponse:
    asked = context.request.query.get("hop", "")
    hop = int(asked) if asked.isdecimal() and len(asked) < 10 else 0
    if hop >= int(context.arg or 1):
        return await context.real()
    location = f"{context.request.path}?hop={hop + 1}"
    return web.Response(status=302, headers={"Location": location})


_SSE = (
    'data: {"choices":[{"delta":{"content":"Once"}}]}\n\n'
    'data: {"choices":[{"delta":{"content":" upon"}}]}\n\n'
    "data: [DONE]\n\n"
)

STATUSES = {
    **{str(code): _status(code) for code in _STATUSES},
    "403-key": _json({"detail": "Invalid API key."}, status=403, work="refused"),
    "limited-200": _json(_LIMITED, work="refused"),
    "limited-400": _json(_LIMITED, status=400, work="refused"),
    "500-html": _answer(lambda _: _page("500 Internal Server Error", 500)),
    "500-empty": _text("", status=500),
    "500-endless": FAILED_ENDLESS,
}

REDIRECTS = {
    "redirect": _redirect(302),
    **{f"redirect-{code}": _redirect(code) for code in (301, 303, 307, 308)},
    "redirect-loop": _answer(_loop, work="refused"),
    "redirect-bomb": _redirect(302, bomb),
    "redirect-endless": MOVED_ENDLESS,
    "redirect-nowhere": _moved(),
    "redirect-bad": _moved(Location="http://[::bad/"),
    "redirect-long": _moved(Location="/" + "x" * 65_536),
    "hops": Fault(_hops, work="real", takes="HOW_MANY", number=True),
}

CONTENTS = {
    "html": _answer(lambda _: _page("Maintenance")),
    "empty": _text(""),
    "null": _json(None),
    "string": _json("an answer that is only text"),
    "list": _json([]),
    "object": _json({}),
    "error-200": _json({"error": "The generation failed."}),
    "detail-200": _json({"detail": "The generation failed."}),
    "message-200": _json({"error": {"message": "The generation failed."}}),
    "codes-200": _json([{"code": 0, "message": "The generation failed."}]),
    "echo": Fault(_echo(422), work="refused"),
    "echo-200": Fault(_echo(200)),
    "surrogate": _text(
        r'{"detail":"\ud800\u0000\u202e\u001b[31mred\u001b[0m\r\nnext line"}',
        status=400,
        work="refused",
    ),
    "images-empty": _json({"images": []}),
    "images-numbers": _json({"images": [1, 2.5, None]}),
    "images-nested": _json({"images": [["a"], [["b"]]]}),
    "images-text": _json({"images": "a picture"}),
    "images-object": _json({"images": {"0": "a picture"}}),
    "images-million": _large(lambda: '{"images":["a"' + ',"a"' * (10**6 - 1) + "]}"),
    "dead-link": _answer(lambda context: web.json_response({"images": [context.url(DEAD)]})),
    "link": _answer(
        lambda context: web.json_response({"images": [context.arg or ""]}), takes="URL"
    ),
    "picture-bomb": _answer(_picture_bomb),
    "null-job": _json({"job_id": None}),
    "endless-job": _answer(lambda context: web.json_response({"job_id": context.app.add_job([])})),
    "no-choices": _json({"choices": []}),
    "null-content": _json({"choices": [{"message": {"role": "assistant", "content": None}}]}),
    "sse": _text(_SSE, kind="text/event-stream"),
    "sse-cut": SSE_CUT,
    "json-cut": _text('{"images": ["http'),
    "json-deep": _text("[" * 100_000),
    "json-int": _text("1" * 5000),
    "json-inf": _text('{"images": [1e999]}'),
    "json-nan": _text('{"images": [NaN]}'),
    "json-two": _text('{"images": []}{"images": []}'),
    "json-heavy": _large(lambda: "[" + "[]," * (16 * MIB // 3) + "[]]"),
}
