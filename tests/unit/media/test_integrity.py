from __future__ import annotations

import io
import struct
import time
import zlib
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import PIL
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from PIL import Image
from support.hostile_files import apng, box, chunk, film, mp4, picture, png, riff, saved, webp
from support.timing import at_most
from visioncraft.visioncraft_core.errors import DamagedFile, InvalidResponse
from visioncraft.visioncraft_core.media.animations import decode_animation
from visioncraft.visioncraft_core.media.images import FileKind, decode, sniff
from visioncraft.visioncraft_core.media.integrity import MOST_DEPTH, check_integrity, gif_frames

pytestmark = pytest.mark.timed

SMALL = picture(24, 16)


def moving(kind: str, **options: Any) -> bytes:
    others = [SMALL.rotate(90, expand=False), SMALL.rotate(180)]
    return saved(SMALL, kind, save_all=True, append_images=others, duration=80, **options)


def interlaced() -> bytes:
    """Seven passes over the pixels, each finer than the one before."""
    passes = [
        *((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4)),
        *((0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)),
    ]
    pixels = np.arange(64, dtype=np.uint8).reshape(8, 8)
    rows = [b"\0" + row.tobytes() for x, y, dx, dy in passes for row in pixels[y::dy, x::dx]]
    return png(8, 8, colours=0, interlace=1, rows=zlib.compress(b"".join(rows)))


def with_thumbnail() -> bytes:
    content = saved(SMALL, "JPEG")
    inner = b"Exif\0\0" + saved(SMALL.resize((8, 8)), "JPEG")
    return content[:2] + b"\xff\xe1" + struct.pack(">H", 2 + len(inner)) + inner + content[2:]


def with_gap() -> bytes:
    """A JPEG with odd bytes and a run of 255s between two segments."""
    content = saved(SMALL, "JPEG")
    (length,) = struct.unpack_from(">H", content, 4)
    return content[: 4 + length] + b"\0\1\xff\xff\xff" + content[4 + length + 1 :]


WHOLE: dict[str, bytes] = {
    "png": saved(SMALL, "PNG"),
    "png-palette": saved(SMALL.convert("P"), "PNG", transparency=3),
    "png-text": png(1, 1, rows=zlib.compress(bytes(4)), before=chunk(b"tEXt", b"a\0b")),
    "png-interlaced": interlaced(),
    "apng": apng(4),
    "apng-pillow": moving("PNG"),
    "jpeg": saved(SMALL, "JPEG"),
    "jpeg-progressive": saved(SMALL, "JPEG", progressive=True),
    "jpeg-restarts": saved(SMALL, "JPEG", restart_marker_blocks=1),
    "jpeg-thumbnail": with_thumbnail(),
    "jpeg-gap": with_gap(),
    "jpeg-grey": saved(SMALL.convert("L"), "JPEG", quality=100),
    "webp": saved(SMALL, "WEBP"),
    "webp-lossless": saved(SMALL, "WEBP", lossless=True),
    "webp-alpha": saved(SMALL.convert("RGBA"), "WEBP", exif=Image.Exif().tobytes()),
    "webp-moving": moving("WEBP"),
    "webp-parts": webp(3, 3, 4, (2, 2)),
    "gif": saved(SMALL, "GIF"),
    "gif-moving": moving("GIF"),
    "gif-comment": moving("GIF", comment=b"a long comment " * 40, disposal=2, loop=3),
    "gif-no-palette": saved(SMALL.convert("L"), "GIF", interlace=0),
    "mp4": mp4(3),
    "mp4-moov-late": mp4(3, early=False),
    "mp4-sound": mp4(3, sound=True),
}


def kind_of(content: bytes) -> FileKind:
    kind = sniff(content)
    assert kind
    return kind


def take(content: bytes, kind: FileKind | None = None) -> None:
    """What the check lets pass, the decoder judges."""
    check_integrity(content, kind or kind_of(content))
    decode(content)


@pytest.mark.parametrize("name", WHOLE)
def test_a_whole_file_passes_and_can_be_shown(name: str):
    content = WHOLE[name]
    check_integrity(content, kind_of(content))
    assert len(decode_animation(content).frames) == (
        3
        if "moving" in name or "mp4" in name or name in ("apng-pillow", "gif-comment")
        else 4
        if name in ("apng", "webp-parts")
        else 1
    )


def test_a_video_with_its_index_first_passes(tmp_path: Path):
    path = tmp_path / "video.mp4"
    film(str(path), {"movflags": "+faststart"}, 12)  # which FFmpeg does on a disk only
    content = path.read_bytes()
    assert content.index(b"moov") < content.index(b"mdat")
    check_integrity(content, "mp4")
    assert len(decode_animation(content).frames) == 12


