"""Pictures and films between files and tensors, beside Pillow's and PyAV's own."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
import torch
from PIL import Image, ImageSequence
from PIL.PngImagePlugin import PngInfo
from visioncraft.nodes import tensors
from visioncraft.nodes.headless import folders
from visioncraft.nodes.headless.folders import Folders
from visioncraft.nodes.headless.hostnodes.saving import SaveImage
from visioncraft.nodes.image import Upscale
from visioncraft.visioncraft_core.base64_text import dumps
from visioncraft.visioncraft_core.media.animations import decode_animation
from visioncraft.visioncraft_core.media.images import decode

from bench.measure import Report, in_turns, peak_memory
from bench.samples import file_of, gif, mp4, painted, photo

pytestmark = pytest.mark.bench

WORKFLOW = {"prompt": {"3": {"class_type": "SaveImage", "inputs": {}}}}


def tensor_of(pixels: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(pixels[None].astype(np.float32) / 255.0)


def comfyui_saves(images: torch.Tensor, path: Path, chunks: PngInfo) -> None:
    """What the loop of ComfyUI's SaveImage does."""
    for image in images:
        levels = 255.0 * image.cpu().numpy()
        picture = Image.fromarray(np.clip(levels, 0, 255).astype(np.uint8))
        picture.save(path, pnginfo=chunks, compress_level=4)


@pytest.mark.parametrize("pixels", [photo, painted])
def test_save_image(report: Report, tmp_path: Path, pixels: Callable[[int], np.ndarray]):
    folders.current.set(Folders(tmp_path, ()))
    images = tensor_of(pixels(1024))
    chunks = PngInfo()
    for name, content in WORKFLOW.items():
        chunks.add_text(name, json.dumps(content))
    theirs = tmp_path / "theirs.png"
    saved: list[Path] = []

    def ours() -> None:
        shown = SaveImage().run(images, "ours", prompt=WORKFLOW["prompt"])
        saved.append(shown["ui"]["images"][0].path)

    name = pixels.__name__
    report.ratio(
        f"SaveImage, {name}, 1024 x 1024, beside ComfyUI's",
        ours,
        lambda: comfyui_saves(images, theirs, chunks),
        0.30,
        rounds=7,
    )
    with Image.open(saved[-1]) as mine, Image.open(theirs) as plain:
        assert np.array_equal(np.asarray(mine), np.asarray(plain))
        assert mine.info == plain.info
    size = saved[-1].stat().st_size / theirs.stat().st_size
    report.amount(f"Size of that file, {name}", size, "x", 1.12)


def plain_body(images: torch.Tensor) -> bytes:
    levels = (images[0].numpy() * 255.0).round().clip(0, 255).astype(np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(levels).save(buffer, "PNG")
    return json.dumps({"image": base64.b64encode(buffer.getvalue()).decode()}).encode()


def our_body(images: torch.Tensor) -> bytes:
    (request,) = Upscale.requests({"image": images}, "png")
    return dumps(request.to_json()).encode()


def test_upload(report: Report):
    images = tensor_of(photo(1024))
    report.ratio(
        "IMAGE to the body of a request, 1024 x 1024",
        lambda: our_body(images),
        lambda: plain_body(images),
        0.08,
        rounds=5,
    )
    size = len(our_body(images)) / len(plain_body(images))
    report.amount("Size of that body", size, "x", 1.10)


def test_memory_of_an_upload(report: Report):
    images = tensor_of(photo(2048))
    body = len(our_body(images))
    peak = peak_memory(lambda: our_body(images))
    report.amount("Peak memory of an upload, 2048 x 2048, in bodies", peak / body, "x", 8)


def to_tensors(content: bytes) -> Any:
    picture = decode(content)
    return tensors.images([picture]), tensors.masks([picture])


def loaded(content: bytes) -> np.ndarray:
    with Image.open(io.BytesIO(content)) as image:
        return np.asarray(image.convert("RGB")).astype(np.float32) / 255.0


def test_an_answer_to_tensors(report: Report):
    content = file_of("PNG", 1024)
    what = "PNG of an answer to IMAGE and MASK, 1024 x 1024, beside loading it"
    report.ratio(what, lambda: to_tensors(content), lambda: loaded(content), 1.15, rounds=15)


@pytest.mark.parametrize("kind", ["JPEG", "WEBP"])
def test_other_answers_to_tensors(report: Report, kind: str):
    content = file_of(kind, 1024)
    what = f"{kind} of an answer to IMAGE and MASK, 1024 x 1024, beside loading it"
    report.more(what, lambda: to_tensors(content), lambda: loaded(content), 3, rounds=15)


FLOATS = "the same and floats of it, without any check, take {:.2f} x"


def gif_frames(content: bytes) -> None:
    with Image.open(io.BytesIO(content)) as image:
        for frame in ImageSequence.Iterator(image):
            np.asarray(frame.convert("RGB"))


def gif_floats(content: bytes) -> None:
    frames = np.empty((16, 512, 512, 3), np.float32)
    with Image.open(io.BytesIO(content)) as image:
        for number, frame in enumerate(ImageSequence.Iterator(image)):
            pixels = np.asarray(frame.convert("RGB"))
            np.divide(pixels, 255.0, out=frames[number], dtype=np.float32)


def test_gif(report: Report):
    content = gif()
    taken = in_turns([lambda: gif_frames(content), lambda: gif_floats(content)], 9)
    report.ratio(
        "GIF of 16 frames to frames, beside decoding it",
        lambda: tensors.frames(decode_animation(content).frames),
        lambda: gif_frames(content),
        1.30,
        rounds=9,
        limit=FLOATS.format(taken[1] / taken[0]),
    )


def film_frames(content: bytes) -> None:
    with av.open(io.BytesIO(content)) as container:
        for frame in container.decode(video=0):
            frame.to_ndarray(format="rgb24")


def test_mp4(report: Report):
    content = mp4()
    taken = in_turns([lambda: film_frames(content), lambda: film_floats(content)], 5)
    report.ratio(
        "MP4 of 50 frames, 768 x 768, to frames, beside decoding it to RGB",
        lambda: tensors.frames(decode_animation(content).frames),
        lambda: film_frames(content),
        1.9,
        rounds=7,
        limit=FLOATS.format(taken[1] / taken[0]),
    )
    size = 50 * 768 * 768 * 3 * 4
    peak = peak_memory(lambda: tensors.frames(decode_animation(content).frames))
    report.amount("Peak memory of that, in tensors", peak / size, "x", 1.3)


def film_floats(content: bytes) -> None:
    frames = np.empty((50, 768, 768, 3), np.float32)
    with av.open(io.BytesIO(content)) as container:
        for number, frame in enumerate(container.decode(video=0)):
            np.divide(frame.to_ndarray(format="rgb24"), 255.0, out=frames[number], dtype=np.float32)
