"""Files that a careless, broken or hostile server may send, as rows of a table. Built in code.

The ids M40 to M77 are those of the design's list of malicious files (M78, a body without end, is
for the transport's tests); N rows came later. `expect` names what a caller may see:

OK  a picture or frames
X   DamagedFile or another InvalidResponse: incomplete, damaged, or refused by its decoder
U   UnsafeContent: larger than is safe, or not of a kind that is ever opened
"""

from __future__ import annotations

import base64
import gzip
import io
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache
from typing import Any

import av
import numpy as np
from PIL import Image, ImageCms


@dataclass(frozen=True)
class Case:
    id: str
    expect: str
    make: Callable[[], bytes]
    moving: bool = False
    size: tuple[int, int] | None = None
    megabytes: int = 300
    seconds: float = 2.0  # of the processor
    because: str = ""  # why `expect` is not what the design's list says


# --- parts of files


def picture(width: int = 64, height: int = 64, mode: str = "RGB") -> Image.Image:
    """Smooth colours with a little grain, so that no format shrinks it to nothing."""
    chance = np.random.default_rng(1)
    x, y = np.meshgrid(np.linspace(0, 200, width), np.linspace(0, 200, height))
    pixels = np.stack([x, y, 200 - x], -1) + chance.uniform(0, 50, (height, width, 3))
    return Image.fromarray(pixels.astype(np.uint8)).convert(mode)


def saved(image: Image.Image, kind: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def png(
    width: int,
    height: int,
    *,
    depth: int = 8,
    colours: int = 2,
    interlace: int = 0,
    rows: bytes | None = None,
    before: bytes = b"",
    after: bytes = b"",
) -> bytes:
    """A PNG of the compressed `rows`, by default 100 zero bytes, with chunks around them."""
    header = struct.pack(">II5B", width, height, depth, colours, 0, 0, interlace)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + before
        + chunk(b"IDAT", rows or zlib.compress(bytes(100)))
        + after
        + chunk(b"IEND", b"")
    )


def zeros(count: int) -> bytes:
    """`count` zero bytes as zlib data, made without touching all of them."""
    pieces, rest = divmod(count, 1 << 20)
    squeeze = zlib.compressobj(9, zlib.DEFLATED, -15)
    piece = squeeze.compress(bytes(1 << 20)) + squeeze.flush(zlib.Z_FULL_FLUSH)
    last = squeeze.compress(bytes(rest)) + squeeze.flush()
    checksum = (count % 65521) << 16 | 1
    return b"\x78\xda" + piece * pieces + last + struct.pack(">I", checksum)


def apng(frames: int) -> bytes:
    rows = zlib.compress(bytes(8 * 25))

    def control(number: int) -> bytes:
        return chunk(b"fcTL", struct.pack(">5I2H2B", number, 8, 8, 0, 0, 1, 50, 0, 0))

    later = b"".join(
        control(2 * n - 1) + chunk(b"fdAT", struct.pack(">I", 2 * n) + rows)
        for n in range(1, frames)
    )
    start = chunk(b"acTL", struct.pack(">II", frames, 0)) + control(0)
    return png(8, 8, rows=rows, before=start, after=later)


def jpeg_of_size(width: int, height: int) -> bytes:
    content = bytearray(saved(picture(), "JPEG"))
    start = content.index(b"\xff\xc0")
    struct.pack_into(">HH", content, start + 5, height, width)
    return bytes(content)


def jpeg_of_scans(scans: int) -> bytes:
    """A progressive JPEG with its last scan over and over."""
    content = saved(picture(), "JPEG", progressive=True)
    start = content.rindex(b"\xff\xda")
    return content[:start] + content[start:-2] * scans + b"\xff\xd9"


def gif(width: int, height: int, frames: Iterable[bytes], loops: int = 0) -> bytes:
    start = b"GIF89a" + struct.pack("<HH3B", width, height, 0x80, 0, 0) + bytes(3) + b"\xff" * 3
    repeat = b"!\xff\x0bNETSCAPE2.0\x03\x01" + struct.pack("<H", loops) + b"\0"
    return start + repeat + b"".join(frames) + b";"


