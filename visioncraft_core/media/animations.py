"""Moving pictures to frames: GIF, WebP, APNG and MP4. Files come from strangers.

Every frame is composed as a viewer would show it (disposal, offsets), with the time that it stays.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from fractions import Fraction
from itertools import islice
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image, ImageSequence

from ..errors import DamagedFile, UnsafeContent
from .images import (
    MOST_PIXELS,
    Deadline,
    FileKind,
    Pixels,
    Size,
    TimedFile,
    bands,
    check_size,
    damaged_file,
    decoding,
    rgb_of,
    sniff,
)
from .integrity import gif_frames

if TYPE_CHECKING:
    from av import VideoFrame, VideoStream
    from av.container import InputContainer

MOST_FRAMES = 512
NO_FRAMES = "is a video without pictures"
# Viewers show a frame that names no time for a tenth of a second.
UNTIMED = 0.1
MOST_UNTIMED_GIF = 10  # milliseconds, which viewers of GIF take for none


@dataclass(frozen=True)
class Animation:
    """`frames` is uint8, frames x height x width x 3; `delays` are seconds, one a frame.

    `left_out` counts frames at the end that did not fit into the budget of pixels; of what was
    `transparent` the frames show white.
    """

    frames: Pixels
    delays: tuple[float, ...]
    left_out: int = 0
    transparent: bool = False

    @property
    def size(self) -> Size:
        return Size(self.frames.shape[2], self.frames.shape[1])

    @property
    def fps(self) -> float:
        """Frames a second on the mean."""
        return len(self.delays) / sum(self.delays)

    @property
    def rate(self) -> Fraction:
        """`fps` as a video wants it."""
        return Fraction(self.fps).limit_denominator(1001)

    @property
    def steady(self) -> bool:
        """Whether every frame stays for the same time."""
        return max(self.delays) - min(self.delays) < 0.0005


def decode_animation(content: bytes) -> Animation:
    """The frames of a GIF, WebP, PNG, JPEG or MP4 file; a still picture has one.

    Raises DamagedFile for a damaged file, a foreign format or no frames at all, UnsafeContent for
    frames that are too large or after MOST_SECONDS.
    """
    kind = sniff(content)
    with decoding("moving picture"):
        return _from_mp4(content) if kind == "mp4" else _from_pillow(content, kind)


class _Frames:
    """Frames of one size, as many as the budget has `room` for."""

    def __init__(self, width: int, height: int) -> None:
        check_size((width, height))
        self.room = min(MOST_FRAMES, MOST_PIXELS // (width * height))
        # The system gives the memory only as it is written to.
        self._array = np.empty((self.room, height, width, 3), np.uint8)
        self._count = 0

    @property
    def full(self) -> bool:
        return self._count == self.room

    def append(self, pixels: Pixels) -> None:
        self._array[self._count] = pixels
        self._count += 1

    def array(self) -> Pixels:
        if not self._count:
            raise damaged_file(NO_FRAMES)
        # In place: for a moment, a copy would need the memory twice.
        self._array.resize((self._count, *self._array.shape[1:]), refcheck=False)
        return self._array


def _from_pillow(content: bytes, kind: FileKind | None) -> Animation:
    delays: list[float] = []
    left_out = 0
    transparent = False
    file = TimedFile(content)
    with Image.open(file, formats=("GIF", "WEBP", "PNG", "JPEG")) as image:
        width, height = image.size
        frames = _Frames(width, height)
        # Of an APNG, the picture for viewers that do not know it need not be one of its frames.
        apart = kind == "png" and bool(image.info.get("default_image"))
        for frame in islice(ImageSequence.Iterator(image), int(apart), None):
            if frames.full:
                left_out = max(1, frame_count(image, content) - frames.room)
                break
            file.deadline.check()
            check_size(frame.size)
            shown, clear = _on_white(frame)
            transparent |= clear
            # Pillow grows a GIF for a frame that overhangs the screen; viewers cut it off.
            frames.append(shown[:height, :width])
            # Only known once the frame is loaded, and for WebP only then.
            milliseconds = float(frame.info.get("duration") or 0)
            timed = milliseconds > (MOST_UNTIMED_GIF if kind == "gif" else 0)
            delays.append(max(milliseconds, 1.0) / 1000 if timed else UNTIMED)
            if kind == "jpeg":  # a second picture in one is another view, not a later moment
                break
    return Animation(frames.array(), tuple(delays), left_out, transparent)


def _on_white(frame: Image.Image) -> tuple[Pixels, bool]:
    """The colours of `frame` as a page shows it, and whether the page shows through.

    The colours of what is transparent are accidental.
    """
    if "A" not in frame.getbands() and "transparency" not in frame.info:
        return rgb_of(frame), False
    pixels = np.empty((frame.height, frame.width, 3), np.uint8)
    transparent = False
    for rows, band in bands(frame):
        over = band.convert("RGBA")
        transparent |= over.getchannel("A").getextrema() != (255, 255)
        ground = Image.new("RGBA", over.size, "white")
        ground.alpha_composite(over)
        pixels[rows] = np.asarray(ground.convert("RGB"))
    return pixels, transparent


def frame_count(image: Image.Image, content: bytes) -> int:
    """How many frames there are, or a little fewer if the file is damaged further on."""
    if image.format == "GIF":  # Pillow would count by decoding all that was decoded once more
        count = 0
        with suppress(DamagedFile, UnsafeContent):
            for _ in gif_frames(content):
                count += 1
        return count
    # A PNG says any number; each of its frames has one of these.
    most = content.count(b"fcTL") if image.format == "PNG" else MOST_PIXELS
    return min(getattr(image, "n_frames", 1), most)


def _from_mp4(content: bytes) -> Animation:
    import av  # its libraries take a while to load, and pictures need none of them

    left_out = 0
    deadline = Deadline()
    # The named format keeps FFmpeg from following playlists and the like.
    with av.open(io.BytesIO(content), format="mp4") as container:
        if not container.streams.video:
            raise damaged_file(NO_FRAMES)
        stream = container.streams.video[0]
        rate = float(stream.average_rate or stream.guessed_rate or 1 / UNTIMED)
        width, height = stream.codec_context.width, stream.codec_context.height
        check_size((width, height))
        frames: _Frames | None = None
        # A stream may change its size on the way.
        stream.codec_context.options = {"max_pixels": str(MOST_PIXELS)}
        stream.thread_type = "AUTO"  # several frames at once, too
        for frame in _played(container, stream, deadline):
            matrix = _display_matrix(frame)
            if frames is None:
                lies = matrix[0] == matrix[3] == 0
                frames = _Frames(height, width) if lies else _Frames(width, height)
            if frames.full:
                left_out = max(1, stream.frames - frames.room)
                break
            frames.append(_displayed(_pixels(frame, width, height), matrix))
    if frames is None:
        raise damaged_file(NO_FRAMES)
    shown = frames.array()
    return Animation(shown, (1 / rate,) * len(shown), left_out)


def _pixels(frame: VideoFrame, width: int, height: int) -> Pixels:
    """The colours of `frame` where they lie: `to_ndarray` would copy them."""
    plane: Any = frame.reformat(format="rgb24", width=width, height=height).planes[0]
    lines = np.frombuffer(plane, np.uint8).reshape(height, plane.line_size)
    return lines[:, : 3 * width].reshape(height, width, 3)


def _display_matrix(frame: VideoFrame) -> tuple[int, int, int, int]:
    """The signs of a, b, c and d of the matrix that a film is shown by (ISO/IEC 14496-12, 6.2.2):
    a phone's lies on its side, one of a mirror is flipped. Upright where it is neither."""
    side_data: Any = frame.side_data
    for data in side_data:
        if data.type.name == "DISPLAYMATRIX" and len(matrix := bytes(data)) == 36:
            a, b, _, c, d, *_ = np.sign(np.frombuffer(matrix, np.int32)).tolist()
            if (b * c and not a and not d) or (a * d and not b and not c):
                return a, b, c, d
    return 1, 0, 0, 1


def _displayed(pixels: Pixels, matrix: tuple[int, int, int, int]) -> Pixels:
    """`pixels` where x goes to a x + c y and y to b x + d y."""
    a, b, c, d = matrix
    if b:
        return pixels.transpose(1, 0, 2)[::b, ::c]
    return pixels[::d, ::a]


def _played(
    container: InputContainer, stream: VideoStream, deadline: Deadline
) -> Iterator[VideoFrame]:
    # Packets and not frames are the measure of time: not every packet holds a frame.
    for packet in container.demux(stream):
        deadline.check()
        yield from packet.decode()
