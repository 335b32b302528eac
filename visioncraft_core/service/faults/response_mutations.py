"""Faults that change a real answer on its way out: its encoding, its type, its list of pictures."""

from __future__ import annotations

import base64
import codecs
import gzip
import json
import struct
import zlib
from collections.abc import Callable
from typing import Any

from aiohttp import web

from .base import Fault, FaultContext, body_of


def png(width: int, height: int, packed: bytes) -> bytes:
    """An RGB picture whose pixels are `packed`, be they right or not."""

    def chunk(name: bytes, data: bytes) -> bytes:
        checksum = struct.pack(">I", zlib.crc32(name + data))
        return struct.pack(">I", len(data)) + name + data + checksum

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    parts = chunk(b"IHDR", head) + chunk(b"IDAT", packed) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + parts


GARBLED = png(64, 64, b"\xff" * 400)


def _changes(change: Callable[[bytes], bytes] = bytes, *, kind: str = "", **headers: str) -> Fault:
    """Changes the body and headers of an answer whose content type holds `kind`; others go out as
    they are. A header is given with _ for -.
    """
    changed = {name.replace("_", "-"): value for name, value in headers.items()}

    async def act(context: FaultContext) -> web.Response:
        real = await context.real()
        if kind not in real.content_type:
            return real
        kept = {name: value for name, value in real.headers.items() if name != "Content-Length"}
        body = change(body_of(real))
        return web.Response(
            status=real.status, reason=real.reason, body=body, headers=kept | changed
        )

    return Fault(act)


def _pictures(change: Callable[[list[str]], list[Any]]) -> Fault:
    """Changes the list of an answer `{"images": [...]}`."""

    def changed(body: bytes) -> bytes:
        reply = json.loads(body)
        if not isinstance(reply, dict) or not isinstance(reply.get("images"), list):
            return body
        return json.dumps({**reply, "images": change(reply["images"])}).encode()

    return _changes(changed, kind="json")


def _ends_with(entry: bytes) -> Fault:
    """Puts a file in the place of the last picture."""
    text = base64.b64encode(entry).decode()
    return _pictures(lambda links: [*links[:-1], text])


def _nested(body: bytes) -> bytes:
    for _ in range(4):
        body = gzip.compress(body)
    return body


FAULTS = {
    "gzip": _changes(gzip.compress, Content_Encoding="gzip"),
    "gzip-cut": _changes(lambda body: gzip.compress(body)[:-20], Content_Encoding="gzip"),
    "gzip-lie": _changes(Content_Encoding="gzip"),
    "gzip-nested": _changes(_nested, Content_Encoding="gzip, gzip, gzip, gzip"),
    "rot13": _changes(Content_Encoding="rot13"),
    "br": _changes(Content_Encoding="br"),
    "fewer": _pictures(lambda links: links[:-1]),
    "more": _pictures(lambda links: links + links[-1:] * 2),
    "one-null": _pictures(lambda links: [*links[:-1], None]),
    "one-cut": _ends_with(GARBLED[:200]),
    "one-garbled": _ends_with(GARBLED),
    "one-dead": _pictures(lambda links: [*links[:-1], links[-1] + "-gone"]),
    "garbled": _changes(lambda _: GARBLED, Content_Type="image/png"),
    # The track of pictures of an MP4 calls itself one of sound.
    "garbled-video": _changes(lambda body: body.replace(b"vide", b"soun")),
    "wrong-type": _changes(Content_Type="text/html"),
    "json-bom": _changes(lambda body: codecs.BOM_UTF8 + body, kind="json"),
    "json-utf16": _changes(lambda body: body.decode().encode("utf-16"), kind="json"),
}
