from __future__ import annotations

import io

import av
import numpy as np
import pytest
from PIL import Image, ImageSequence
from support.pictures import gradient
from visioncraft.visioncraft_core.service.engines.painted.motion import gif, video
from visioncraft.visioncraft_core.service.engines.painted.pictures import Brief, compose


@pytest.mark.parametrize("prompt", ["a boat on the sea", "a cup", "red square", "portrait", ""])
def test_a_gif_has_sixteen_different_frames_of_80_ms_and_loops(prompt: str):
    content = gif(Brief(prompt=prompt), seed=1, width=128, height=96)
    with Image.open(io.BytesIO(content)) as image:
        assert image.info["loop"] == 0
        frames = [(f.info["duration"], f.convert("RGB")) for f in ImageSequence.Iterator(image)]
    assert [duration for duration, _ in frames] == [80] * 16
    assert all(frame.size == (128, 96) for _, frame in frames)
    assert len({frame.tobytes() for _, frame in frames}) == 16


def test_the_same_request_gives_the_same_gif():
    brief = Brief(prompt="a fox")
    assert gif(brief, seed=1, width=64, height=64) == gif(brief, seed=1, width=64, height=64)


@pytest.mark.parametrize(
    ("given", "expected"),
    [((160, 120), (160, 120)), ((61, 37), (60, 36)), ((1500, 500), (1024, 340))],
)
def test_a_video_travels_over_the_picture(given: tuple[int, int], expected: tuple[int, int]):
    content = video(Image.fromarray(gradient(*given)), seed=1)
    assert content.index(b"moov") < content.index(b"mdat")
    with av.open(io.BytesIO(content)) as container:
        stream = container.streams.video[0]
        assert (stream.codec_context.name, stream.pix_fmt) == ("h264", "yuv420p")
        assert stream.average_rate == 24
        frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(stream)]
    assert len(frames) == 48
    assert frames[0].shape == (expected[1], expected[0], 3)
    assert np.abs(frames[0].astype(int) - frames[-1]).mean() > 2


def test_a_tiny_picture_becomes_a_video_too():
    assert video(Image.fromarray(gradient(2, 3)), seed=1)[4:8] == b"ftyp"


def test_the_same_picture_gives_the_same_video():
    brief = Brief(prompt="neon city", style="sketch")  # smooth pictures hide what differs
    picture = compose(brief, width=300, height=222, seed=9)
    assert len({video(picture, seed=1) for _ in range(6)}) == 1
