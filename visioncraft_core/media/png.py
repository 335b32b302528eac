"""Pixels to PNG files, some times as fast as Pillow and hardly larger.

Of Pillow's time, more than half goes into trying five row filters for each row. Here every row has
the filter Up, which numpy computes for a whole picture at once, and the strategy of the compression
is chosen by a sample: pictures with the grain of a photo have no strings that repeat, and to look
for them takes most of zlib's time. Measured at 1024 x 1024 (2026-11, one core): 295 ms with Pillow,
42 ms with zlib, 17 ms with isal, which is used where it is installed.
"""

from __future__ import annotations

import os
import zlib
from collections.abc import Callable, Iterable, Mapping
from functools import cache, partial
from struct import pack
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ..parallel import parallel_map

SIGNATURE = b"\x89PNG\r\n\x1a\n"
BAND = 1 << 20  # bytes of filtered rows that are compressed as one piece, with one thread each
MOST_THREADS = 4
SAMPLES, SAMPLE = 4, 16384  # how many pieces of how many bytes are tried
TAKE_ISAL = 1.05  # of the smallest size; isal takes a third of the time
_COLOUR_TYPES = {1: 0, 2: 4, 3: 2, 4: 6}  # by channels: grey, grey with alpha, RGB, RGBA
_UP = 2
_ADLER = 65521

Rows = NDArray[np.uint8]


class _Compressor(Protocol):
    def compress(self, data: Any, /) -> bytes: ...

    def flush(self, mode: int = ..., /) -> bytes: ...


def encode_png(pixels: Rows, texts: Mapping[str, str] | None = None) -> bytes:
    """A PNG file of `pixels`: uint8, height x width, or x 1, 2 (grey and alpha), 3 or 4 channels.

    `texts` are stored in front of the pixels, as Pillow's PngInfo stores them. Raises ValueError
    for another shape.
    """
    height, width = pixels.shape[:2]
    channels = pixels.shape[2] if pixels.ndim == 3 else 1
    if channels not in _COLOUR_TYPES or not pixels.size:
        raise ValueError(f"no picture has the shape {pixels.shape}")
    rows = np.ascontiguousarray(pixels).reshape(height, -1)
    header = pack(">IIBBBBB", width, height, 8, _COLOUR_TYPES[channels], 0, 0, 0)
    chunks = [_chunk(b"IHDR", header)]
    chunks += [_text(name, text) for name, text in (texts or {}).items()]
    chunks += [_chunk(b"IDAT", *_compressed(rows)), _chunk(b"IEND")]
    return b"".join([SIGNATURE, *(part for chunk in chunks for part in chunk)])


def _chunk(name: bytes, *parts: bytes) -> list[bytes]:
    checksum = zlib.crc32(name)
    for part in parts:
        checksum = zlib.crc32(part, checksum)
    return [pack(">I", sum(map(len, parts))), name, *parts, pack(">I", checksum)]


def _text(name: str, text: str) -> list[bytes]:
    key = name.encode("latin-1")
    try:
        return _chunk(b"tEXt", key + b"\0" + text.encode("latin-1"))
    except UnicodeError:
        return _chunk(b"iTXt", key + b"\0\0\0\0\0" + text.encode())


def _compressed(rows: Rows) -> list[bytes]:
    """The filtered `rows` as zlib's format, in pieces."""
    start = _start_of(rows)
    height = max(1, BAND // (rows.shape[1] + 1))
    tops = range(0, len(rows), height)

    def piece(top: int) -> tuple[bytes, int, int]:
        filtered = _filtered(rows, top, min(top + height, len(rows)))
        compressor = start()
        # Pieces end at a whole byte, so that they can be joined.
        end = zlib.Z_FINISH if top == tops[-1] else zlib.Z_SYNC_FLUSH
        content = compressor.compress(filtered) + compressor.flush(end)
        return content, zlib.adler32(filtered.data), filtered.nbytes

    pieces = parallel_map(piece, tops, min(MOST_THREADS, os.cpu_count() or 1))
    checksum = _joined((adler, size) for _, adler, size in pieces)
    return [b"\x78\x01", *(content for content, _, _ in pieces), pack(">I", checksum)]


def _filtered(rows: Rows, top: int, bottom: int) -> Rows:
    """Each row less the one above it, with the number of this filter in front."""
    filtered = np.empty((bottom - top, rows.shape[1] + 1), np.uint8)
    filtered[:, 0] = _UP
    first = 0
    if not top:
        filtered[0, 1:] = rows[0]
        first = 1
    np.subtract(
        rows[top + first : bottom], rows[top + first - 1 : bottom - 1], filtered[first:, 1:]
    )
    return filtered


def _joined(checksums: Iterable[tuple[int, int]]) -> int:
    """The Adler-32 of several pieces one after the other, from that of each and its length."""
    low, high = 1, 0
    for adler, size in checksums:
        high = (high + (adler >> 16) + size * (low - 1)) % _ADLER
        low = (low + (adler & 0xFFFF) - 1) % _ADLER
    return high << 16 | low


def _start_of(rows: Rows) -> Callable[[], _Compressor]:
    """What compresses such rows best for its time, by a sample."""
    height = max(1, SAMPLE // rows.shape[1])
    last = max(0, len(rows) - height)
    tops = dict.fromkeys(last * n // (SAMPLES + 1) for n in range(1, SAMPLES + 1))
    sample = b"".join(_filtered(rows, t, min(t + height, len(rows))).tobytes() for t in tops)

    def size(start: Callable[[], _Compressor]) -> int:
        compressor = start()
        return len(compressor.compress(sample)) + len(compressor.flush())

    sizes = {start: size(start) for start in (_STRINGS, _RUNS)}
    best = min(_STRINGS, _RUNS, key=lambda start: sizes[start])
    quick = _isal()
    return quick if quick and size(quick) <= TAKE_ISAL * sizes[best] else best


# Without the header and checksum, which the whole has once.
_STRINGS: Callable[[], _Compressor] = partial(zlib.compressobj, 1, zlib.DEFLATED, -15, 9)
_RUNS: Callable[[], _Compressor] = partial(zlib.compressobj, 1, zlib.DEFLATED, -15, 9, zlib.Z_RLE)


@cache
def _isal() -> Callable[[], _Compressor] | None:
    try:
        from isal import isal_zlib  # pyright: ignore[reportMissingImports]
    except ImportError:  # an extra, for some kinds of processors only
        return None
    return partial(isal_zlib.compressobj, 1, isal_zlib.DEFLATED, -15)