def test_the_parts_that_the_samples_are_for_are_there():
    assert b"\xff\xda" in WHOLE["jpeg-progressive"].partition(b"\xff\xda")[2]
    old = PIL.__version__.startswith("10.1.")  # it writes no restarts
    assert b"\xff\xd0" in WHOLE["jpeg-restarts"] or old
    assert WHOLE["gif-comment"].count(b"!\xfe") == 1
    assert WHOLE["mp4-sound"].count(b"trak") == 2
    assert WHOLE["mp4-moov-late"].index(b"mdat") < WHOLE["mp4-moov-late"].index(b"moov")
    grey = decode(WHOLE["png-interlaced"]).rgb[..., 0]
    assert np.array_equal(grey, np.arange(64).reshape(8, 8))


@pytest.mark.parametrize("name", WHOLE)
def test_a_file_that_is_cut_anywhere_is_refused(name: str):
    content = WHOLE[name]
    kind = kind_of(content)
    # All ends of a small file; of a large one every twentieth or so, and all near its end.
    step = 1 + len(content) // 1500
    ends = {*range(12, len(content), step), *range(len(content) - 200, len(content))}
    for end in ends:
        if kind == "gif" and content[end - 1] == 0:
            continue  # between two blocks nobody can tell it from a file without a trailer
        with pytest.raises(DamagedFile) as caught:
            check_integrity(content[:end], kind)
        assert caught.value.charged == "yes"


def test_what_is_wrong_is_said():
    for content, words in [
        (WHOLE["png"][:-1], "is cut off"),
        (WHOLE["png"].replace(b"IDAT", b"IDAU"), "is damaged .PNG checksum"),
        (box(b"ftyp", b"isom"), "is damaged .MP4 without its parts"),
    ]:
        with pytest.raises(InvalidResponse, match=f"A file from the server {words}.*Run again"):
            check_integrity(content, kind_of(content))


def test_what_follows_a_picture_is_ignored():
    for name in ("png", "jpeg", "webp", "gif"):
        check_integrity(WHOLE[name] + b"PK\3\4 and more", kind_of(WHOLE[name]))


@pytest.mark.parametrize(
    "content",
    [
        chunk(b"IDAT", b"") + chunk(b"IEND", b""),
        chunk(b"IHDR", bytes(12)) + chunk(b"IDAT", b"") + chunk(b"IEND", b""),
        *(
            chunk(b"IHDR", struct.pack(">II5B", *numbers))
            + chunk(b"IDAT", b"")
            + chunk(b"IEND", b"")
            for numbers in [
                (0, 1, 8, 2, 0, 0, 0),
                (1, 0, 8, 2, 0, 0, 0),
                (1, 1, 4, 2, 0, 0, 0),
                (1, 1, 8, 5, 0, 0, 0),
                (1, 1, 8, 2, 1, 0, 0),
                (1, 1, 8, 2, 0, 1, 0),
                (1, 1, 8, 2, 0, 0, 2),
            ]
        ),
        chunk(b"IHDR", struct.pack(">II5B", 1, 1, 8, 2, 0, 0, 0)) * 2 + chunk(b"IDAT", b""),
        chunk(b"IHDR", struct.pack(">II5B", 1, 1, 8, 2, 0, 0, 0)) + chunk(b"IEND", b""),
    ],
)
def test_a_png_without_a_sound_header_and_pixels_is_damaged(content: bytes):
    with pytest.raises(DamagedFile):
        take(b"\x89PNG\r\n\x1a\n" + content)


@pytest.mark.parametrize(
    "content",
    [
        riff(b"RIFF", b"WEBP" + riff(b"VP8X", bytes(10))),
        WHOLE["webp"][:12] + b"ABCD" + WHOLE["webp"][16:],
    ],
)
def test_a_webp_without_a_sound_header_and_pixels_is_damaged(content: bytes):
    with pytest.raises(DamagedFile):
        take(content)


def test_frames_of_a_gif_are_counted_as_a_decoder_counts_them():
    for name in ("gif", "gif-moving", "gif-comment"):
        with Image.open(io.BytesIO(WHOLE[name])) as image:
            assert len(list(gif_frames(WHOLE[name]))) == getattr(image, "n_frames", 0)