def gif_frame(width: int = 1, height: int = 1, disposal: int = 1, delay: int = 2) -> bytes:
    """A frame with the data of one pixel, whatever size it claims."""
    control = b"!\xf9\x04" + struct.pack("<BHB", disposal << 2, delay, 0) + b"\0"
    return control + b"," + struct.pack("<4HB", 0, 0, width, height, 0) + b"\x02\x02\x44\x01\0"


def riff(name: bytes, data: bytes) -> bytes:
    return name + struct.pack("<I", len(data)) + data + bytes(len(data) % 2)


def webp(width: int, height: int, frames: int, frame_size: tuple[int, int] = (1, 1)) -> bytes:
    """An animated WebP; each frame is the same few pixels."""
    still = saved(picture(*frame_size), "WEBP", lossless=True)[12:]

    def three(number: int) -> bytes:
        return struct.pack("<I", number)[:3]

    place = three(0) * 2 + three(frame_size[0] - 1) + three(frame_size[1] - 1) + three(20) + b"\0"
    header = riff(b"VP8X", b"\x02\0\0\0" + three(width - 1) + three(height - 1))
    body = header + riff(b"ANIM", bytes(6)) + riff(b"ANMF", place + still) * frames
    return riff(b"RIFF", b"WEBP" + body)


@cache
def mp4(frames: int = 12, *, early: bool = True, sound: bool = False) -> bytes:
    """H.264, 64 x 48, 24 a second; `early` puts `moov` before `mdat`."""
    buffer = io.BytesIO()
    film(buffer, {"moov_size": "16384"} if early else {}, frames, sound=sound)
    return buffer.getvalue()


def film(
    target: io.BytesIO | str, options: dict[str, str], frames: int, *, sound: bool = False
) -> None:
    with av.open(target, "w", format="mp4", options=options) as container:
        stream = container.add_stream("libx264", rate=24, options={"threads": "1"})
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        voice = container.add_stream("aac", rate=44100) if sound else None
        for n in range(frames):
            pixels = np.roll(np.asarray(picture(64, 48)), 4 * n, axis=1)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        container.mux(stream.encode(None))
        if voice:
            silence = av.AudioFrame.from_ndarray(np.zeros((1, 8192), np.float32), "fltp", "mono")
            silence.sample_rate = 44100
            container.mux(voice.encode(silence))
            container.mux(voice.encode(None))


