from __future__ import annotations

import io
import struct
import zlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageCms
from support.hostile_files import chunk
from support.pictures import gradient, png_of
from visioncraft.visioncraft_core.errors import DamagedFile, InvalidRequest, UnsafeContent
from visioncraft.visioncraft_core.media import images as media
from visioncraft.visioncraft_core.media.images import (
    MOST_PIXELS,
    UPLOAD_FORMATS,
    UploadFormat,
    decode,
    encode,
    rgb_of,
    sniff,
)


def saved(image: Image.Image, kind: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("kind", "options", "tolerance"),
    [("PNG", {}, 0), ("WEBP", {"lossless": True}, 0), ("JPEG", {"quality": 95}, 12)],
)
def test_a_picture_comes_back_as_it_was_drawn(kind: str, options: dict, tolerance: int):
    pixels = gradient()
    content = saved(Image.fromarray(pixels), kind, **options)
    decoded = decode(content)
    assert sniff(content) == kind.lower()
    assert decoded.alpha is None
    assert np.abs(decoded.rgb.astype(int) - pixels).max() <= tolerance


@pytest.mark.parametrize("file_format", UPLOAD_FORMATS)
def test_what_is_encoded_comes_back_and_only_jpeg_loses_a_little(file_format: UploadFormat):
    lost = 6 if file_format == "jpeg" else 0
    for pixels in (gradient(), np.dstack([gradient(), gradient()[..., 0]])):
        content = encode(pixels, file_format)
        assert sniff(content) == file_format
        assert np.abs(decode(content).rgb.astype(int) - pixels[..., :3]).max() <= lost


def test_a_grey_picture_is_encoded_too():
    assert np.array_equal(decode(encode(gradient()[..., 0])).rgb[..., 1], gradient()[..., 0])


def test_a_picture_with_a_colour_profile_comes_in_srgb():
    wide = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    same = saved(Image.fromarray(gradient()), "PNG", icc_profile=wide)
    assert np.abs(decode(same).rgb.astype(int) - gradient()).max() <= 1
    broken = saved(Image.fromarray(gradient()), "PNG", icc_profile=b"no profile")
    assert np.array_equal(decode(broken).rgb, gradient())


def test_transparency_is_kept_apart():
    rgba = np.dstack([gradient(), gradient()[..., 0]])
    decoded = decode(png_of(rgba))
    assert decoded.alpha is not None
    assert np.array_equal(decoded.alpha, rgba[..., 3])
    assert np.array_equal(decoded.rgb, rgba[..., :3])


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGBA", "CMYK", "I;16"])
def test_every_mode_becomes_rgb_of_the_same_size(mode: str):
    grey = Image.fromarray(gradient()).convert("L")
    if mode == "I;16":
        image = Image.fromarray(np.asarray(grey, np.uint16) * 257)
    else:
        image = grey.convert(mode)
    content = saved(image, "JPEG" if mode == "CMYK" else "PNG")
    decoded = decode(content)
    assert decoded.rgb.shape == (24, 32, 3)
    reference = np.asarray(grey if mode not in ("1", "P") else image.convert("L"), int)
    assert np.abs(decoded.rgb[..., 0].astype(int) - reference).max() <= 4


@pytest.mark.parametrize("mode", ["L", "LA", "I;16"])
def test_grey_with_a_profile_of_its_own_is_converted(mode: str):
    levels = np.tile(np.arange(256, dtype=np.uint8), (4, 1))
    image = Image.fromarray(levels)
    if mode == "LA":
        image.putalpha(255)
    if mode == "I;16":
        image = Image.fromarray(levels.astype(np.uint16) * 257)
    shown = decode(saved(image, "PNG", icc_profile=grey_profile(gamma=1.0))).rgb[0, :, 0]
    # Linear light in sRGB's curve (IEC 61966-2-1); lcms is coarse where it is dark.
    light = np.arange(64, 256) / 255
    assert np.abs(shown[64:] - (1.055 * light ** (1 / 2.4) - 0.055) * 255).max() <= 2


