from __future__ import annotations

import io
import json

import numpy as np
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from visioncraft.visioncraft_core.media.integrity import check_integrity
from visioncraft.visioncraft_core.media.png import BAND, encode_png

GRAIN = np.random.default_rng(3)
SEVERAL_BANDS = 3 * BAND // (3 * 512)  # rows


def opened(content: bytes) -> Image.Image:
    check_integrity(content, "png")
    image = Image.open(io.BytesIO(content))
    image.load()
    return image


@pytest.mark.parametrize(
    "shape",
    [(1, 1), (7, 5), (3, 2, 2), (24, 32, 3), (2, 9, 4), (1, 70_000, 3), (SEVERAL_BANDS, 512, 3)],
    ids=str,
)
@pytest.mark.parametrize("kind", ["grain", "flat", "lines"])
def test_pillow_reads_the_same_pixels(shape: tuple[int, ...], kind: str):
    pixels = GRAIN.integers(0, 256, shape, np.uint8)
    if kind != "grain":
        pixels[:] = 200 if kind == "flat" else np.resize([0, 255, 17], shape)
    assert np.array_equal(np.asarray(opened(encode_png(pixels))), pixels)


def test_one_channel_is_grey_and_rows_need_not_lie_together():
    pixels = GRAIN.integers(0, 256, (6, 8, 1), np.uint8)
    image = opened(encode_png(pixels[::2, ::-1]))
    assert image.mode == "L"
    assert np.array_equal(np.asarray(image), pixels[::2, ::-1, 0])


def test_texts_are_those_that_pillow_writes():
    texts = {"prompt": json.dumps({"a": 1}), "workflow": "漢字 and Grüße", "Größe": "ä"}
    chunks = PngInfo()
    for name, text in texts.items():
        chunks.add_text(name, text)
    buffer = io.BytesIO()
    pixels = np.zeros((4, 4, 3), np.uint8)
    Image.fromarray(pixels).save(buffer, "PNG", pnginfo=chunks)
    assert opened(encode_png(pixels, texts)).info == opened(buffer.getvalue()).info


@pytest.mark.parametrize("shape", [(4, 4, 5), (0, 4, 3), (4, 0)])
def test_what_is_no_picture_is_refused(shape: tuple[int, ...]):
    with pytest.raises(ValueError, match="no picture"):
        encode_png(np.zeros(shape, np.uint8))


def test_a_file_is_hardly_larger_than_pillows():
    ramp = np.linspace(0, 220, 256)[None, :, None] + np.linspace(0, 30, 256)[:, None, None]
    for grain in (0, 3):
        pixels = (ramp + GRAIN.normal(0, grain, (256, 256, 3))).clip(0, 255).astype(np.uint8)
        buffer = io.BytesIO()
        Image.fromarray(pixels).save(buffer, "PNG", compress_level=4)
        assert len(encode_png(pixels)) < 1.15 * len(buffer.getvalue())
