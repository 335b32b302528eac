"""Moving pictures: a looping GIF of a scene, and a film that travels over a given picture."""

from __future__ import annotations

import io
import math
from collections.abc import Iterator
from fractions import Fraction
from random import Random

from PIL import Image

from .pictures import Brief, compose, sign

GIF_FRAMES = 16
GIF_DELAY = 80  # milliseconds

VIDEO_RATE = 24
VIDEO_FRAMES = 48
VIDEO_LONGEST = 1024


def gif(brief: Brief, *, seed: int, width: int = 512, height: int = 512) -> bytes:
    """An animated GIF that loops: 16 frames of 80 ms."""
    frames = [
        compose(brief, width=width, height=height, seed=seed, phase=number / GIF_FRAMES)
        for number in range(GIF_FRAMES)
    ]
    # One palette for all: a palette for each frame makes still areas flicker.
    sample = Image.new("RGB", (width, height * 2))
    for place, number in enumerate((0, GIF_FRAMES // 2)):
        sample.paste(frames[number], (0, place * height))
    palette = sample.quantize(255, dither=Image.Dither.NONE)
    indexed = [frame.quantize(palette=palette, dither=Image.Dither.NONE) for frame in frames]
    buffer = io.BytesIO()
    indexed[0].save(
        buffer,
        "GIF",
        save_all=True,
        append_images=indexed[1:],
        duration=GIF_DELAY,
        loop=0,
        optimize=False,
    )
    return buffer.getvalue()


def video(picture: Image.Image, *, seed: int) -> bytes:
    """An H.264 MP4 of two seconds that moves slowly over `picture`; even sides, 24 frames a second.

    The longest side is at most 1024 pixels, the index stands at the front of the file.
    """
    import av  # its libraries take a while to load, and nothing else here needs them

    picture = _fitted(picture.convert("RGB"))
    buffer = io.BytesIO()
    # Room for the index at the front: "faststart" would want to open a file by its name.
    with av.open(buffer, "w", format="mp4", options={"moov_size": "16384"}) as container:
        stream = container.add_stream("libx264", rate=VIDEO_RATE)
        stream.width, stream.height = picture.size
        stream.pix_fmt = "yuv420p"
        # The same picture gives the same file only with one thread and without the encoder's
        # quicker arithmetic, whose results differ from run to run on sizes such as 200 x 150.
        exact = {"threads": "1", "x264-params": "cpu-independent=1"}
        stream.options = {"crf": "20", "preset": "veryfast", **exact}
        for number, image in enumerate(_journey(picture, Random(seed))):
            frame = av.VideoFrame.from_image(image)
            frame.pts, frame.time_base = number, Fraction(1, VIDEO_RATE)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return buffer.getvalue()


def _fitted(picture: Image.Image) -> Image.Image:
    scale = min(1.0, VIDEO_LONGEST / max(picture.size))
    width, height = (max(2, round(side * scale) // 2 * 2) for side in picture.size)
    return picture.resize((width, height), Image.Resampling.LANCZOS)


def _journey(picture: Image.Image, chance: Random) -> Iterator[Image.Image]:
    """The frames: from a little closer at one place to a little farther at another."""
    width, height = picture.size
    near, far = chance.uniform(0.72, 0.8), chance.uniform(0.88, 0.94)
    start = chance.uniform(0.1, 0.9), chance.uniform(0.1, 0.9)
    end = 1 - start[0], 1 - start[1]
    for number in range(VIDEO_FRAMES):
        eased = (1 - math.cos(math.pi * number / (VIDEO_FRAMES - 1))) / 2
        share = near + (far - near) * eased
        left = (1 - share) * width * (start[0] + (end[0] - start[0]) * eased)
        top = (1 - share) * height * (start[1] + (end[1] - start[1]) * eased)
        box = (left, top, left + share * width, top + share * height)
        yield sign(picture.resize((width, height), Image.Resampling.BICUBIC, box=box), "")
