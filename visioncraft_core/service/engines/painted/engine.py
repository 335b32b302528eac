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
from .chat import LONGEST_TURN, reply
from .painter import Painter, sign

SD_SIZE = (512, 512)  # of Stable Diffusion 1.x and of GIFs; the API has no fields for it
GIF_FRAMES, VIDEO_FRAMES, VIDEO_LONGEST, LARGEST, UPSCALING = 16, 48, 768, 2048, 4
MOST_CHATS, MOST_CHAT_CHARACTERS = 1000, 2**20  # the chats that were not used longest go first
MOST_TURNS = 100  # of one chat


class PaintedEngine:
    """The same request with the same seed gives the same bytes in every process."""

    def __init__(self) -> None:
        self._chats: dict[str, list[dict[str, str]]] = {}
        self._characters = 0  # in all chats

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
            return self._premium_chat(request, job.seed)
        cancelled = threading.Event()
        try:
            return Output(await asyncio.to_thread(_files, request, job.seed, cancelled))
        finally:
            cancelled.set()

    def _premium_chat(self, request: api.PremiumChat, seed: int) -> Output:
        chat_id = request.chat_id[:100] or f"chat-{seed:016x}"
        turns = self._forget(chat_id)
        turns.append({"role": "user", "content": request.message[:LONGEST_TURN]})
        text = reply(turns, seed)
        turns.append({"role": "assistant", "content": text})
        self._chats[chat_id] = turns[-MOST_TURNS:]
        self._characters += _length(self._chats[chat_id])
        while len(self._chats) > MOST_CHATS or self._characters > MOST_CHAT_CHARACTERS:
            self._forget(next(iter(self._chats)))
        return Output(text=text, chat_id=chat_id)

    def _forget(self, chat_id: str) -> list[dict[str, str]]:
        turns = self._chats.pop(chat_id, [])
        self._characters -= _length(turns)
        return turns


def _length(turns: Sequence[Mapping[str, str]]) -> int:
    return sum(len(turn["content"]) for turn in turns)


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
            yield sign(Painter(request, SD_SIZE, seed + number).paint(), prompt)
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