def box(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", 8 + len(data)) + name + data


def patched(content: bytes, name: bytes, offset: int, data: bytes) -> bytes:
    """`content` with `data` at `offset` bytes after the name of its first box `name`."""
    place = content.index(name) + 4 + offset
    return content[:place] + data + content[place + len(data) :]


def with_size(size: int, extra: bytes = b"") -> bytes:
    """A video whose last box says that it is `size` bytes long."""
    return mp4(early=True) + struct.pack(">I", size) + b"free" + extra


def without_moov() -> bytes:
    return mp4().replace(b"moov", b"free", 1)


def nested(name: bytes, depth: int) -> bytes:
    data = b""
    for _ in range(depth):
        data = box(name, data)
    return mp4() + data


def deep(depth: int) -> bytes:
    """A whole video with `depth` track boxes one in the other."""
    data = b""
    for _ in range(depth):
        data = box(b"trak", data)
    return inside_moov(data)


def inside_moov(data: bytes) -> bytes:
    """A whole video with `data` at the end of its `moov`, which lies last."""
    content = mp4(early=False)
    start = content.index(b"moov") - 4
    (size,) = struct.unpack_from(">I", content, start)
    assert start + size == len(content)
    return content[:start] + struct.pack(">I", size + len(data)) + content[start + 4 :] + data


def reference(name: bytes, place: bytes) -> bytes:
    """A whole video whose data is said to lie elsewhere: `url ` becomes an external reference."""
    entry = box(name, bytes(4) + place + b"\0")
    table = box(b"dref", struct.pack(">II", 0, 1) + entry)
    return inside_moov(box(b"trak", box(b"mdia", box(b"minf", box(b"dinf", table)))))


def fragment(samples: int) -> bytes:
    table = box(b"trun", struct.pack(">II", 0, samples))
    return mp4() + box(b"moof", box(b"traf", table)) + box(b"mdat", b"")


def edits(count: int) -> bytes:
    table = struct.pack(">II", 0, count) + struct.pack(">IIHH", 1000, 0, 1, 0) * count
    return inside_moov(box(b"trak", box(b"edts", box(b"elst", table))))


def video_as(container_format: str) -> bytes:
    buffer = io.BytesIO()
    codec = {"ogg": "libtheora"}.get(container_format, "mpeg4")
    with av.open(buffer, "w", format=container_format) as container:
        stream = container.add_stream(codec, rate=24)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        pixels = np.asarray(picture(64, 48))
        container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        container.mux(stream.encode(None))
    return buffer.getvalue()


def ogg() -> bytes:
    """The first page of an Ogg file; FFmpeg is often built without an encoder for its video."""
    return b"OggS\0\x02" + bytes(20) + b"\x01\x2a\x80theora\x03\x02\x01" + bytes(34)


def zipped() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("picture.png", saved(picture(), "PNG"))
    return buffer.getvalue()


def turned() -> bytes:
    exif = Image.Exif()
    exif[0x0112] = 6
    return saved(picture(64, 32), "JPEG", exif=exif)


def scripted() -> bytes:
    exif = Image.Exif()
    exif[0x010E] = "<script>alert(1)</script>"
    content = saved(picture(), "JPEG", exif=exif)
    comment = b"\xff\xfe" + struct.pack(">H", 65535) + b"<?php echo 1; ?>".ljust(65533, b" ")
    return content[:2] + comment + content[2:] + b"<script>alert(1)</script>"


def twelve_bit() -> bytes:
    content = bytearray(saved(picture(), "JPEG"))
    content[content.index(b"\xff\xc0") + 4] = 12
    return bytes(content)


def cut(content: bytes, share: float) -> bytes:
    return content[: int(len(content) * share)]


def wrong_checksum() -> bytes:
    content = bytearray(saved(picture(), "PNG"))
    place = content.index(b"IDAT")
    (length,) = struct.unpack_from(">I", content, place - 4)
    content[place + 4 + length] ^= 1
    return bytes(content)


def short_rows() -> bytes:
    """10 of 64 rows, in a stream that ends as it should."""
    return png(64, 64, rows=zlib.compress(bytes(10 * (1 + 3 * 64))))


def text_bomb(name: bytes) -> bytes:
    start = {
        b"zTXt": b"Comment\0\0",
        b"iTXt": b"Comment\0\x01\0\0\0",
        b"iCCP": b"profile\0\0",
    }[name]
    return png(1, 1, rows=zlib.compress(bytes(4)), before=chunk(name, start + zeros(64 << 20)))


def overhanging(disposal: int = 3) -> bytes:
    frames = [picture(40, 40), picture(40, 40).rotate(90)]
    content = bytearray(
        saved(
            frames[0],
            "GIF",
            save_all=True,
            append_images=frames[1:],
            duration=0,
            loop=65535,
            disposal=disposal,
        )
    )
    struct.pack_into("<HH", content, 6, 10, 10)
    return bytes(content)


def polyglot() -> bytes:
    """A GIF that is also a script: the screen's width spells `=/`, its height `*` at first."""
    content = gif(0x2F3D, 0x002A, [gif_frame()])
    assert content[6:9] == b"=/*"
    return content + b"*/=1;alert(1)"


ANIMATED = {"save_all": True, "append_images": [picture().rotate(90)], "duration": 80}


def profile_bytes() -> bytes:
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


# --- the table

_PNG = saved(picture(), "PNG")
_JPEG = saved(picture(), "JPEG")
_GIF = saved(picture(), "GIF", **ANIMATED)
_WEBP = saved(picture(), "WEBP", **ANIMATED)
_SDP = b"v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\nm=video 5004 RTP/AVP 96\r\n"
_MPD = b'<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011"><Period/></MPD>'
_HLS = b"#EXTM3U\n#EXTINF:1,\nhttp://127.0.0.1:9/a.ts\n#EXT-X-ENDLIST\n"
_HTML = b"<!doctype html><html><title>Bad gateway</title></html>"
_URL = b"http://127.0.0.1:9/a.mp4"
FRAMES_KEPT = "decisions 6: frames over the budget are left out and counted, not refused"

PICTURES = [
    Case("M40-png-50000x50000", "U", lambda: png(50_000, 50_000)),
    Case(
        "M41-png-13000x13000-1-bit",
        "U",
        lambda: png(13_000, 13_000, depth=1, colours=0, rows=zeros(13_000 * 1626)),
    ),
    Case(
        "M42-png-9400x9400",
        "OK",
        lambda: png(9_400, 9_400, rows=zeros(9_400 * 28_201)),
        size=(9_400, 9_400),
        megabytes=1200,
        seconds=6.0,  # 1.2 on an idle computer: it is all pixels, and legal
    ),
    Case("M43-png-widest", "U", lambda: png(2**31 - 1, 1)),
    Case("M43-png-wider-than-allowed", "U", lambda: png(2**32 - 1, 1)),
    Case("M43-png-0x0", "X", lambda: png(0, 0)),
    Case("M43-png-1x100000", "U", lambda: png(1, 100_000)),
    *(
        Case(f"M44-png-{name.decode()}-bomb", "X", lambda name=name: text_bomb(name))
        for name in (b"zTXt", b"iTXt", b"iCCP")
    ),
    Case(
        "M44-png-100-zTXt",
        "X",
        lambda: png(
            *(1, 1),
            rows=zlib.compress(bytes(4)),
            before=chunk(b"zTXt", b"Comment\0\0" + zeros(1 << 20)) * 100,
        ),
    ),
    Case("M45-png-no-IEND", "X", lambda: _PNG[:-12]),
    Case("M46-png-cut", "X", lambda: cut(_PNG, 0.5)),
    Case("M47-png-wrong-checksum", "X", wrong_checksum),
    Case(
        "M48-png-rows-missing",
        "OK",
        short_rows,
        because="seen only by unpacking; the missing rows are black",
    ),
    Case("M49-png-zip", "OK", lambda: _PNG + zipped(), size=(64, 64)),
    Case("M49-png-php", "OK", lambda: _PNG + b"<?php system($_GET[0]); ?>", size=(64, 64)),
    Case("M49-png-html", "OK", lambda: _PNG + _HTML, size=(64, 64)),
    Case("M50-apng-2000-frames", "OK", lambda: apng(2000), moving=True, because=FRAMES_KEPT),
    Case("M50-apng-first-frame", "OK", lambda: apng(2000), size=(8, 8)),
    Case("M51-jpeg-cut", "X", lambda: cut(_JPEG, 0.6)),
    Case("M51-jpeg-no-EOI", "X", lambda: _JPEG[:-2]),
    Case("M52-jpeg-13000x13000", "U", lambda: jpeg_of_size(13_000, 13_000)),
    Case("M53-jpeg-65500x65500", "U", lambda: jpeg_of_size(65_500, 65_500)),
    Case("M54-jpeg-scripts", "OK", scripted, size=(64, 64)),
    Case("M55-jpeg-cmyk", "OK", lambda: saved(picture(mode="CMYK"), "JPEG"), size=(64, 64)),
    Case("M55-jpeg-progressive", "OK", lambda: saved(picture(), "JPEG", progressive=True)),
    Case("M55-jpeg-12-bit", "X", twelve_bit, because="Pillow's libjpeg reads 8 bits only"),
    Case("M55-jpeg-turned", "OK", turned, size=(32, 64)),
    *(
        Case(f"M56-png-{mode}", "OK", lambda mode=mode: saved(picture(mode=mode), "PNG"))
        for mode in ("1", "L", "LA", "P", "RGBA")
    ),
    Case(
        "M56-png-16-bit",
        "OK",
        lambda: png(8, 8, depth=16, colours=0, rows=zlib.compress(bytes(range(17)) * 8)),
        size=(8, 8),
    ),
    Case(
        "M56-png-16-bit-rgb", "OK", lambda: png(8, 8, depth=16, rows=zlib.compress(bytes(49 * 8)))
    ),
    Case(
        "M56-png-transparent-palette",
        "OK",
        lambda: saved(picture(mode="P"), "PNG", transparency=bytes(range(256))),
    ),
    Case(
        "M57-gif-4000x4000-500-frames",
        "OK",
        lambda: gif(4000, 4000, [gif_frame()] * 500),
        moving=True,
        megabytes=450,  # of which the five frames that fit into the budget are 240
        seconds=6.0,  # 0.5 on an idle computer
        because=FRAMES_KEPT,
    ),
    Case(
        "M58-gif-20000-frames",
        "OK",
        lambda: gif(1, 1, [gif_frame()] * 20_000),
        moving=True,
        because=FRAMES_KEPT,
    ),
    Case("M59-gif-65535x65535", "U", lambda: gif(65_535, 65_535, [gif_frame()]), moving=True),
    Case("M60-gif-cut", "X", lambda: cut(_GIF, 0.6), moving=True),
    Case("M61-gif-no-trailer", "OK", lambda: _GIF[:-1], moving=True),
    Case("M62-gif-overhanging", "OK", overhanging, moving=True),
    Case("M63-gif-script", "OK", polyglot, moving=True),
    Case("M63-gif-only-script", "X", lambda: b"GIF89a=/*" + b" " * 40 + b"*/=1;alert(1)"),
    Case("M64-webp-2000-frames", "OK", lambda: webp(1, 1, 2000), moving=True, because=FRAMES_KEPT),
    Case("M64-webp-cut", "X", lambda: cut(_WEBP, 0.7), moving=True),
    Case("M64-webp-too-long", "X", lambda: _WEBP[:4] + b"\xff\xff\0\0" + _WEBP[8:], moving=True),
    Case("M64-webp-too-short", "X", lambda: _WEBP[:4] + b"\x20\0\0\0" + _WEBP[8:], moving=True),
    Case("M65-eps", "U", lambda: b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\nshowpage\n"),
    Case("M65-svg", "U", lambda: b'<svg xmlns="http://www.w3.org/2000/svg"><script/></svg>'),
    Case("M65-pdf", "U", lambda: saved(picture(), "PDF")),
    *(
        Case(f"M65-{kind.lower()}", "U", lambda kind=kind: saved(picture(), kind))
        for kind in ("TIFF", "BMP", "ICO", "JPEG2000")
    ),
    Case("M65-avif", "U", lambda: box(b"ftyp", b"avif\0\0\0\0mif1avif") + box(b"meta", bytes(40))),
    Case(
        "M65-psd",
        "U",
        lambda: b"8BPS\0\x01" + bytes(6) + struct.pack(">H4IHH", 3, 9, 9, 0, 0, 8, 3),
    ),
    Case("M65-fits", "U", lambda: b"SIMPLE  =                    T".ljust(2880)),
    Case("M66-empty", "X", lambda: b""),
    Case("M66-png-signature", "X", lambda: _PNG[:8]),
    Case("M66-gif-signature", "X", lambda: b"GIF89a", moving=True),
    Case("M66-one-byte", "X", lambda: b"\x89"),
    Case("M67-html", "X", lambda: _HTML),
    Case("M67-json", "X", lambda: b'{"error": "no credits"}'),
    Case("M67-null", "X", lambda: b"null"),
    Case("M68-gzip", "X", lambda: gzip.compress(_PNG, mtime=0)),
    Case("M68-zip", "X", zipped),
    Case("M68-base64", "X", lambda: base64.b64encode(_PNG)),
    Case("M68-data-url", "X", lambda: b"data:image/png;base64," + base64.b64encode(_PNG)),
    Case("N01-jpeg-1000-scans", "U", lambda: jpeg_of_scans(1000)),
    Case(
        "N02-gif-later-frame-huge",
        "U",
        lambda: gif(1, 1, [gif_frame(), gif_frame(13_000, 13_000, disposal=2), gif_frame()]),
        moving=True,
    ),
    Case("N03-png-200000-chunks", "U", lambda: png(1, 1, before=chunk(b"teXt", b"") * 200_000)),
    Case(
        "N04-png-bomb-behind-the-pixels",
        "X",
        lambda: png(
            *(1, 1),
            rows=zlib.compress(bytes(4)),
            after=chunk(b"zTXt", b"Comment\0\0" + zeros(64 << 20)),
        ),
    ),
    Case("N05-webp-16383x16383", "X", lambda: webp(16_383, 16_383, 2), moving=True),
    Case("N06-heic", "U", lambda: box(b"ftyp", b"heic\0\0\0\0mif1heic") + box(b"meta", bytes(40))),
]

VIDEOS = [
    Case("M70-mp4-cut", "X", lambda: mp4()[:-40]),
    Case("M70-mp4-no-moov", "X", without_moov),
    Case("M70-mp4-moov-late", "OK", lambda: mp4(early=False), size=(64, 48)),
    Case("M70-mp4-moov-early", "OK", mp4, size=(64, 48)),
    Case("M71-mp4-size-0", "OK", lambda: with_size(0)),
    Case("M71-mp4-size-7", "OK", lambda: with_size(7)),
    Case("M71-mp4-long-size-4", "OK", lambda: with_size(1, struct.pack(">Q", 4))),
    Case("M71-mp4-long-size-cut", "OK", lambda: with_size(1, b"\0\0")),
    Case("M71-mp4-long-size-2^63", "OK", lambda: with_size(1, struct.pack(">Q", 2**63))),
    Case("M71-mp4-long-size-right", "OK", lambda: with_size(1, struct.pack(">Q", 16))),
    Case("M71-mp4-beyond-the-file", "OK", lambda: with_size(2**31)),
    Case("M72-mp4-10000-deep", "X", lambda: deep(10_000)),
    Case(
        "M72-mp4-10000-deep-unknown",
        "X",
        lambda: nested(b"udta", 10_000),
        because="FFmpeg's own limit",
    ),
    Case("M73-mp4-10^9-s", "U", lambda: patched(mp4(), b"mvhd", 12, struct.pack(">II", 1, 10**9))),
    Case(
        "M73-mp4-65535x65535",
        "U",
        lambda: patched(mp4(), b"tkhd", 76, struct.pack(">II", 65_535 << 16, 65_535 << 16)),
    ),
    Case(
        "M73-mp4-10^8-frames",
        "U",
        lambda: patched(mp4(), b"stsz", 4, struct.pack(">II", 1, 10**8)),
    ),
    Case("M74-hls-http", "U", lambda: _HLS),
    Case("M74-hls-file", "U", lambda: _HLS.replace(b"http://127.0.0.1:9", b"file:///etc/passwd")),
    Case("M75-ffconcat", "U", lambda: b"ffconcat version 1.0\nfile /etc/passwd\n"),
    Case("M75-dash", "U", lambda: _MPD),
    Case("M75-sdp", "U", lambda: _SDP),
    Case("M76-mp4-url", "U", lambda: reference(b"url ", _URL)),
    Case("M76-mp4-urn", "U", lambda: reference(b"urn ", b"a\0file:///etc/passwd")),
    Case("M76-mp4-alias", "U", lambda: reference(b"alis", b"/etc/passwd")),
    *(
        Case(f"M77-{kind}", "U", lambda kind=kind: video_as(kind))
        for kind in ("avi", "matroska", "mpegts")
    ),
    Case("M77-ogg", "U", ogg),
    Case("N10-mp4-10^9-fragments", "U", lambda: fragment(10**9)),
    Case("N11-mp4-1000-edits", "U", lambda: edits(1000)),
    Case("N12-mp4-1000-tracks", "U", lambda: inside_moov(box(b"trak", b"") * 1000)),
    Case(
        "N13-mp4-long-times",
        "OK U",
        lambda: patched(mp4(), b"stts", 4, struct.pack(">III", 1, 2**31 - 1, 1)),
    ),
    Case("N14-mp4-200000-boxes", "U", lambda: mp4() + box(b"free", b"") * 200_000),
    Case("N15-hls-in-mp4", "X", lambda: box(b"ftyp", b"isom" + bytes(4)) + _HLS),
]

CASES = {case.id: case for case in (*PICTURES, *VIDEOS)}
assert len(CASES) == len(PICTURES) + len(VIDEOS)
