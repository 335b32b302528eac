"""The sandbox's engine: paints every picture from the words of its prompt."""

from __future__ import annotations

import asyncio
import io
import threading
from collections.abc import Callable, Mapping, Sequence
from hashlib import sha256
from typing import Any

from PIL import Image, ImageOps

from ....api import endpoints as api
from ....api.catalogs import bundled
from ....api.fields import Request
from ....media.images import LONGEST_SIDE, MOST_PIXELS
from ...engine import InputRejected, Job, Output
from . import chat, motion, pictures

_NO_PICTURE = "is not a picture that can be opened"

SD_SIZE = 512  # Stable Diffusion 1.x; the API has no size fields for it
MOST_CHATS = 1000


class PaintedEngine:
    """The sandbox's engine: no model, no network."""

    def __init__(self) -> None:
        self._chats: dict[str, list[dict[str, str]]] = {}
        self._begun = 0
        self._lock = threading.Lock()

    def catalogs(self) -> Mapping[str, Sequence[str]]:
        return bundled()

    async def generate(self, request: Request, job: Job) -> Output:
        return await asyncio.to_thread(MAKERS[type(request)], self, request, job.seed)

    def _generate(self, request: api.Generate, seed: int) -> Output:
        brief = _brief(request, style=" ".join([request.model, *request.loras]))
        drawn = (
            pictures.compose(brief, width=SD_SIZE, height=SD_SIZE, seed=_seed(seed, number))
            for number in range(request.image_count)
        )
        return Output(tuple(_png(picture) for picture in drawn))

    def _generate_xl(self, request: api.GenerateXL, seed: int) -> Output:
        brief = _brief(request, style=request.model, refined=request.refiner)
        size = {"width": request.width, "height": request.height}
        return Output((_png(pictures.compose(brief, **size, seed=seed)),))

    def _image_to_image(self, request: api.ImageToImage, seed: int) -> Output:
        refined = request.refiner != "no_refiner"
        brief = _brief(request, style=request.scheduler, refined=refined)
        given = _opened(request.image).convert("RGB")
        return Output((_png(pictures.restyle(given, brief, strength=request.strength, seed=seed)),))

    def _upscale(self, request: api.Upscale, _seed: int) -> Output:
        given = _opened(request.image, enlarged=pictures.UPSCALING)
        return Output((_png(pictures.upscale(given)),))

    def _gif(self, request: api.GenerateGif, seed: int) -> Output:
        return Output((motion.gif(_brief(request, style=""), seed=seed),))

    def _video(self, request: api.ImageToVideo, seed: int) -> Output:
        return Output((motion.video(_opened(request.image).convert("RGB"), seed=seed),))

    def _chat(self, request: api.Chat, seed: int) -> Output:
        return Output(text=chat.reply(request.messages, seed=seed))

    def _premium_chat(self, request: api.PremiumChat, seed: int) -> Output:
        with self._lock:
            # Ids count up rather than being drawn, so that a fresh start repeats its series.
            self._begun += 1
            chat_id = request.chat_id or f"chat-{self._begun:06}-{seed % 16**8:08x}"
            turns = self._chats.setdefault(chat_id, [])
            turns.append({"role": "user", "content": request.message})
            text = chat.reply(turns, seed=seed)
            turns.append({"role": "assistant", "content": text})
            while len(self._chats) > MOST_CHATS:
                del self._chats[next(iter(self._chats))]
        return Output(text=text, chat_id=chat_id)


# One line an endpoint; a test holds it complete.
MAKERS: dict[type[Request], Callable[[PaintedEngine, Any, int], Output]] = {
    api.Generate: PaintedEngine._generate,
    api.GenerateXL: PaintedEngine._generate_xl,
    api.ImageToImage: PaintedEngine._image_to_image,
    api.Upscale: PaintedEngine._upscale,
    api.GenerateGif: PaintedEngine._gif,
    api.ImageToVideo: PaintedEngine._video,
    api.Chat: PaintedEngine._chat,
    api.PremiumChat: PaintedEngine._premium_chat,
}


def _seed(*parts: object) -> int:
    return int.from_bytes(sha256(repr(parts).encode()).digest()[:8], "big")


def _brief(request: Request, *, style: str, refined: bool = False) -> pictures.Brief:
    return pictures.Brief(
        prompt=getattr(request, "prompt", ""),
        negative_prompt=getattr(request, "negative_prompt", ""),
        style=style,
        guidance=getattr(request, "cfg_scale", 10) / 20,
        detail=getattr(request, "steps", 25) / 50,
        refined=refined,
    )


def _opened(content: bytes, *, enlarged: int = 1) -> Image.Image:
    """The picture; it must stay within media's limits when it is `enlarged` times as wide."""
    try:
        image = Image.open(io.BytesIO(content), formats=("PNG", "JPEG", "WEBP", "GIF"))
    except (Image.DecompressionBombWarning, Image.DecompressionBombError):
        raise InputRejected("image", "is too large") from None
    except Exception:  # noqa: BLE001 - decoders leak IndexError, SyntaxError, struct.error ...
        raise InputRejected("image", _NO_PICTURE) from None
    width, height = image.width * enlarged, image.height * enlarged
    if max(width, height) > LONGEST_SIDE or width * height > MOST_PIXELS:
        raise InputRejected("image", f"is too large: {image.width} x {image.height} pixels")
    try:
        image.load()
        return ImageOps.exif_transpose(image) or image
    except Exception:  # noqa: BLE001
        raise InputRejected("image", _NO_PICTURE) from None


def _png(picture: Image.Image) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()
