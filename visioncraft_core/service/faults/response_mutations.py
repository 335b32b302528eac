"""Faults that change a real answer on its way out: its encoding, its type, its list of pictures."""

from __future__ import annotations

import base64
import codecs
import gzip
import json
import struct
import zlib
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

from aiohttp import web

from .base import Fault, FaultContext, body_of
from .connection_faults import UNTYPED

# The address of no file: names of results are drawn from 128 bits.
DEAD = "/results/" + "0" * 32 + ".png"

MIB = 2**20
_CRC_OF_A_GIB_OF_ZEROS = 0x5B64C2B0


@cache
def bomb() -> bytes:
    """A gzip file of about 1 MB that inflates to 1 GiB of zeros."""
    # After a full flush the compressor knows nothing of before, so its block can be repeated.
    packer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    block = packer.compress(bytes(MIB)) + packer.flush(zlib.Z_FULL_FLUSH)
    size = 1024 * MIB
    tail = _CRC_OF_A_GIB_OF_ZEROS.to_bytes(4, "little") + size.to_bytes(4, "little")
    return b"\x1f\x8b\x08\0\0\0\0\0\0\xff" + block * 1024 + packer.flush() + tail


def _changed(real: web.Response, body: bytes, **headers: str) -> web.Response:
    """`real` with another body; a header is given with _ for -."""
    kept = {name: value for name, value in real.headers.items() if name != "Content-Length"}
    kept |= {name.replace("_", "-"): value for name, value in headers.items()}
    return web.Response(status=real.status, reason=real.reason, body=body, headers=kept)


def _changes(change: Callable[[FaultContext, web.Response], web.Response]) -> Fault:
    async def act(context: FaultContext) -> web.Response:
        return change(context, await context.real())

    return Fault(act, work="real")


def _encoded(encoding: str, pack: Callable[[bytes], bytes]) -> Fault:
    return _changes(lambda _, real: _changed(real, pack(body_of(real)), Content_Encoding=encoding))


def _cut(body: bytes) -> bytes:
    packed = gzip.compress(body)
    return packed[: len(packed) // 2]


def _nested(body: bytes) -> bytes:
    for _ in range(4):
        body = gzip.compress(body)
    return body


async def _gzip_bomb(_context: FaultContext) -> web.Response:
    headers = {"Content-Encoding": "gzip"}
    return web.Response(body=bomb(), content_type="application/json", headers=headers)


def _text(change: Callable[[bytes], bytes]) -> Fault:
    """Changes the text of an answer that is JSON; others go out as they are."""
    return _changes(
        lambda _, real: (
            _changed(real, change(body_of(real))) if "json" in real.content_type else real
        )
    )


def _pictures(change: Callable[[list[str], str], Sequence[str | None]]) -> Fault:
    """Changes the list of an answer `{"images": [...]}`; `change` also gets a dead link."""

    def changed(context: FaultContext, real: web.Response) -> web.Response:
        reply: Any = json.loads(body_of(real)) if "json" in real.content_type else None
        if not isinstance(reply, dict) or not isinstance(reply.get("images"), list):
            return real
        images = change(reply["images"], context.url(DEAD))
        return _changed(real, json.dumps({**reply, "images": images}).encode())

    return _changes(changed)


def png(width: int, height: int, packed: bytes) -> bytes:
    """An RGB picture whose pixels are `packed`, be they right or not."""

    def chunk(name: bytes, data: bytes) -> bytes:
        checksum = struct.pack(">I", zlib.crc32(name + data))
        return struct.pack(">I", len(data)) + name + data + checksum

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    parts = chunk(b"IHDR", head) + chunk(b"IDAT", packed) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + parts


GARBLED = png(64, 64, b"\xff" * 400)


def _no_pictures(_context: FaultContext, real: web.Response) -> web.Response:
    """The real MP4, whose track of pictures calls itself one of sound."""
    return _changed(real, body_of(real).replace(b"vide", b"soun"))


def _ends_with(entry: bytes | None) -> Fault:
    """Puts a file, or null, in the place of the last picture."""
    text = None if entry is None else base64.b64encode(entry).decode()
    return _pictures(lambda links, _dead: [*links[:-1], text])


ENCODINGS = {
    "gzip": _encoded("gzip", gzip.compress),
    "gzip-bomb": Fault(_gzip_bomb),
    "gzip-cut": _encoded("gzip", _cut),
    "gzip-lie": _encoded("gzip", bytes),
    "gzip-nested": _encoded("gzip, gzip, gzip, gzip", _nested),
    "rot13": _encoded("rot13", bytes),
    "br": _encoded("br", bytes),
}

CHANGES = {
    "fewer": _pictures(lambda links, _dead: links[:-1]),
    "more": _pictures(lambda links, _dead: links + links[-1:] * 2),
    "one-null": _ends_with(None),
    "one-cut": _ends_with(GARBLED[:200]),
    "one-garbled": _ends_with(GARBLED),
    "garbled-video": _changes(_no_pictures),
    "garbled": _changes(lambda _, real: _changed(real, GARBLED, Content_Type="image/png")),
    "one-dead": _pictures(lambda links, dead: [*links[:-1], dead]),
    "wrong-type": _changes(lambda _, real: _changed(real, body_of(real), Content_Type="text/html")),
    "untyped": UNTYPED,
    "json-bom": _text(lambda body: codecs.BOM_UTF8 + body),
    "json-utf16": _text(lambda body: body.decode().encode("utf-16")),
}
