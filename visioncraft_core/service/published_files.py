"""The files that links lead to: in memory, under names that cannot be guessed."""

from __future__ import annotations

import secrets

from aiohttp import web

from .response_formats import Pieces, content_type

_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; sandbox",
    "Accept-Ranges": "bytes",
}


MOST_FILES = 10_000
SIGNATURE = 64  # bytes of a file that tell its type


class PublishedFiles:
    """Keeps at most `most_bytes` and MOST_FILES; the oldest file goes first."""

    def __init__(self, most_bytes: int) -> None:
        self._most = most_bytes
        self._files: dict[str, bytes] = {}
        self._held = 0

    async def publish(self, content: bytes) -> str:
        """Keeps a file; gives its name."""
        return self._keep(new_name(content), content)

    async def content(self, name: str) -> bytes | memoryview | None:
        """The bytes of a file, None where there is no such file."""
        return self._files.get(name)

    def _keep(self, name: str, content: bytes) -> str:
        self._files[name] = content
        self._held += len(content)
        while len(self._files) > MOST_FILES or (self._held > self._most and len(self._files) > 1):
            self._held -= len(self._files.pop(next(iter(self._files))))
        return name

    async def answer(self, request: web.Request) -> web.Response:
        """The file, or the part that `Range` asks for. Raises HTTP's 404 and 416."""
        name = request.match_info["name"]
        content = await self.content(name)
        if content is None:
            raise web.HTTPNotFound
        headers = {**_HEADERS, "Content-Disposition": f'attachment; filename="{name}"'}
        kind = content_type(bytes(content[:SIGNATURE]))
        part = _part(request, len(content))
        if part is None:
            return web.Response(body=Pieces(content, kind), headers=headers)
        headers["Content-Range"] = f"bytes {part.start}-{part.stop - 1}/{len(content)}"
        body = Pieces(memoryview(content)[part.start : part.stop], kind)
        return web.Response(status=206, body=body, headers=headers)


def new_name(content: bytes) -> str:
    return f"{secrets.token_hex(16)}.{content_type(content).partition('/')[2]}"


def _part(request: web.Request, size: int) -> range | None:
    """The bytes that are asked for; None is all of them, as for a header that is no range."""
    try:
        asked = request.http_range
    except ValueError:
        return None
    if asked.start is None and asked.stop is None:
        return None
    part = range(size)[asked]
    if not part:
        headers = {"Content-Range": f"bytes */{size}"}
        raise web.HTTPRequestRangeNotSatisfiable(headers=headers)
    return part
