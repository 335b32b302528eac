"""Moving pictures to frames: GIF, WebP, APNG and MP4. Files come from strangers.

Every frame is composed as a viewer would show it (disposal, offsets), with the time that it stays.
"""

from __future__ import annotations

import io
import warnings
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from PIL import Image, ImageSequence

from .errors import UnsafeContent
from .media import LONGEST_SIDE, MOST_PIXELS, Pixels, Size, sniff, unusable

MOST_FRAMES = 512
# Viewers show a frame that names no time for a tenth of a second.
UNTIMED = 0.1


@dataclass(frozen=True)
class Animation:
    """`frames` is uint8, frames x height x width x 3; `delays` are seconds, one a frame.

    `left_out` counts frames at the end that did not fit into the budget of pixels.
    """

    frames: Pixels
    delays: tuple[float, ...]
    left_out: int = 0

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
    """The frames of a GIF, WebP, PNG or MP4 file; a still picture has one.

    Raises UnsafeContent for a damaged file, a foreign format, no frames at all, or a first frame
    that is too large.
    """
    kind = sniff(content)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow's own size warnings; the budget is ours
        try:
            return _from_mp4(content) if kind == "mp4" else _from_pillow(content)
        except UnsafeContent:
            raise
        except Exception:  # noqa: BLE001 - decoders leak IndexError, SyntaxError, av errors ...
            raise unusable("is a damaged or unknown moving picture") from None


def _most_frames(width: int, height: int) -> int:
    if max(width, height) > LONGEST_SIDE or width * height > MOST_PIXELS:
        raise unusable(f"has frames of {width} x {height} pixels, more than is safe")
    return min(MOST_FRAMES, MOST_PIXELS // (width * height))


def _from_pillow(content: bytes) -> Animation:
    frames: list[Pixels] = []
    delays: list[float] = []
    left_out = 0
    with Image.open(io.BytesIO(content), formats=("GIF", "WEBP", "PNG", "JPEG")) as image:
        room = _most_frames(*image.size)
        for frame in ImageSequence.Iterator(image):
            if len(frames) == room:
                left_out = max(1, getattr(image, "n_frames", room + 1) - room)
                break
            frames.append(np.asarray(frame.convert("RGBA").convert("RGB")))
            # Only known once the frame is loaded, and for WebP only then.
            milliseconds = float(frame.info.get("duration") or 0)
            delays.append(milliseconds / 1000 if milliseconds > 10 else UNTIMED)
    return Animation(np.stack(frames), tuple(delays), left_out)


def _from_mp4(content: bytes) -> Animation:
    import av  # its libraries take a while to load, and pictures need none of them

    frames: list[Pixels] = []
    left_out = 0
    # The named format keeps FFmpeg from following playlists and the like.
    with av.open(io.BytesIO(content), format="mp4") as container:
        if not container.streams.video:
            raise unusable("is a video without pictures")
        stream = container.streams.video[0]
        rate = float(stream.average_rate or stream.guessed_rate or 1 / UNTIMED)
        room = _most_frames(stream.codec_context.width, stream.codec_context.height)
        for frame in container.decode(stream):
            if len(frames) == room:
                left_out = max(1, stream.frames - room)
                break
            frames.append(frame.to_ndarray(format="rgb24"))
    if not frames:
        raise unusable("is a video without pictures")
    return Animation(np.stack(frames), (1 / rate,) * len(frames), left_out)
