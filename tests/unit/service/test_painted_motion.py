from __future__ import annotations

import asyncio
import io
import threading

import av
import numpy as np
import pytest
from PIL import Image, ImageSequence
from support.pictures import gradient, png_of
from visioncraft.visioncraft_core.api.endpoints import GenerateGif, GenerateXL, ImageToVideo
from visioncraft.visioncraft_core.api.fields import Request
from visioncraft.visioncraft_core.service.engine import Job
from visioncraft.visioncraft_core.service.engines.painted.engine import PaintedEngine
from visioncraft.visioncraft_core.service.engines.painted.painter import Painter


def made(request: Request) -> bytes:
    return asyncio.run(PaintedEngine().generate(request, Job(1))).files[0]


@pytest.mark.parametrize("prompt", ["neon city", "red", "a house"])
def test_a_gif_has_sixteen_different_frames_of_80_ms_and_loops(prompt: str):
    content = made(GenerateGif(sampler="Euler", prompt=prompt))
    with Image.open(io.BytesIO(content)) as image:
        assert image.info["loop"] == 0
        frames = [(f.info["duration"], f.convert("RGB")) for f in ImageSequence.Iterator(image)]
    assert [duration for duration, _ in frames] == [80] * 16
    assert all(frame.size == (512, 512) for _, frame in frames)
    assert len({frame.tobytes() for _, frame in frames}) == 16


@pytest.mark.parametrize("prompt", ["a boat on the sea in the rain", "a butterfly in the snow"])
def test_a_loop_has_no_seam(prompt: str):
    request = GenerateXL(prompt=prompt)
    pixels = [
        np.asarray(Painter(request, (256, 256), 1, phase).paint(), int) for phase in (0, 0.5, 1)
    ]
    assert np.abs(pixels[0] - pixels[1]).mean() > 0.2
    assert np.abs(pixels[0] - pixels[2]).mean() < 0.05


def test_the_same_request_gives_the_same_gif():
    request = GenerateGif(sampler="Euler", prompt="red")
    assert made(request) == made(request)


@pytest.mark.parametrize(
    ("given", "expected"),
    [((160, 120), (160, 120)), ((61, 37), (60, 36)), ((1500, 500), (768, 256)), ((1, 3), (2, 2))],
)
def test_a_video_moves_over_the_picture(given: tuple[int, int], expected: tuple[int, int]):
    content = made(ImageToVideo(image=png_of(gradient(*given))))
    assert content.index(b"moov") < content.index(b"mdat")
    with av.open(io.BytesIO(content)) as container:
        stream = container.streams.video[0]
        assert (stream.codec_context.name, stream.pix_fmt) == ("h264", "yuv420p")
        assert stream.average_rate == 24
        frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(stream)]
    assert len(frames) == 48
    assert frames[0].shape == (expected[1], expected[0], 3)
    if min(given) > 8:
        assert np.abs(frames[0].astype(int) - frames[-1]).mean() > 2


def test_the_same_picture_gives_the_same_video():
    # Sizes such as these and a picture full of detail are where encoders differ from run to run.
    picture = made(GenerateXL(prompt="neon city", width=300, height=222))
    assert len({made(ImageToVideo(image=picture)) for _ in range(2)}) == 1


def test_cancelling_ends_the_drawing_between_two_frames():
    async def cancelled() -> None:
        request = GenerateGif(sampler="Euler", prompt="a boat on the sea")
        task = asyncio.ensure_future(PaintedEngine().generate(request, Job(1)))
        while not _drawing() - before:
            await asyncio.sleep(0.001)
        task.cancel()
        await asyncio.wait([task])
        assert task.cancelled()

    before = _drawing()
    # Closing the loop waits for its threads, so the drawing has ended when this returns.
    asyncio.run(cancelled())
    assert not _drawing() - before


def _drawing() -> set[threading.Thread]:
    return {thread for thread in threading.enumerate() if thread.name.startswith("asyncio")}
