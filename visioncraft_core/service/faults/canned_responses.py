"""Faults that are well-formed HTTP: statuses, redirects, and contents that are not the API's."""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable
from functools import cache
from typing import Any

from aiohttp import web

from .base import Fault, FaultContext
from .response_mutations import png

MIB = 2**20
_CRC_OF_A_GIB_OF_ZEROS = 0x5B64C2B0

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


def _answers(
    make: Callable[[FaultContext], web.Response],
    *,
    refused: bool = False,
    takes: type[str] | None = None,
) -> Fault:
    async def act(context: FaultContext) -> web.Response:
        response = make(context)
        asks_to_wait = response.status == 503 and "Retry-After" in response.headers
        if not (refused or asks_to_wait or 300 <= response.status < 500):
            context.count()
        return response

    return Fault(act, takes)


def _page(title: str, status: int = 200) -> web.Response:
    page = (
        f"<!doctype html><html><head><title>{title}</title></head>"
        f"<body><h1>{title}</h1></body></html>"
    )
    return web.Response(text=page, content_type="text/html", status=status)


def _status(code: int) -> Fault:
    def make(context: FaultContext) -> web.Response:
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

    return _answers(make, takes=str)


def _text(
    text: str | Callable[[], str],
    status: int = 200,
    kind: str = "application/json",
    *,
    refused: bool = False,
) -> Fault:
    """Megabytes are made when they are asked for."""

    def make(_context: FaultContext) -> web.Response:
        content = text if isinstance(text, str) else text()
        return web.Response(text=content, status=status, content_type=kind)

    return _answers(make, refused=refused)


def _json(value: Any, status: int = 200, *, refused: bool = False) -> Fault:
    return _text(json.dumps(value), status, refused=refused)


def _echo(context: FaultContext) -> web.Response:
    # FastAPI's 422 repeats the whole body, key included.
    body = context.body.decode("utf-8", "replace")
    detail = [{"loc": ["body", "prompt"], "msg": f"refused: {body}", "input": body}]
    return web.json_response({"detail": detail}, status=422)


def _dead_link(context: FaultContext) -> web.Response:
    nowhere = context.request.url.with_path("/results/none.png")
    return web.json_response({"images": [str(nowhere)]})


@cache
def _bomb() -> bytes:
    """A gzip file of about 1 MB that inflates to 1 GiB of zeros."""
    # After a full flush the compressor knows nothing of before, so its block can be repeated.
    packer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    block = packer.compress(bytes(MIB)) + packer.flush(zlib.Z_FULL_FLUSH)
    size = 1024 * MIB
    tail = _CRC_OF_A_GIB_OF_ZEROS.to_bytes(4, "little") + size.to_bytes(4, "little")
    return b"\x1f\x8b\x08\0\0\0\0\0\0\xff" + block * 1024 + packer.flush() + tail


def _gzip_bomb(_context: FaultContext) -> web.Response:
    headers = {"Content-Encoding": "gzip"}
    return web.Response(body=_bomb(), content_type="application/json", headers=headers)


def _picture_bomb(_context: FaultContext) -> web.Response:
    picture = png(50_000, 50_000, zlib.compress(bytes(150_001)))
    return web.Response(body=picture, content_type="image/png")


def _redirect(code: int = 302, to: str = "", body: Callable[[], bytes] = bytes) -> Fault:
    """To the argument, else to `to`, else to the same address again."""

    def make(context: FaultContext) -> web.Response:
        usual = to or context.request.path
        headers = {"Location": usual if context.arg is None else context.arg}
        if packed := body():
            headers["Content-Encoding"] = "gzip"
        return web.Response(status=code, headers=headers, body=packed)

    return _answers(make, takes=str)


async def _hops(context: FaultContext) -> web.Response:
    hop = int(context.request.query.get("hop", 0))
    if hop >= int(context.arg or 1):
        return await context.real()
    location = f"{context.request.path}?hop={hop + 1}"
    return web.Response(status=302, headers={"Location": location})


_SSE = (
    'data: {"choices":[{"delta":{"content":"Once"}}]}\n\n'
    'data: {"choices":[{"delta":{"content":" upon"}}]}\n\n'
    "data: [DONE]\n\n"
)

FAULTS = {
    **{str(code): _status(code) for code in _STATUSES},
    "403-key": _json({"detail": "Invalid API key."}, 403),
    "limited-200": _json(_LIMITED, refused=True),
    "limited-400": _json(_LIMITED, 400),
    "500-html": _answers(lambda _: _page("500 Internal Server Error", 500)),
    "500-empty": _text("", 500),
    "redirect": _redirect(),
    **{f"redirect-{code}": _redirect(code) for code in (301, 303, 307, 308)},
    "redirect-loop": _redirect(),
    "redirect-bomb": _redirect(body=_bomb),
    "redirect-nowhere": _answers(lambda _: web.Response(status=302)),
    "redirect-bad": _redirect(to="http://[::bad/"),
    "redirect-long": _redirect(to="/" + "x" * 65_536),
    "hops": Fault(_hops, takes=int),
    "html": _answers(lambda _: _page("Maintenance")),
    "empty": _text(""),
    "null": _json(None),
    "string": _json("an answer that is only text"),
    "list": _json([]),
    "object": _json({}),
    "error-200": _json({"error": "The generation failed."}),
    "detail-200": _json({"detail": "The generation failed."}),
    "message-200": _json({"error": {"message": "The generation failed."}}),
    "codes-200": _json([{"code": 0, "message": "The generation failed."}]),
    "echo": _answers(_echo),
    "echo-200": _answers(lambda context: web.json_response({"error": context.body.decode()})),
    "surrogate": _text(r'{"detail":"\ud800\u0000\u202e\u001b[31mred\u001b[0m\r\nnext line"}', 400),
    "images-empty": _json({"images": []}),
    "images-numbers": _json({"images": [1, 2.5, None]}),
    "images-nested": _json({"images": [["a"], [["b"]]]}),
    "images-text": _json({"images": "a picture"}),
    "images-object": _json({"images": {"0": "a picture"}}),
    "images-million": _text(lambda: '{"images":["a"' + ',"a"' * (10**6 - 1) + "]}"),
    "dead-link": _answers(_dead_link),
    "link": _answers(lambda context: web.json_response({"images": [context.arg or ""]}), takes=str),
    "gzip-bomb": _answers(_gzip_bomb),
    "picture-bomb": _answers(_picture_bomb),
    "null-job": _json({"job_id": None}),
    "endless-job": _answers(
        lambda context: web.json_response({"job_id": context.app.jobs.add([])})
    ),
    "no-choices": _json({"choices": []}),
    "null-content": _json({"choices": [{"message": {"role": "assistant", "content": None}}]}),
    "sse": _text(_SSE, kind="text/event-stream"),
    "json-cut": _text('{"images": ["http'),
    "json-deep": _text("[" * 100_000),
    "json-int": _text("1" * 5000),
    "json-inf": _text('{"images": [1e999]}'),
    "json-nan": _text('{"images": [NaN]}'),
    "json-two": _text('{"images": []}{"images": []}'),
    "json-heavy": _text(lambda: "[" + "[]," * (16 * MIB // 3) + "[]]"),
}