@pytest.mark.parametrize(
    ("kind", "content"),
    [
        ("jpeg", b"\xff\xd8" + b"\xff" * (8 << 20)),
        ("jpeg", b"\xff\xd8" + b"\xff\x00" * (4 << 20)),
        ("jpeg", b"\xff\xd8" + b"\xff\xfe\x00\x02" * (2 << 20)),
        ("gif", b"GIF89a\1\0\1\0\0\0\0,\0\0\0\0\1\0\1\0\0\2" + b"\1\1" * (4 << 20)),
        ("gif", b"GIF89a\1\0\1\0\0\0\0" + bytes(8 << 20)),
        ("webp", riff(b"RIFF", b"WEBP" + riff(b"VP8X", b"") * (1 << 20))),
        ("mp4", box(b"ftyp", b"") + box(b"moov", box(b"trak", box(b"free", b"") * 99_000) * 9)),
    ],
    ids=["255s", "stuffing", "segments", "sub-blocks", "ends", "chunks", "boxes"],
)
def test_a_file_made_to_waste_time_is_refused_soon(kind: FileKind, content: bytes):
    start = time.process_time()
    with pytest.raises(InvalidResponse):
        take(content, kind)
    assert time.process_time() - start < at_most(2)


changes = st.lists(st.tuples(st.integers(0), st.integers(0, 255)), min_size=1, max_size=6)


@settings(max_examples=200)
@given(name=st.sampled_from(sorted(WHOLE)), changes=changes)
def test_a_changed_file_passes_or_raises_our_error(name: str, changes: list[tuple[int, int]]):
    content = bytearray(WHOLE[name])
    for place, value in changes:
        content[place % len(content)] = value
    shown = bytes(content)
    kind = kind_of(WHOLE[name])
    try:
        check_integrity(shown, kind)
    except InvalidResponse as error:
        assert len(str(error)) < 300
    for attempt in (decode, decode_animation):
        try:
            attempt(shown)
        except InvalidResponse as error:
            assert len(str(error)) < 300


_NAMES = (
    *(b"moov", b"trak", b"mdia", b"minf", b"dinf", b"stbl", b"edts", b"moof", b"traf", b"free"),
    *(b"mvhd", b"tkhd", b"stsz", b"stz2", b"dref", b"elst", b"trun", b"mdat", b"ftyp"),
)
_leaves = st.builds(box, st.sampled_from(_NAMES), st.binary(max_size=120))
_lies = st.builds(
    lambda size, name, data: struct.pack(">I4s", size, name) + data,
    st.sampled_from([0, 1, 2, 7, 8, 9, 16, 100, 2**31, 2**32 - 1]),
    st.sampled_from(_NAMES),
    st.binary(max_size=40),
)
_trees = st.recursive(
    st.one_of(_leaves, _leaves, _lies),
    lambda inner: st.builds(
        lambda name, parts: box(name, b"".join(parts)),
        st.sampled_from(_NAMES[:9]),
        st.lists(inner, max_size=4),
    ),
)


@given(start=st.booleans(), boxes=st.lists(_trees, max_size=6))
@example(start=True, boxes=[box(b"moov", b"\0"), box(b"mdat", b"")])
def test_any_tree_of_boxes_passes_or_raises_our_error(*, start: bool, boxes: list[bytes]):
    content = (box(b"ftyp", b"isom") if start else b"") + b"".join(boxes)
    try:
        check_integrity(content, "mp4")
    except InvalidResponse as error:
        assert len(str(error)) < 300
    else:
        assert start
        assert b"moov" in content
        assert b"mdat" in content


@pytest.mark.parametrize("kind", ["png", "jpeg", "webp", "gif", "mp4"])
@given(content=st.binary(max_size=64))
def test_any_bytes_pass_for_nothing(kind: FileKind, content: bytes):
    with pytest.raises(InvalidResponse):
        take(content, kind)


def test_boxes_lie_in_each_other_up_to_a_depth():
    def tree(depth: int) -> bytes:
        data = box(b"mvhd", bytes(100)) + box(b"trak", b"")
        for _ in range(depth - 1):
            data = box(b"moov", data)
        return box(b"ftyp", b"isom") + data + box(b"mdat", b"")

    check = partial(check_integrity, kind="mp4")
    check(tree(MOST_DEPTH))
    with pytest.raises(InvalidResponse, match="too deep"):
        check(tree(MOST_DEPTH + 1))


def test_a_gif_without_its_last_byte_and_an_mp4_with_more_behind_it_are_whole():
    animation = moving("gif")
    check_integrity(animation[:-1], "gif")
    video = mp4(early=False)
    for rest in (
        b"\0",
        b"\0" * 64,
        b"\r\n",
        b"<html>",
        box(b"free", b"12345678")[:-3],
        b"\xff" * 300,
    ):
        check_integrity(video + rest, "mp4")


def test_the_last_box_of_an_mp4_may_reach_to_the_end():
    video = mp4(early=True)
    at = video.rindex(b"mdat") - 4
    check_integrity(video[:at] + bytes(4) + video[at + 4 :], "mp4")
    with pytest.raises(DamagedFile):  # but one that says how long it is must be there
        check_integrity(video[:-1], "mp4")
