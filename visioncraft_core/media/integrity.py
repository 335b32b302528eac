"""Whether a file is all there and within limits, as far as its decoder does not tell.

Decodes no pixels. Every walk takes time in proportion to the file's length, and reads nothing past
its end. What follows the end of a picture is ignored, as every viewer does.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable, Iterator
from itertools import repeat
from struct import error as StructError
from struct import unpack_from
from typing import NamedTuple

from .images import FileKind, check_size, damaged_file, unsafe_file

MOST_PARTS = 100_000  # chunks, segments, blocks or boxes of one file
# Encoders write about ten; each one can cost a pass over all pixels with hardly a byte.
MOST_SCANS = 32
# Limits of an MP4 file; a sample is one frame, or some hundredths of a second of sound.
MOST_DEPTH = 16
MOST_TRACKS = 32
MOST_SAMPLES = 1_000_000
MOST_EDITS = 64
LONGEST_VIDEO = 600  # seconds
WIDEST_VIDEO = 8192  # pixels, either way

_CUT_OFF = "is cut off"


def check_integrity(content: bytes, kind: FileKind) -> None:
    """Raises DamagedFile if `content` is incomplete, UnsafeContent if it is larger than is safe."""
    try:
        _CHECKS[kind](content)
    except (StructError, IndexError):  # a number was read past the end
        raise damaged_file(_CUT_OFF) from None


def _parts() -> Iterator[None]:
    yield from repeat(None, MOST_PARTS)
    raise unsafe_file("has more parts than is safe")


def _check_png(content: bytes) -> None:
    view = memoryview(content)
    position = 8
    has_pixels = False
    for _ in _parts():
        length, name = unpack_from(">I4s", content, position)
        end = position + 8 + length
        (checksum,) = unpack_from(">I", content, end)
        if zlib.crc32(view[position + 4 : end]) != checksum:
            raise damaged_file("is damaged (PNG checksum)")
        has_pixels = has_pixels or name == b"IDAT"
        position = end + 4
        if name == b"IEND":
            break
    if not has_pixels:
        raise damaged_file("is damaged (PNG without pixels)")


# A marker that is neither a stuffed 255 of the pixels nor one of their restarts. Of several 255s
# the last one counts, so a run of them costs no more than its length.
_MARKER = re.compile(rb"\xff[\x01-\xcf\xd8-\xfe]")
_ALONE = (0x01, 0xD8)  # markers without a segment
_END, _SCAN = 0xD9, 0xDA


def _check_jpeg(content: bytes) -> None:
    position = 2
    scans = 0
    for _ in _parts():
        # Cameras leave odd bytes between segments; decoders skip them, too.
        found = _MARKER.search(content, position)
        if not found:
            raise damaged_file(_CUT_OFF)
        marker = content[found.end() - 1]
        position = found.end()
        if marker == _END:
            break
        if marker in _ALONE:
            continue
        (length,) = unpack_from(">H", content, position)
        if length < 2:
            raise damaged_file("is damaged (JPEG segment)")
        position += length
        scans += marker == _SCAN
        if scans > MOST_SCANS:
            raise unsafe_file(f"has more than {MOST_SCANS} scans, which is not safe")
    if not scans:
        raise damaged_file("is damaged (JPEG without pixels)")


def _check_webp(content: bytes) -> None:
    (size,) = unpack_from("<I", content, 4)
    if not 12 <= size <= len(content) - 8:
        raise damaged_file(_CUT_OFF)


def _check_gif(content: bytes) -> None:
    width, height = unpack_from("<HH", content, 6)
    empty = True
    for right, bottom in gif_frames(content):
        empty = False
        # The decoder makes room for a frame that overhangs the screen.
        width, height = max(width, right), max(height, bottom)
        check_size((width, height))
    if empty:
        raise damaged_file("is damaged (GIF without pixels)")


def gif_frames(content: bytes) -> Iterator[tuple[int, int]]:
    """How far each frame of a GIF reaches, right and down. Raises like `check_integrity`."""
    try:
        position = 13 + _gif_palette(content[10])
        for _ in _parts():
            if position == len(content):  # some writers leave out the last byte
                return
            block = content[position]
            position += 1
            if block == 0x3B:
                return
            if block == 0x2C:
                left, top, width, height, flags = unpack_from("<4HB", content, position)
                position += 9 + _gif_palette(flags)
                yield left + width, top + height
            elif block == 0x00:  # some writers end the pixels twice
                continue
            elif block != 0x21:
                raise damaged_file("is damaged (GIF block)")
            position += 1  # an extension's label, or the pixels' code size
            while length := content[position]:
                position += length + 1
            position += 1
    except (StructError, IndexError):
        raise damaged_file(_CUT_OFF) from None


def _gif_palette(flags: int) -> int:
    """The length in bytes of the palette that `flags` announce."""
    return 3 << (flags & 7) + 1 if flags & 0x80 else 0


class _Box(NamedTuple):
    name: bytes
    start: int  # of what is in it
    end: int


_FOLDERS = {
    *(b"moov", b"trak", b"edts", b"mdia", b"minf", b"dinf", b"stbl"),
    *(b"mvex", b"moof", b"traf"),
}
_NEEDED_OUTSIDE = {b"moov", b"mdat"}
_NEEDED = {b"moov", b"mdat", b"mvhd", b"trak"}


def _check_mp4(content: bytes) -> None:
    parts = _parts()
    names: list[bytes] = []
    samples = 0
    for box in _boxes(content, 0, _end_of_boxes(content), parts):
        names.append(box.name)
        payload = content[box.start : min(box.end, box.start + 128)]
        samples += _samples(box.name, payload)
        if box.name == b"mvhd":
            _check_duration(payload)
        elif box.name == b"tkhd":
            _check_track(payload)
        elif box.name == b"elst" and unpack_from(">I", payload, 4)[0] > MOST_EDITS:
            raise unsafe_file("is a video with more edits than is safe")
        elif box.name == b"dref":
            _check_references(content, box, parts)
    if names.count(b"trak") > MOST_TRACKS or samples > MOST_SAMPLES:
        raise unsafe_file("is a video with more frames than is safe")
    if names[0] != b"ftyp" or not _NEEDED.issubset(names):
        raise damaged_file("is damaged (MP4 without its parts)")


def _end_of_boxes(content: bytes) -> int:
    """Where the boxes of an MP4 file end: other bytes may follow, which players ignore."""
    position, names = 0, set()
    while len(content) - position >= 8:
        size, name = unpack_from(">I4s", content, position)
        if size == 1 and len(content) - position >= 16:
            (size,) = unpack_from(">Q", content, position + 8)
        complete = names >= _NEEDED_OUTSIDE and name not in _NEEDED_OUTSIDE | {b"moof"}
        if complete and not (name.isalnum() and 8 <= size <= len(content) - position):
            return position
        if size < 8:
            break
        names.add(name)
        position += size
    return position if names >= _NEEDED_OUTSIDE and position < len(content) else len(content)


def _boxes(
    content: bytes, start: int, end: int, parts: Iterator[None], depth: int = 1
) -> Iterator[_Box]:
    """The boxes from `start` to `end`, each followed by those in it."""
    position = start
    while position < end:
        next(parts)
        if depth > MOST_DEPTH:
            raise damaged_file("is damaged (MP4 boxes too deep)")
        size, name = unpack_from(">I4s", content, position)
        header = 8
        if size == 1:
            (size,) = unpack_from(">Q", content, position + 8)
            header = 16
        if size == 0 and depth == 1:  # the last one may say "to the end" (ISO/IEC 14496-12, 4.2)
            size = end - position
        if size < header:
            raise damaged_file("is damaged (MP4 box)")
        if size > end - position:
            raise damaged_file(_CUT_OFF if end == len(content) else "is damaged (MP4 box)")
        box = _Box(name, position + header, position + size)
        yield box
        if name in _FOLDERS:
            yield from _boxes(content, box.start, box.end, parts, depth + 1)
        position += size


def _check_duration(payload: bytes) -> None:
    long = payload[0] == 1
    scale, duration = unpack_from(">IQ" if long else ">II", payload, 20 if long else 12)
    unknown = 2**64 - 1 if long else 2**32 - 1
    if duration != unknown and duration > LONGEST_VIDEO * scale:
        raise unsafe_file(f"is a video of more than {LONGEST_VIDEO} s")


def _check_track(payload: bytes) -> None:
    # In 1/65536 of a pixel, after times, layer, volume and matrix.
    width, height = unpack_from(">II", payload, 88 if payload[0] == 1 else 76)
    if max(width, height) > WIDEST_VIDEO << 16:
        raise unsafe_file(f"is a video of {width >> 16} x {height >> 16} pixels, more than is safe")


def _samples(name: bytes, payload: bytes) -> int:
    """How many samples a table says that there are, be there bytes for each of them or not."""
    place = {b"stsz": 8, b"stz2": 8, b"trun": 4}.get(name)
    return unpack_from(">I", payload, place)[0] if place else 0


def _check_references(content: bytes, box: _Box, parts: Iterator[None]) -> None:
    for entry in _boxes(content, box.start + 8, box.end, parts):
        (flags,) = unpack_from(">I", content, entry.start)
        if not flags & 1:
            raise unsafe_file("is a video that refers to another file")


_CHECKS: dict[FileKind, Callable[[bytes], None]] = {
    "png": _check_png,
    "jpeg": _check_jpeg,
    "webp": _check_webp,
    "gif": _check_gif,
    "mp4": _check_mp4,
}
