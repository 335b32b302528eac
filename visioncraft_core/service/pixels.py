"""Uploaded files to pictures and pictures to files, for engines that make pixels themselves."""

from __future__ import annotations

import io
from collections.abc import Iterable

import numpy as np
from PIL import Image

from ..errors import DamagedFile, UnsafeContent
from ..media.images import LONGEST_SIDE, MOST_PIXELS, decode
from ..media.png import encode_png
from .engine import InputRejected

FRAME_MILLISECONDS = 80  # of a GIF
FRAME_RATE = 24  # of a video


def open_upload(field: str, content: bytes, *, enlarged: int = 1) -> Image.Image:
    """The picture as RGB, or RGBA where it has transparency. Raises InputRejected.

    It must stay within media's limits when it is `enlarged` times as wide and high.
    """
    try:
        decoded = decode(content)
    except DamagedFile:
        raise InputRejected(field, "is not a picture that can be opened") from None
    except UnsafeContent:
        raise InputRejected(field, "is too large") from None
    width, height = (side * enlarged for side in decoded.size)
    if max(width, height) > LONGEST_SIDE or width * height > MOST_PIXELS:
        raise InputRejected(field, f"is too large: {decoded.size[0]} x {decoded.size[1]} pixels")
    picture = Image.fromarray(decoded.rgb)
    if decoded.alpha is not None:
        picture.putalpha(Image.fromarray(decoded.alpha))
    return picture


def png(picture: Image.Image) -> bytes:
    return encode_png(np.asarray(picture))


def gif(frames: Iterable[Image.Image], milliseconds: int = FRAME_MILLISECONDS) -> bytes:
    """A loop for ever of RGB pictures of one size, each shown for so long."""
    pictures = list(frames)
    # One palette for all: a palette for each frame makes still areas flicker.
    palette = pictures[0].quantize(255, dither=Image.Dither.NONE)
    first, *others = (f.quantize(palette=palette, dither=Image.Dither.NONE) for f in pictures)
    buffer = io.BytesIO()
    timing = {"duration": milliseconds, "loop": 0}
    first.save(buffer, "GIF", save_all=True, append_images=others, optimize=False, **timing)
    return buffer.getvalue()


def mp4(frames: Iterable[Image.Image], rate: int = FRAME_RATE) -> bytes:
    """H.264 with its index at the front of the file; RGB pictures of one size, sides even.
    `rate` is in frames a second.

    The same pictures give the same bytes.
    """
    import av  # its libraries take a while to load, and pictures need none of them

    buffer, stream = io.BytesIO(), None
    # Room for the index at the front: "faststart" would want to open a file by its name.
    with av.open(buffer, "w", format="mp4", options={"moov_size": "16384"}) as container:
        for frame in frames:
            if stream is None:
                stream = container.add_stream("libx264", rate=rate)
                stream.width, stream.height = frame.size
                stream.pix_fmt = "yuv420p"
                # Several threads, or the encoder's quicker arithmetic, vary from run to run.
                exact = {"threads": "1", "x264-params": "cpu-independent=1"}
                stream.options = {"crf": "20", "preset": "veryfast", **exact}
            container.mux(stream.encode(av.VideoFrame.from_image(frame)))
        container.mux(stream.encode() if stream else [])
    return buffer.getvalue()
