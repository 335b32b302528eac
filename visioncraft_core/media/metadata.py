"""Where a picture or film holds anything but pixels and sound, and how to blot it out.

Servers write the request into comments and tags, key included. Walks headers only; a file that is
damaged is walked as far as it goes.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator
from struct import error as StructError
from struct import unpack_from

from .images import FileKind

MOST_INFLATED = 2**20  # bytes of a compressed text that are looked at

Span = tuple[int, int]


def masked_metadata(content: bytes, kind: FileKind, mask: Callable[[bytes], bytes]) -> bytes:
    """`content` with `mask` applied to all that is neither pixels nor sound.

    `mask` keeps the length. A PNG chunk that it changes is left out, because of its checksum; so is
    one whose compressed text it would change.
    """
    pieces: list[bytes] = []
    copied = 0
    for start, end in _SPANS[kind](content):
        part = content[start:end]
        shown = mask(part)
        compressed = kind == "png" and _inflated(part)
        if shown == part and not (compressed and mask(compressed) != compressed):
            continue
        pieces += [content[copied:start], b"" if kind == "png" else shown]
        copied = end
    return b"".join([*pieces, content[copied:]]) if pieces else content


def _png(content: bytes) -> Iterator[Span]:
    at = 8
    while at + 12 <= len(content):
        length, name = unpack_from(">I4s", content, at)
        end = min(at + 12 + length, len(content))
        if name not in (b"IDAT", b"fdAT", b"IHDR", b"IEND", b"PLTE", b"fcTL", b"acTL"):
            yield at, end
        at = end


def _inflated(chunk: bytes) -> bytes:
    """The text of a zTXt or iTXt chunk that is compressed, b"" of any other."""
    name, body = chunk[4:8], chunk[8:-4]
    if name == b"zTXt":
        packed = body.partition(b"\0")[2][1:]
    elif name == b"iTXt" and body.partition(b"\0")[2][:1] == b"\1":
        packed = body.partition(b"\0")[2][2:].split(b"\0", 2)[-1]
    else:
        return b""
    try:
        return zlib.decompressobj().decompress(packed, MOST_INFLATED)
    except zlib.error:
        return b""


def _jpeg(content: bytes) -> Iterator[Span]:
    at = 2
    while at + 4 <= len(content) and content[at] == 0xFF:
        marker = content[at + 1]
        if marker == 0xDA:  # the pixels; what follows them is behind the last end marker
            break
        (length,) = unpack_from(">H", content, at + 2)
        if 0xE0 <= marker <= 0xEF or marker == 0xFE:
            yield at + 4, at + 2 + length
        at += 2 + max(length, 2)
    yield content.rfind(b"\xff\xd9") + 2 or len(content), len(content)


def _webp(content: bytes) -> Iterator[Span]:
    at = 12
    while at + 8 <= len(content):
        name, size = unpack_from("<4sI", content, at)
        end = min(at + 8 + size + size % 2, len(content))
        if name not in (b"VP8 ", b"VP8L", b"VP8X", b"ALPH", b"ANMF", b"ANIM"):
            yield at + 8, end
        at = end


def _gif(content: bytes) -> Iterator[Span]:
    at = 13 + _palette(content[10])
    while at < len(content):
        block = content[at]
        start = at
        if block == 0x3B:
            break
        at += 10 + _palette(content[at + 9]) if block == 0x2C else 1
        at += 1  # an extension's label, or the pixels' code size
        while at < len(content) and content[at]:
            at += content[at] + 1
        at += 1
        if block == 0x21:
            yield start + 2, min(at, len(content))
    yield min(at + 1, len(content)), len(content)


def _palette(flags: int) -> int:
    return 3 << (flags & 7) + 1 if flags & 0x80 else 0


def _mp4(content: bytes) -> Iterator[Span]:
    at = 0
    while at + 8 <= len(content):
        size, name = unpack_from(">I4s", content, at)
        if size == 1 and at + 16 <= len(content):
            (size,) = unpack_from(">Q", content, at + 8)
        end = min(at + size, len(content)) if size >= 8 else len(content)
        if name != b"mdat":
            yield at + 8, end
        at = end


def _tolerant(spans: Callable[[bytes], Iterator[Span]]) -> Callable[[bytes], Iterator[Span]]:
    def walk(content: bytes) -> Iterator[Span]:
        try:
            yield from spans(content)
        except (StructError, IndexError):
            return

    return walk


_SPANS: dict[FileKind, Callable[[bytes], Iterator[Span]]] = {
    "png": _tolerant(_png),
    "jpeg": _tolerant(_jpeg),
    "webp": _tolerant(_webp),
    "gif": _tolerant(_gif),
    "mp4": _tolerant(_mp4),
}
