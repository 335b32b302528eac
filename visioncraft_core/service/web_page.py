"""The web page at /: what is offered and how busy the server is, and a form that tries it.

Plain files with a policy that lets them load nothing from elsewhere. The page reads /openapi.json,
the lists of names, and /state.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

from aiohttp import web

STATE_PATH = "/state"
FILES = {
    "/": ("index.html", "text/html"),
    "/page.css": ("page.css", "text/css"),
    "/page.js": ("page.js", "text/javascript"),
    "/icon.svg": ("icon.svg", "image/svg+xml"),
}
HEADERS = {
    # `blob:` is what the page makes of answers that are files and of pictures to send.
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; "
    "connect-src 'self'; img-src 'self' blob:; media-src 'self' blob:; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",
}
_FOLDER = Path(__file__).parent / "page"


async def answer(request: web.Request) -> web.Response:
    name, kind = FILES[request.path]
    return web.Response(body=_content(name), content_type=kind, charset="utf-8", headers=HEADERS)


@cache
def _content(name: str) -> bytes:
    return (_FOLDER / name).read_bytes()
