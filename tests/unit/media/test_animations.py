from __future__ import annotations

import io
import struct
from fractions import Fraction
from typing import Any

import av
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from support.hostile_files import apng, chunk, gif, gif_frame, mp4, webp
from support.instant_engine import tiny_gif
from support.pictures import FRAMES, gradient, moving, png_of
from visioncraft.visioncraft_core.errors import DamagedFile, UnsafeContent
from visioncraft.visioncraft_core.media import images as media
from visioncraft.visioncraft_core.media.animations import MOST_FRAMES, decode_animation
from visioncraft.visioncraft_core.service import pixels


@pytest.mark.parametrize(
    ("kind", "options", "tolerance"),
    [("PNG", {}, 0), ("WEBP", {"lossless": True}, 0), ("GIF", {}, 40)],
)
def test_every_frame_comes_back_composed(kind: str, options: dict[str, Any], tolerance: int):
    animation = decode_animation(moving(kind, FRAMES, 80, **options))
    assert animation.frames.shape == (4, 24, 32, 3)
    assert np.abs(animation.frames.astype(int) - np.stack(FRAMES)).max() <= tolerance
    assert animation.fps == pytest.approx(12.5)
    assert animation.rate == Fraction(25, 2)
    assert animation.steady


@pytest.mark.parametrize("kind", ["GIF", "PNG", "WEBP"])
def test_uneven_times_are_kept_and_the_rate_is_their_mean(kind: str):
    animation = decode_animation(moving(kind, FRAMES, [100, 200, 300, 400]))
    assert animation.delays == pytest.approx((0.1, 0.2, 0.3, 0.4))
    assert animation.fps == pytest.approx(4.0)
    assert not animation.steady


def test_a_frame_that_names_no_time_stays_a_tenth_of_a_second():
    assert decode_animation(moving("GIF", FRAMES, 0)).delays == (0.1,) * 4


@pytest.mark.parametrize("kind", ["PNG", "WEBP"])
def test_fast_frames_keep_their_time_where_viewers_do(kind: str):
    assert decode_animation(moving(kind, FRAMES, 8, lossless=True)).fps == pytest.approx(125)


def test_the_picture_for_old_viewers_is_no_frame_of_an_apng():
    shown = decode_animation(moving("PNG", FRAMES, [80, 160, 240], default_image=True))
    assert np.array_equal(shown.frames, np.stack(FRAMES[1:]))
    assert shown.delays == pytest.approx((0.08, 0.16, 0.24))


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "GIF"])
def test_what_is_transparent_shows_white_and_is_told(kind: str):
    first, second = np.full((2, 8, 8, 4), (255, 0, 0, 255), np.uint8)
    first[2:4, 2:4] = second[2:6, 2:4] = (0, 0, 0, 0)
    options = {"disposal": 2} if kind == "GIF" else {"lossless": True}
    shown = decode_animation(moving(kind, [first, second], 80, **options))
    assert shown.transparent
    expected = np.where(np.stack([first, second])[..., 3:] > 0, (255, 0, 0), 255)
    assert np.array_equal(shown.frames, expected)
    assert not decode_animation(moving(kind, FRAMES, 80)).transparent


@pytest.mark.parametrize(("turns", "size"), [(1, (8, 16)), (2, (16, 8)), (3, (8, 16))])
def test_a_film_that_lies_on_its_side_is_turned_as_its_file_says(turns: int, size: tuple[int, int]):
    upright = np.zeros((8, 16, 3), np.uint8)
    upright[:4, :8] = 255
    content = bytearray(pixels.mp4([Image.fromarray(upright)] * 3))
    # The matrix of a track's header: 16.16 numbers, and the last of each row 2.30.
    place = content.index(struct.pack(">9i", 65536, 0, 0, 0, 65536, 0, 0, 0, 2**30), 200)
    cos, sin = {1: (0, 65536), 2: (-65536, 0), 3: (0, -65536)}[turns]
    content[place : place + 36] = struct.pack(">9i", cos, -sin, 0, sin, cos, 0, 0, 0, 2**30)
    turned = decode_animation(bytes(content))
    plain = decode_animation(pixels.mp4([Image.fromarray(upright)] * 3))
    assert turned.size == size
    assert np.array_equal(turned.frames, np.rot90(plain.frames, turns, axes=(1, 2)))


