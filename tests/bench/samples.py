"""Pictures and films as a server sends them, the same in each run."""

from __future__ import annotations

import io
from functools import cache

import av
import numpy as np
from PIL import Image
from visioncraft.visioncraft_core.api.endpoints import GenerateXL
from visioncraft.visioncraft_core.service.engines.painted.painter import Painter

PROMPT = "a red fox in a snowy forest at dawn"


@cache
def painted(side: int) -> np.ndarray:
    """A picture of flat areas, as the sandbox paints it: uint8, side x side x 3."""
    request = GenerateXL(prompt=PROMPT, width=1024, height=1024)
    return np.asarray(Painter(request, (side, side), 1).paint())


@cache
def photo(side: int) -> np.ndarray:
    """A picture with the grain of a photo, as models draw it: uint8, side x side x 3."""
    small = Image.fromarray(painted(side)).resize((side // 4, side // 4))
    smooth = np.asarray(small.resize((side, side), Image.Resampling.BICUBIC), np.float32)
    grain = np.random.default_rng(1).normal(0, 3, smooth.shape)
    return (smooth + grain).clip(0, 255).astype(np.uint8)


@cache
def file_of(kind: str, side: int) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(photo(side)).save(buffer, kind)
    return buffer.getvalue()


@cache
def gif() -> bytes:
    frames = [Image.fromarray(np.roll(painted(512), 8 * n, axis=1)) for n in range(16)]
    palette = frames[0].quantize(255, dither=Image.Dither.NONE)
    first, *rest = (f.quantize(palette=palette, dither=Image.Dither.NONE) for f in frames)
    buffer = io.BytesIO()
    first.save(buffer, "GIF", save_all=True, append_images=rest, duration=80, optimize=False)
    return buffer.getvalue()


@cache
def mp4() -> bytes:
    """50 frames of 768 x 768 pixels."""
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=24, options={"preset": "veryfast"})
        stream.width = stream.height = 768
        stream.pix_fmt = "yuv420p"
        for number in range(50):
            pixels = np.ascontiguousarray(np.roll(painted(768), 4 * number, axis=1))
            container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels)))
        container.mux(stream.encode())
    return buffer.getvalue()
