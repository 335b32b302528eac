"""The sandbox's engine: paints each picture from the words of its prompt; no model, no network."""

from __future__ import annotations

import asyncio
import math
import threading
from collections.abc import Iterator, Mapping, Sequence
from itertools import takewhile

from PIL import Image, ImageOps

from ....api import endpoints as api
from ....api.catalogs import bundled
from ....api.fields import Request
from ...engine import Job, Output
from ...pixels import gif, mp4, open_upload, png
from .chat import reply
from .painter import Painter, sign

SD_SIZE = (512, 512)  # of Stable Diffusion 1.x and of GIFs; the API has no fields for it
GIF_FRAMES, VIDEO_FRAMES, VIDEO_LONGEST, LARGEST, UPSCALING = 16, 48, 768, 2048, 4


class PaintedEngine:
    """The same request with the same seed gives the same bytes in every process."""

    def catalogs(self) -> Mapping[str, Sequence[str]]:
        return bundled()

    def serves(self, request: Request) -> bool:
        return True

    async def problems(self) -> Sequence[str]:
        return ()

    async def close(self) -> None:
        pass

    async def generate(self, request: Request, job: Job) -> Output:
        if isinstance(request, api.Chat):
            return Output(text=reply(request.messages, job.seed))
        if isinstance(request, api.PremiumChat):
            said = {"role": "user", "content": request.message}
            return Output(text=reply([*job.history, said], job.seed))
        cancelled = threading.Event()
        try:
            return Output(await asyncio.to_thread(_files, request, job.seed, cancelled))
        finally:
            cancelled.set()


def _files(request: Request, seed: int, cancelled: threading.Event) -> tuple[bytes, ...]:
    wanted = takewhile(lambda _: not cancelled.is_set(), _pictures(request, seed))
    if request.output == "video":
        return (mp4(wanted),)
    return (gif(wanted),) if request.output == "animation" else tuple(map(png, wanted))


def _pictures(request: Request, seed: int) -> Iterator[Image.Image]:
    """The pictures or frames, each made when it is asked for. Raises InputRejected."""
    prompt = getattr(request, "prompt", "")
    if isinstance(request, api.Generate):
        for number in range(request.image_count):
            yield sign(Painter(request, SD_SIZE, seed + (number << 64)).paint(), prompt)
    elif isinstance(request, api.GenerateGif):
        for number in range(GIF_FRAMES):
            yield sign(Painter(request, SD_SIZE, seed, number / GIF_FRAMES).paint(), prompt)
    elif isinstance(request, api.GenerateXL):
        yield sign(Painter(request, (request.width, request.height), seed).paint(), prompt)
    elif isinstance(request, api.ImageToImage):
        given = open_upload("image", request.image).convert("RGB")
        yield sign(_redrawn(request, given, seed), prompt) if request.strength else given
    elif isinstance(request, api.ImageToVideo):
        yield from _closer(open_upload("image", request.image).convert("RGB"))
    elif isinstance(request, api.Upscale):
        given = open_upload("image", request.image, enlarged=UPSCALING)
        yield given.resize([UPSCALING * side for side in given.size], Image.Resampling.LANCZOS)


def _redrawn(request: api.ImageToImage, given: Image.Image, seed: int) -> Image.Image:
    """What is light gives way first, so that shapes stay; at strength 1 nothing is left."""
    gone, scale = request.strength * 1.7 - 1, min(1, LARGEST / max(given.size))
    mask = ImageOps.equalize(given.convert("L")).point(lambda light: (gone + light / 255) * 365)
    width, height = (max(16, round(side * scale)) for side in given.size)
    fresh = Painter(request, (width, height), seed).paint().resize(given.size)
    return Image.composite(fresh, given, mask)


def _closer(given: Image.Image) -> Iterator[Image.Image]:
    """Moves slowly towards the middle of the picture."""
    given.thumbnail((VIDEO_LONGEST, VIDEO_LONGEST), Image.Resampling.LANCZOS)
    width, height = (max(2, side // 2 * 2) for side in given.size)
    for number in range(VIDEO_FRAMES):
        edge = 0.06 * (1 - math.cos(math.pi * number / (VIDEO_FRAMES - 1)))
        left, top = (side * edge for side in given.size)
        box = left, top, given.width - left, given.height - top
        yield sign(given.resize((width, height), Image.Resampling.BILINEAR, box=box), "")
