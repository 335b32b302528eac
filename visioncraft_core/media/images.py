"""Picture files to arrays and back: PNG, JPEG and WebP. Files come from strangers.

An array is uint8, height x width x 3 (RGB); transparency is a second one, height x width, where 255
is opaque. Knows no tensors.
"""

from __future__ import annotations

import io
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageCms, ImageOps

from ..errors import DamagedFile, InvalidRequest, UnsafeContent
from .png import encode_png

FileKind = Literal["png", "jpeg", "webp", "gif", "mp4"]
UploadFormat = Literal["png", "webp", "jpeg"]
UPLOAD_FORMATS: tuple[UploadFormat, ...] = ("png", "webp", "jpeg")
Pixels = NDArray[np.uint8]

# As a float32 tensor this is 1.07 GB; it is also where Pillow begins to warn.
MOST_PIXELS = 89_478_485
LONGEST_SIDE = 16384
WIDEST_WEBP = 16383  # 14 bits in its header
MOST_SECONDS = 30.0  # for one file
# Pictures are converted in bands of this many pixels, so that only one copy is whole.
BAND = 1 << 22
# What else the MP4 family's signature may open: still pictures, which no video node can play.
STILL_BRANDS = (b"avif", b"avis", b"heic", b"heix", b"heim", b"heis", b"hevc", b"mif1", b"msf1")
RUN_AGAIN = "Run again. If it persists, the server is returning damaged files."
SMALLER = "Ask for a smaller one; an upscaled picture is four times as wide and high."


class Size(NamedTuple):
    width: int
    height: int


@dataclass(frozen=True)
class DecodedImage:
    """One decoded picture. `alpha` is None for an opaque one."""

    rgb: Pixels
    alpha: Pixels | None = None

    @property
    def size(self) -> Size:
        return Size(self.rgb.shape[1], self.rgb.shape[0])

    def to_pillow(self) -> Image.Image:
        """An image in mode RGB, or RGBA where there is an `alpha`."""
        image = Image.fromarray(self.rgb)
        if self.alpha is not None:
            image.putalpha(Image.fromarray(self.alpha))
        return image


def sniff(content: bytes) -> FileKind | None:
    """What the first bytes say a file is: declared content types were never reliable."""
    if content.startswith(b"\x89PNG\r\n\x1a\n"):
        return "png"
    if content.startswith(b"\xff\xd8\xff"):
        return "jpeg"
    if content[:4] == b"RIFF" and content[8:12] == b"WEBP":
        return "webp"
    if content[:6] in (b"GIF87a", b"GIF89a"):
        return "gif"
    if content[4:8] == b"ftyp" and content[8:12] not in STILL_BRANDS:
        return "mp4"
    return None


class Deadline:
    """MOST_SECONDS from now."""

    def __init__(self) -> None:
        self.end = time.monotonic() + MOST_SECONDS

    def check(self) -> None:
        """Raises UnsafeContent once the time is over."""
        if time.monotonic() > self.end:
            raise unsafe_file(f"takes more than {MOST_SECONDS:g} s to decode", SMALLER)


class TimedFile(io.BytesIO):
    """A file in memory that cannot be read after its `deadline`. For Pillow, which reads on demand.

    FFmpeg is not for it: versions of 2025 repeat a read that fails, for ever.
    """

    def __init__(self, content: bytes) -> None:
        super().__init__(content)
        self.deadline = Deadline()

    def read(self, size: int | None = -1, /) -> bytes:
        if time.monotonic() > self.deadline.end:  # a GIF is read in blocks of 255 bytes
            self.deadline.check()
        return super().read(size)