def test_a_film_is_shown_by_each_of_the_eight_matrices_of_its_file():
    video = mp4(2)
    upright = decode_animation(video).frames
    at = video.index(b"tkhd") + 44  # after flags, times, layer and volume
    one = 1 << 16
    for a, b, c, d in [(x, 0, 0, y) for x in (1, -1) for y in (1, -1)] + [
        (0, x, y, 0) for x in (1, -1) for y in (1, -1)
    ]:
        matrix = struct.pack(">9i", a * one, b * one, 0, c * one, d * one, 0, 0, 0, 1 << 30)
        shown = decode_animation(video[:at] + matrix + video[at + 36 :]).frames
        # A point x, y of the film is shown at a x + c y, b x + d y.
        _, height, width, _ = upright.shape
        for x, y in ((1, 2), (width - 3, 1), (4, height - 2)):
            column, row = a * x + c * y, b * x + d * y
            assert (shown[:, row - (b + d < 0), column - (a + c < 0)] == upright[:, y, x]).all()


def test_a_partial_frame_is_drawn_over_what_was_there():
    changed = FRAMES[0].copy()
    changed[:8, :8] = (255, 0, 0)
    content = moving("GIF", [FRAMES[0], changed], 100)
    frames = decode_animation(content).frames
    assert np.abs(frames[1][12:, 12:].astype(int) - frames[0][12:, 12:]).max() < 40
    assert frames[1][2, 2, 0] > 200
    assert frames[1][2, 2, 1] < 60


def test_a_still_picture_has_one_frame():
    animation = decode_animation(png_of(gradient()))
    assert animation.frames.shape == (1, 24, 32, 3)
    assert animation.fps == 10


def test_a_video_becomes_frames_and_their_rate():
    animation = decode_animation(pixels.mp4([Image.fromarray(gradient(64, 48))] * 48))
    assert animation.frames.shape == (48, 48, 64, 3)
    assert animation.fps == pytest.approx(24)
    assert animation.size == (64, 48)


def test_frames_over_the_budget_are_left_out_and_counted():
    dots = [np.full((1, 1, 3), n % 256, np.uint8) for n in range(MOST_FRAMES + 8)]
    animation = decode_animation(moving("PNG", dots, 20))
    assert len(animation.frames) == MOST_FRAMES
    assert animation.left_out == 8


@pytest.mark.parametrize(
    ("content", "count"),
    [(apng(2000), 2000), (gif(1, 1, [gif_frame()] * 2000), 2000), (webp(1, 1, 2000), 2000)],
    ids=["png", "gif", "webp"],
)
def test_what_is_left_out_is_counted_in_every_format(content: bytes, count: int):
    animation = decode_animation(content)
    assert len(animation.frames) == MOST_FRAMES
    assert animation.left_out == count - MOST_FRAMES


def test_a_png_that_lies_about_its_frames_is_not_believed():
    content = apng(MOST_FRAMES + 3)
    lie = chunk(b"acTL", struct.pack(">II", 2**31, 0))
    content = content.replace(chunk(b"acTL", struct.pack(">II", MOST_FRAMES + 3, 0)), lie)
    assert decode_animation(content).left_out == 3


def test_a_later_frame_that_overhangs_the_first_is_cut_off():
    first, second = moving("GIF", FRAMES[:1], 80), moving("GIF", [gradient(40, 30)], 80)
    palette = 3 << (second[10] & 7) + 1
    both = first[:-1] + second[13 + palette :]
    with Image.open(io.BytesIO(both)) as image:
        image.seek(1)
        assert image.size == (40, 30)
    assert decode_animation(both).frames.shape == (2, 24, 32, 3)


@pytest.mark.parametrize("content", [mp4(), moving("GIF", FRAMES, 80)], ids=["mp4", "gif"])
def test_a_film_that_takes_too_long_is_given_up(content: bytes, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(media, "MOST_SECONDS", -1.0)
    with pytest.raises(UnsafeContent, match="takes more than"):
        decode_animation(content)


@pytest.mark.parametrize(
    "content",
    [b"", b"GIF89a", b"<html>", b"\0\0\0\x18ftypmp42" + b"\0" * 40, b"#EXTM3U\nhttp://x/"],
    ids=["empty", "gif-magic", "html", "mp4-magic", "playlist"],
)
def test_what_does_not_move_is_refused(content: bytes):
    with pytest.raises(DamagedFile):
        decode_animation(content)


@given(cut=st.integers(1, 600), position=st.integers(0, 600), byte=st.integers(0, 255))
def test_a_damaged_file_is_an_animation_or_our_error(cut: int, position: int, byte: int):
    content = bytearray(tiny_gif())
    content[position % len(content)] = byte
    try:
        assert decode_animation(bytes(content[:-cut])).frames.ndim == 4
    except (DamagedFile, UnsafeContent) as error:
        assert len(str(error)) < 300


def test_a_video_without_pictures_is_refused():
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="mp4") as container:
        stream = container.add_stream("aac", rate=44100)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 2048), np.float32), "flt", "mono")
        frame.sample_rate = 44100
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    with pytest.raises(DamagedFile, match="without pictures"):
        decode_animation(buffer.getvalue())