def grey_profile(gamma: float) -> bytes:
    """An ICC profile of grey (ICC.1:2001-04, 6): a header and four tags."""
    white = struct.pack(">3i", 63190, 65536, 54061)  # D50 in 1/65536
    tags = {
        b"desc": b"desc" + bytes(4) + struct.pack(">I", 2) + b"g\0" + bytes(78),
        b"cprt": b"text" + bytes(4) + b"x\0\0\0",
        b"wtpt": b"XYZ " + bytes(4) + white,
        b"kTRC": b"curv" + bytes(4) + struct.pack(">IHxx", 1, round(gamma * 256)),
    }
    table, data = struct.pack(">I", len(tags)), b""
    for name, content in tags.items():
        table += name + struct.pack(">II", 132 + 12 * len(tags) + len(data), len(content))
        data += content + bytes(-len(content) % 4)
    head = struct.pack(">4xI4s4s4s12x4s", 0x02400000, b"mntr", b"GRAY", b"XYZ ", b"acsp")
    head = head.ljust(64, b"\0") + white
    body = head.ljust(124, b"\0") + table + data
    return struct.pack(">I", len(body) + 4) + body


def test_grey_of_16_bits_keeps_its_transparent_level():
    levels = np.array([[0, 1000], [40000, 65535]], np.uint16)
    plain = saved(Image.fromarray(levels), "PNG")
    end_of_header = 33
    level = chunk(b"tRNS", struct.pack(">H", 1000))
    picture = decode(plain[:end_of_header] + level + plain[end_of_header:])
    assert picture.alpha is not None
    assert picture.alpha.tolist() == [[255, 0], [255, 255]]


def test_a_picture_too_wide_for_webp_is_named_before_it_is_sent():
    with pytest.raises(InvalidRequest, match="upload to png"):
        encode(np.zeros((1, 16384, 3), np.uint8), "webp")


def test_a_photo_is_turned_upright():
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was turned by 90 degrees
    content = saved(Image.fromarray(gradient(32, 24)), "JPEG", exif=exif)
    assert decode(content).size == (24, 32)


@pytest.mark.parametrize(
    "content",
    [b"", b"\x89PNG\r\n\x1a\n", b"GIF89a", b"<html></html>", b'{"error": "x"}', b"BM" + b"0" * 60],
    ids=["empty", "png-magic", "gif-magic", "html", "json", "bmp"],
)
def test_what_is_no_picture_is_refused(content: bytes):
    with pytest.raises(DamagedFile):
        decode(content)


@pytest.mark.parametrize("side", [9_500, 16_000, 50_000])  # Pillow itself minds only from 13,377
def test_a_picture_bomb_is_refused_before_it_is_unpacked(side: int):
    bomb = bytearray(png_of(gradient()))
    bomb[16:24] = side.to_bytes(4, "big") + side.to_bytes(4, "big")
    bomb[29:33] = zlib.crc32(bomb[12:29]).to_bytes(4, "big")
    assert side * side > MOST_PIXELS
    with pytest.raises(UnsafeContent, match="pixels.* than is safe"):
        decode(bytes(bomb))


def test_a_large_picture_is_converted_band_by_band(monkeypatch: pytest.MonkeyPatch):
    pixels = gradient(width=10, height=25)
    monkeypatch.setattr(media, "BAND", 40)  # six bands of four rows, and one more
    assert np.array_equal(rgb_of(Image.fromarray(pixels)), pixels)
    decoded = decode(png_of(np.dstack([pixels, pixels[..., 0]])))
    assert decoded.alpha is not None
    assert np.array_equal(decoded.alpha, pixels[..., 0])


def test_a_file_that_takes_too_long_is_given_up(monkeypatch: pytest.MonkeyPatch):
    content = png_of(gradient())
    monkeypatch.setattr(media, "MOST_SECONDS", -1.0)
    with pytest.raises(UnsafeContent, match="takes more than"):
        decode(content)


def test_still_pictures_of_the_video_family_are_no_videos():
    assert sniff(b"\0\0\0\x18ftypisom") == "mp4"
    assert sniff(b"\0\0\0\x18ftypavif") is None
    assert sniff(b"\0\0\0\x18ftypheic") is None


@given(cut=st.integers(0, 200), position=st.integers(0, 200), byte=st.integers(0, 255))
def test_a_damaged_file_is_a_picture_or_our_error(cut: int, position: int, byte: int):
    content = bytearray(png_of(gradient(8, 8)))
    content[position % len(content)] = byte
    try:
        assert decode(bytes(content[: len(content) - cut])).rgb.ndim == 3
    except (DamagedFile, UnsafeContent) as error:
        assert len(str(error)) < 300