@contextmanager
def decoding(noun: str, advice: str = "") -> Iterator[None]:
    """Raises DamagedFile or UnsafeContent for whatever decoding a `noun` raises."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow's own size warnings; the budget is ours
        try:
            yield
        except (DamagedFile, UnsafeContent):
            raise
        except MemoryError:
            raise unsafe_file("does not fit into memory", advice) from None
        except Exception:  # noqa: BLE001 - they leak IndexError, SyntaxError, struct.error ...
            raise damaged_file(f"is a damaged {noun}") from None


def decode(content: bytes) -> DecodedImage:
    """The (first) picture in a PNG, JPEG, WebP or GIF file, upright and in sRGB's RGB.

    Raises DamagedFile for a damaged file or a foreign format, UnsafeContent for more than
    MOST_PIXELS or after MOST_SECONDS. Takes what a tolerant viewer takes; whether the file is all
    there is for `integrity.check_integrity` to say.
    """
    with decoding("picture", SMALLER):
        try:
            image = Image.open(TimedFile(content), formats=("PNG", "JPEG", "WEBP", "GIF"))
        except Image.DecompressionBombError:
            raise unsafe_file("has far more pixels than is safe", SMALLER) from None
        with image:
            check_size(image.size, SMALLER)
            image.load()
            ImageOps.exif_transpose(image, in_place=True)
            return _picture(image)


def encode(pixels: Pixels, file_format: UploadFormat = "png") -> bytes:
    """A file of `pixels`: height x width, or x 3 (RGB), or x 4 (RGBA).

    PNG and WebP lose nothing; JPEG (quality 95) loses a little, and transparency. Raises
    InvalidRequest for a side that WebP does not know.
    """
    if file_format == "webp" and max(pixels.shape[:2]) > WIDEST_WEBP:
        raise InvalidRequest(
            f"A picture of more than {WIDEST_WEBP} pixels a side cannot be sent as WebP.",
            "Set upload to png in the server profile, or send a smaller picture.",
            phase="check",
        )
    if file_format == "png":
        return encode_png(pixels)
    image = Image.fromarray(pixels)
    if file_format == "jpeg" and image.mode == "RGBA":
        image = image.convert("RGB")
    options: dict[str, Any] = {
        "webp": {"lossless": True, "quality": 20, "method": 2, "exact": True},
        "jpeg": {"quality": 95, "subsampling": 0},
    }[file_format]
    buffer = io.BytesIO()
    image.save(buffer, file_format.upper(), **options)
    return buffer.getvalue()


def check_size(size: tuple[int, int], advice: str = "") -> None:
    """Raises UnsafeContent for a picture of too many pixels."""
    width, height = size
    if max(size) > LONGEST_SIDE or width * height > MOST_PIXELS:
        raise unsafe_file(f"is {width} x {height} pixels, more than is safe", advice)


def _picture(image: Image.Image) -> DecodedImage:
    alpha = None
    if image.mode in ("I", "I;16", "I;16B", "I;16L", "F"):
        image, alpha = _eight_bit(image)
    elif "A" in image.getbands() or "transparency" in image.info:
        alpha = np.empty((image.height, image.width), np.uint8)
        for rows, band in bands(image):
            alpha[rows] = np.asarray(band.convert("RGBA"))[..., 3]
    return DecodedImage(rgb_of(_in_srgb(image)), alpha)


def _eight_bit(image: Image.Image) -> tuple[Image.Image, Pixels | None]:
    """Grey of 16 bits as 8, and its transparency.

    Pillow clips such grey to white when it converts; the high byte is the picture.
    """
    levels = np.asarray(image)
    grey = Image.fromarray((levels.astype(np.float64) / 257.0 + 0.5).clip(0, 255).astype(np.uint8))
    if profile := image.info.get("icc_profile"):
        grey.info["icc_profile"] = profile
    clear = image.info.get("transparency")
    return grey, None if clear is None else np.where(levels == clear, 0, 255).astype(np.uint8)


def rgb_of(image: Image.Image) -> Pixels:
    """The colours of `image`, height x width x 3; not to be written to."""
    if image.width * image.height <= BAND:
        return np.asarray(image if image.mode == "RGB" else image.convert("RGB"))
    pixels = np.empty((image.height, image.width, 3), np.uint8)
    for rows, band in bands(image):
        pixels[rows] = np.asarray(band if band.mode == "RGB" else band.convert("RGB"))
    return pixels


def bands(image: Image.Image) -> Iterator[tuple[slice, Image.Image]]:
    """`image` in pieces of about BAND pixels, each with its rows."""
    height = max(1, BAND // image.width)
    for top in range(0, image.height, height):
        bottom = min(top + height, image.height)
        yield slice(top, bottom), image.crop((0, top, image.width, bottom))


def _in_srgb(image: Image.Image) -> Image.Image:
    """`image` in the colours it was meant to have; a profile that is broken is ignored."""
    profile = image.info.get("icc_profile")
    if not profile:
        return image
    # Without transparency, which no profile knows; grey stays grey, or its profile would not fit.
    flat = {"P": "RGB", "PA": "RGB", "RGBA": "RGB", "LA": "L"}.get(image.mode)
    plain = image.convert(flat) if flat else image
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        target = ImageCms.createProfile("sRGB")
        converted = ImageCms.profileToProfile(plain, source, target, outputMode="RGB")
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
        return plain
    return converted or plain


def unsafe_file(why: str, advice: str = "") -> UnsafeContent:
    """The error for a file that cannot be shown; `why` completes "A file from the server ..."."""
    return UnsafeContent(
        f"A file from the server {why}.", advice or RUN_AGAIN, phase="decode", charged="yes"
    )


def damaged_file(why: str) -> DamagedFile:
    """The error for a file that is incomplete or does not decode; `why` as in `unsafe_file`."""
    return DamagedFile(f"A file from the server {why}.", RUN_AGAIN, phase="decode", charged="yes")
